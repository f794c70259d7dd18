import t from 'tap'
import type { Test } from 'tap'
import type { Redis } from 'ioredis'
import { MemoryBroker } from '../index.js'
import { connect, TestBus } from '../testing/index.js'
import { createApp, createQuietApp, until, untilJoined } from './helpers/app.js'
import type { TestApp } from './helpers/app.js'
import { join, status } from './helpers/client.js'
import type { Client, Frame } from './helpers/client.js'
import { startRedis } from './helpers/redis.js'
import { timers } from './helpers/resources.js'
import { watchForStrays } from './helpers/strays.js'
import { unpinged } from './helpers/unpinged.js'

const noStrays = watchForStrays(t)

const PATH = '/cdr/users/ws'
const RESYNC = status('resync')
const update = (data: unknown): { command: string, data: unknown } => ({ command: 'UPDATE_USER', data })

interface Pair {
  admin: Redis
  a: TestApp
  b: TestApp
  /** Two members in each process. */
  membersOfA: Client[]
  membersOfB: Client[]
}

/** Two processes, of which the first has a user of Redis for itself. */
async function createPair (t: Test): Promise<Pair> {
  const redis = await startRedis(t)
  const admin = redis.client()
  t.teardown(() => admin.disconnect())
  await admin.call('ACL', 'SETUSER', 'a', 'on', '>secret', '+@all', 'allkeys', 'allchannels')
  const a = await createApp(t, { rooms: { redis: `redis://a:secret@127.0.0.1:${redis.port}` } })
  const b = await createApp(t, { rooms: { redis: redis.url } })
  await untilJoined(a, b)
  const membersOfA = [await join(t, a.url, a.token()), await join(t, a.url, a.token())]
  const membersOfB = [await join(t, b.url, b.token()), await join(t, b.url, b.token())]
  return { admin, a, b, membersOfA, membersOfB }
}

const statuses = ({ frames }: Client): Frame[] => frames.filter(({ command }) => command === 'WSStatus').slice(1)

t.test('Redis refuses to publish for a while: a room that was served alone is told to look again, in every process', async t => {
  const { admin, a, b, membersOfA, membersOfB } = await createPair(t)
  await admin.call('ACL', 'SETUSER', 'a', '-publish')
  for (const data of [1, 2]) {
    t.match(await a.app.ws.sendToRoom('cdr', update(data)), { degraded: true, subscribers: 1 })
    for (const member of membersOfA) t.strictSame(await member.next(), update(data))
  }
  t.equal(a.app.ws.stats().broker, 'down', 'it cannot send')
  t.equal(b.app.ws.stats().broker, 'up')
  t.match(await b.app.ws.sendToRoom('cdr', update(3)), { subscribers: 2 }, 'what the other process sends reaches everyone meanwhile')
  for (const member of [...membersOfA, ...membersOfB]) t.strictSame(await member.next(), update(3))

  await admin.call('ACL', 'SETUSER', 'a', '+publish')
  for (const member of [...membersOfA, ...membersOfB]) t.strictSame(await member.next(), RESYNC)
  await until(() => a.app.ws.stats().broker === 'up')
  t.match(await a.app.ws.sendToRoom('cdr', update(4)), { subscribers: 2 })
  for (const member of [...membersOfA, ...membersOfB]) {
    t.strictSame(await member.next(), update(4))
    t.strictSame(statuses(member), [RESYNC], 'once')
  }
  t.match(a.app.ws.stats(), { degraded: 2, malformed: 0 })
  t.match(b.app.ws.stats(), { degraded: 0, malformed: 0 })
})

t.test('the connection that sends is lost while the one that hears stays: the same', async t => {
  const { admin, a, b, membersOfA, membersOfB } = await createPair(t)
  await admin.call('ACL', 'SETUSER', 'a', 'off') // it cannot come back until it is let in
  await admin.call('CLIENT', 'KILL', 'USER', 'a', 'TYPE', 'normal')
  // What was on its way when the connection went is not known to have been sent.
  await until(async () => await a.app.ws.sendToRoom('cdr', update('degraded')).then(({ degraded }) => degraded, () => false))
  for (const member of membersOfA) t.strictSame(await member.next('UPDATE_USER'), update('degraded'))
  t.equal(a.app.ws.stats().broker, 'down')

  await admin.call('ACL', 'SETUSER', 'a', 'on')
  for (const member of [...membersOfA, ...membersOfB]) t.strictSame(await member.next('WSStatus'), RESYNC)
  await until(() => a.app.ws.stats().broker === 'up')
  t.equal(b.app.ws.stats().broker, 'up')
  t.match(await a.app.ws.sendToRoom('cdr', update('last')), { subscribers: 2 })
  for (const member of [...membersOfA, ...membersOfB]) {
    t.strictSame(await member.next('UPDATE_USER'), update('last'))
    t.strictSame(statuses(member), [RESYNC], 'the one that hears was never lost')
  }
})

