import t from 'tap'
import { createQuietApp, until } from './helpers/app.js'
import type { QuietApp, Settings } from './helpers/app.js'
import { watchForStrays } from './helpers/strays.js'
import type { Test } from 'tap'
import { MemoryBroker } from '../index.js'
import type { BrokerEvents, Message } from '../index.js'
import { connect, TestBus } from '../testing/index.js'
import type { Client } from '../testing/index.js'

const noStrays = watchForStrays(t)

const PATH = '/cdr/users/ws'

/** A room with two members. */
async function roomOfTwo (t: Test, settings: Settings = {}): Promise<QuietApp & { members: [Client, Client] }> {
  const room = await createQuietApp(t, settings)
  const { app, token } = room
  return { ...room, members: [await connect(app, PATH, token()), await connect(app, PATH, token({ sub: 'paul' }))] }
}

t.test('a message reaches every member, once, and its receipt names it', async t => {
  const { app, members } = await roomOfTwo(t)
  const first = await app.ws.sendToRoom('cdr', { command: 'HELLO', data: { n: 1 } })
  const second = await app.ws.sendToRoom('cdr', { command: 'BYE' })
  t.match(first, { id: /./, subscribers: 1 })
  t.not(first.id, second.id)
  t.notOk('degraded' in first)
  for (const member of members) {
    t.strictSame(await member.expectMessage(), { command: 'HELLO', data: { n: 1 } })
    t.strictSame(await member.expectMessage(), { command: 'BYE' })
  }
  t.match(app.ws.stats(), { sent: 2, failed: 0, degraded: 0, received: 2, delivered: 4, malformed: 0 })
})

t.test('a room without members takes messages, and says that nobody listens', async t => {
  const { app } = await createQuietApp(t)
  t.match(await app.ws.sendToRoom('nobody', { command: 'HELLO' }), { subscribers: 0 })
  t.equal(await app.ws.count('nobody'), 0)
})

t.test('all members see the messages in the order of the calls, awaited or not', async t => {
  const { app, members } = await roomOfTwo(t)
  for (let n = 0; n < 500; n++) {
    const sending = app.ws.sendToRoom('cdr', { command: 'N', data: n })
    if (n % 7 === 0) await sending
  }
  for (const member of members) {
    for (let n = 0; n < 500; n++) t.equal((await member.expectMessage()).data as unknown, n)
  }
})

t.test('a message to one room is not seen in another', async t => {
  const { app, token, members } = await roomOfTwo(t, {
    setup (app) { app.get('/other', { websocket: true }, app.manageWebsocket('cdr2')) }
  })
  const other = await connect(app, '/other', token())
  await app.ws.sendToRoom('cdr2', { command: 'OTHER' })
  await app.ws.sendToRoom('cdr', { command: 'CDR' })
  t.strictSame(await other.expectMessage(), { command: 'OTHER' })
  t.strictSame(await members[0].expectMessage(), { command: 'CDR' })
  t.match(app.ws.stats(), { rooms: 2, members: 3 })
})

t.test('what was sent is what the message was at the time of the call', async t => {
  const { app, members } = await roomOfTwo(t)
  const message = { command: 'USER', data: { name: 'Ada' } }
  const sending = app.ws.sendToRoom('cdr', message)
  message.command = 'CHANGED'
  message.data.name = 'Bob'
  await sending
  t.strictSame(await members[0].expectMessage(), { command: 'USER', data: { name: 'Ada' } })
})

const circular: Record<string, unknown> = {}
circular.self = circular

const MISTAKES: Array<[what: string, room: unknown, message: unknown, code: string]> = [
  ['no message', 'cdr', undefined, 'FST_ROOMS_INVALID_MESSAGE'],
  ['null', 'cdr', null, 'FST_ROOMS_INVALID_MESSAGE'],
  ['a string', 'cdr', 'HELLO', 'FST_ROOMS_INVALID_MESSAGE'],
  ['a message without a command', 'cdr', { data: 1 }, 'FST_ROOMS_INVALID_MESSAGE'],
  ['an empty command', 'cdr', { command: '' }, 'FST_ROOMS_INVALID_MESSAGE'],
  ['a command that is a number', 'cdr', { command: 5 }, 'FST_ROOMS_INVALID_MESSAGE'],
  ...['WSStatus', 'WSError', 'WSPing', 'WSPong', 'WSSnapshot', 'WSPresence'].map(command => [`the reserved ${command}`, 'cdr', { command }, 'FST_ROOMS_INVALID_MESSAGE'] as [string, string, object, string]),
  ['data that holds itself', 'cdr', { command: 'X', data: circular }, 'FST_ROOMS_INVALID_MESSAGE'],
  ['a BigInt', 'cdr', { command: 'X', data: { n: 1n } }, 'FST_ROOMS_INVALID_MESSAGE'],
  ['a toJSON that fails', 'cdr', { command: 'X', data: { toJSON () { throw new Error('no') } } }, 'FST_ROOMS_INVALID_MESSAGE'],
  ['too many bytes', 'cdr', { command: 'X', data: 'é'.repeat(500) }, 'FST_ROOMS_MESSAGE_TOO_LARGE'],
  ['no room', undefined, { command: 'X' }, 'FST_ROOMS_INVALID_ROOM'],
  ['a pattern as its room', 'cd*', { command: 'X' }, 'FST_ROOMS_INVALID_ROOM'],
  ['a room with a line break', 'cdr\n', { command: 'X' }, 'FST_ROOMS_INVALID_ROOM']
]

t.test('a call with a mistake in it is rejected with its code, and nothing is delivered', async t => {
  const { app, members } = await roomOfTwo(t, { rooms: { maxMessage: 1_000 } })
  for (const [what, room, message, code] of MISTAKES) {
    await t.rejects(app.ws.sendToRoom(room as string, message as Message), { code }, what)
  }
  await t.rejects(app.ws.sendToRoom('cdr', { command: 'X', data: 'x'.repeat(1_000) }), { message: /is 1025 bytes long, more than `maxMessage` \(1000\)/ })
  await app.ws.sendToRoom('cdr', { command: 'X', data: 'x'.repeat(975) }) // as long as it may be
  t.match(await members[0].expectMessage(), { command: 'X' })
  t.match(app.ws.stats(), { sent: MISTAKES.length + 2, failed: MISTAKES.length + 1, received: 1, delivered: 2 })
})

t.test('the reason that data cannot be written is in the error', async t => {
  const { app } = await createQuietApp(t)
  const error = await app.ws.sendToRoom('cdr', { command: 'X', data: 1n }).catch(error => error)
  t.match(error.cause, TypeError)
})

t.test('a rejection that nobody awaits is logged, with the room, and ends nothing', async t => {
  const { app, logs } = await createQuietApp(t)
  app.ws.sendToRoom('cdr', { command: '' })
  await until(() => app.ws.stats().failed === 1)
  t.match(logs.filter(({ level }) => level === 50), [{ msg: 'message could not be sent to the room', room: 'cdr', err: { code: 'FST_ROOMS_INVALID_MESSAGE' } }])
})

t.test('what fails often is logged once a second, with how often it was left out', async t => {
  const { app, logs } = await createQuietApp(t)
  const omitted = (): unknown => logs.find(({ omitted }) => omitted !== undefined)?.omitted
  let failures = 0
  await until(async () => {
    await app.ws.sendToRoom('cdr', { command: '' }).catch(() => { failures++ })
    return omitted() !== undefined
  })
  t.equal(omitted(), failures - 2)
  t.equal(logs.filter(({ level }) => level === 50).length, 2)
})

t.test('while the broker is unreachable, the members of this process are served and the receipt says so', async t => {
  const bus = new TestBus()
  const { app, members, logs } = await roomOfTwo(t, { rooms: { broker: bus.broker() } })
  bus.refuse('send')
  t.match(await app.ws.sendToRoom('cdr', { command: 'HELLO' }), { id: /./, subscribers: 1, degraded: true })
  t.match(await app.ws.sendToRoom('nobody', { command: 'HELLO' }), { subscribers: 0, degraded: true })
  for (const member of members) t.strictSame(await member.expectMessage(), { command: 'HELLO' })
  t.match(app.ws.stats(), { sent: 2, failed: 0, degraded: 2, received: 0, delivered: 2 })
  t.match(logs.filter(({ level }) => level === 40), [{ room: 'cdr' }])
})