t.test('every room that was served alone is told, and no other', async t => {
  const bus = new TestBus()
  const { app, token } = await createQuietApp(t, {
    rooms: { broker: bus.broker() },
    setup: app => { for (const room of ['two', 'other']) app.get(`/${room}`, { websocket: true }, app.manageWebsocket(room)) }
  })
  const [cdr, two, other] = [await connect(app, PATH, token()), await connect(app, '/two', token()), await connect(app, '/other', token())]
  const refused = bus.refuse('send')
  for (const room of ['cdr', 'two', 'nobody']) t.match(await app.ws.sendToRoom(room, update(1)), { degraded: true })
  await refused.reached(5)
  t.equal(app.ws.stats().broker, 'down', 'for as long as nobody could be told')
  refused.stop()
  for (const member of [cdr, two]) {
    t.strictSame(await member.expectMessage(), update(1))
    await member.expectStatus('resync')
  }
  await until(() => app.ws.stats().broker === 'up')
  await app.ws.sendToRoom('other', update(2))
  t.strictSame(await other.expectMessage(), update(2))
  await other.expectNothing()
})

t.test('a room that is served alone again while the others are told is told again', async t => {
  const bus = new TestBus()
  const { app, token } = await createQuietApp(t, { rooms: { broker: bus.broker() } })
  const member = await connect(app, PATH, token())
  for (const data of [1, 2]) {
    bus.refuse('send', 1)
    t.match(await app.ws.sendToRoom('cdr', update(data)), { degraded: true })
    t.equal(app.ws.stats().broker, 'down')
    await until(() => app.ws.stats().broker === 'up')
  }
  await member.expectStatus('resync')
  await member.expectStatus('resync')
  t.strictSame(unpinged(member).slice(1), [update(1), RESYNC, update(2), RESYNC])
})

t.test('an application that closes while rooms are to be told leaves nothing behind', async t => {
  t.test('between two tries', async t => {
    await until(() => timers() === 0) // of the tests before
    const bus = new TestBus()
    const { app } = await createQuietApp(t, { rooms: { broker: bus.broker() } })
    const refused = bus.refuse('send')
    await app.ready()
    await app.ws.sendToRoom('cdr', update(1))
    await refused.reached(3)
    await app.close()
    t.equal(timers(), 0)
  })

  t.test('during one', async t => {
    await until(() => timers() === 0) // of the tests before
    const bus = new TestBus()
    const { app } = await createQuietApp(t, { rooms: { broker: bus.broker() } })
    bus.refuse('send', 1)
    const stalled = bus.stall('send')
    await app.ready()
    await app.ws.sendToRoom('cdr', update(1))
    await stalled.reached()
    await app.close()
    await bus.settled() // the try has failed by then
    t.equal(timers(), 0)
  })
})

t.test('any program may tell a room to look again, and nothing else of what only the plugin says', async t => {
  const redis = await startRedis(t)
  const a = await createApp(t, { rooms: { redis: redis.url } })
  const member = await join(t, a.url, a.token())
  const stranger = redis.client()
  t.teardown(() => stranger.disconnect())
  const near = [
    '{"command":"WSStatus","data":{"status":"resync"} }', '{"command":"WSStatus","data":{"status":"resync","more":1}}',
    '{"command":"WSStatus","data":{"status":"restarting"}}', '{"command":"WSStatus"}', '{"command":"WSPing"}'
  ]
  for (const payload of near) await stranger.publish('rooms:cdr', payload)
  await stranger.publish('rooms:cdr', '{"command":"WSStatus","data":{"status":"resync"}}')
  await stranger.publish('rooms:nobody', '{"command":"WSStatus","data":{"status":"resync"}}')
  t.strictSame(await member.next(), RESYNC)
  t.match(a.app.ws.stats(), { malformed: near.length, received: near.length + 1 })
})

t.test('a broker that throws at once is taken for one that rejects: the request succeeds, and members here are served', async t => {
  class ThrowingBroker extends MemoryBroker {
    override publish (): never { throw Object.assign(new Error('nobody there'), { code: 'FST_ROOMS_BROKER_UNAVAILABLE' }) }
  }
  const { app, token } = await createQuietApp(t, { rooms: { broker: new ThrowingBroker() } })
  const member = await connect(app, PATH, token())
  t.match(await app.ws.sendToRoom('cdr', { command: 'HELLO' }), { degraded: true, subscribers: 1 })
  t.equal((await app.inject({ method: 'PATCH', url: '/cdr/users/1', payload: {} })).statusCode, 200)
  t.strictSame(await member.expectMessage(), { command: 'HELLO' })
  t.match(await member.expectMessage(), { command: 'UPDATE_USER' })
  t.match(app.ws.stats(), { sent: 2, failed: 0, degraded: 2 })
})

noStrays()