t.test('with whenBrokerDown: reject, nobody is served and the call is rejected', async t => {
  const bus = new TestBus()
  const { app, members } = await roomOfTwo(t, { rooms: { broker: bus.broker(), whenBrokerDown: 'reject' } })
  bus.refuse('send', 1)
  await t.rejects(app.ws.sendToRoom('cdr', { command: 'LOST' }), { code: 'FST_ROOMS_BROKER_UNAVAILABLE' })
  await app.ws.sendToRoom('cdr', { command: 'HELLO' })
  for (const member of members) t.strictSame(await member.expectMessage(), { command: 'HELLO' })
  t.match(app.ws.stats(), { sent: 2, failed: 1, degraded: 0 })
})

t.test('a message that may have been sent is never served a second time', async t => {
  const bus = new TestBus()
  const { app, members } = await roomOfTwo(t, { rooms: { broker: bus.broker() } })
  const error = new Error('anything')
  bus.unconfirm(1, { arrive: false })
  await t.rejects(app.ws.sendToRoom('cdr', { command: 'MAYBE' }), { code: 'FST_ROOMS_SEND_UNKNOWN' })
  bus.refuse('send', 1, { error })
  await t.rejects(app.ws.sendToRoom('cdr', { command: 'MAYBE' }), error)
  await app.ws.sendToRoom('cdr', { command: 'HELLO' })
  t.strictSame(await members[0].expectMessage(), { command: 'HELLO' })
  t.match(app.ws.stats(), { failed: 2, degraded: 0 })
})

t.test('count says how many members a room has, and refuses a name that is none', async t => {
  const { app, members } = await roomOfTwo(t)
  t.equal(await app.ws.count('cdr'), 2)
  t.equal(await app.ws.count('other'), 0)
  await t.rejects(app.ws.count('{cdr}'), { code: 'FST_ROOMS_INVALID_ROOM' })
  await members[0].close()
  t.equal(await app.ws.count('cdr'), 1)
})

t.test('stats say what this process holds and has done, and are a copy', async t => {
  const { app, members } = await roomOfTwo(t)
  await app.ws.sendToRoom('cdr', { command: 'HELLO' })
  await members[0].close()
  const stats = app.ws.stats()
  const expected = {
    broker: 'up',
    connections: 1,
    waiting: 0,
    revocations: 0,
    rooms: 1,
    members: 1,
    sent: 1,
    failed: 0,
    degraded: 0,
    received: 1,
    malformed: 0,
    delivered: 2,
    ignored: 0,
    ended: { client: 1 },
    refused: {},
    unnumbered: 0,
    gaps: 0,
    filled: 0,
    unfilled: 0,
    recovered: 0,
    unrecovered: 0
  }
  t.strictSame(stats, expected)
  stats.ended.client = 99
  stats.sent = 99
  t.strictSame(app.ws.stats(), expected)
})

t.test('stats say whether the broker is there, and what it complains of is logged', async t => {
  let events: BrokerEvents | undefined
  class FailingBroker extends MemoryBroker {
    override start (its: BrokerEvents): void {
      events = its
      super.start(its)
    }
  }
  const { app, logs } = await createQuietApp(t, { rooms: { broker: new FailingBroker() } })
  await app.ready()
  t.match(app.ws.stats(), { broker: 'up' })
  events?.down()
  events?.error(new Error('connect ECONNREFUSED'))
  t.match(app.ws.stats(), { broker: 'down' })
  events?.up()
  t.match(app.ws.stats(), { broker: 'up' })
  t.match(logs.filter(({ level }) => level as number > 30), [
    { level: 40, msg: /broker is down/ }, { level: 50, msg: 'broker connection failed', err: { message: 'connect ECONNREFUSED' } }
  ])
})

t.test('rooms may have any number of names', async t => {
  const { app, token } = await createQuietApp(t)
  const member = await connect(app, PATH, token())
  for (let number = 0; number <= 10_000; number++) await app.ws.sendToRoom(`room-${number}`, { command: 'NOBODY' })
  await app.ws.sendToRoom('cdr', { command: 'HELLO' })
  t.strictSame(await member.expectMessage(), { command: 'HELLO' })
})

noStrays()
