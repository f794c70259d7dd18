import { once } from 'node:events'
import t from 'tap'
import type { Test } from 'tap'
import { Redis } from 'ioredis'
import { MemoryBroker, MemoryBus } from '../index.js'
import type { Broker, RoomsOptions } from '../index.js'
import { errors } from '../lib/errors.js'
import { TestBus } from '../testing/index.js'
import { createApp, until, untilJoined } from './helpers/app.js'
import type { Settings, TestApp } from './helpers/app.js'
import { endingOf, INVALID_TOKEN, join, open, refusalOf, status } from './helpers/client.js'
import type { Client, Ending, Frame } from './helpers/client.js'
import { Gate } from './helpers/gate.js'
import { startRedis } from './helpers/redis.js'
import { watchForStrays } from './helpers/strays.js'
import { handmadeToken } from './helpers/token.js'

const noStrays = watchForStrays(t)

const FORBIDDEN: Ending = { frames: [status('forbidden')], code: 4403, reason: '' }
const HISTORY = { size: 100, ttl: 60_000 }

/** A token of so many seconds from now. */
const at = (seconds: number): { iat: number } => ({ iat: Math.floor(Date.now() / 1_000) + seconds })
const OLD = -5
const NEW = 5

interface Field {
  /** As many as were asked for. */
  apps: [TestApp, TestApp, TestApp]
  bus: TestBus
}

/** Applications that are one system, with a route of several rooms beside the usual one. */
async function field (t: Test, count: number, settings: Settings = {}): Promise<Field> {
  const bus = new TestBus()
  const apps: TestApp[] = []
  for (let i = 0; i < count; i++) apps.push(await member(t, bus.broker(), settings))
  return { apps: apps as Field['apps'], bus }
}

async function member (t: Test, broker: Broker, settings: Settings): Promise<TestApp> {
  return await createApp(t, {
    ...settings,
    rooms: { broker, ...settings.rooms },
    setup: async app => {
      app.get('/several', { websocket: true }, app.manageWebsocket(['cdr', 'other']))
      await settings.setup?.(app)
    }
  })
}

const enter = async (t: Test, app: TestApp, sub: string, age = OLD): Promise<Client> => await join(t, app.url, app.token({ sub, ...at(age) }))
const enterSeveral = async (t: Test, app: TestApp, sub: string, age = OLD): Promise<Client> => await join(t, `${app.http.replace('http', 'ws')}/several`, app.token({ sub, ...at(age) }))

const left = (room: string, reason: string): Frame => ({ command: 'WSStatus', data: { status: 'left', rooms: { [room]: { reason } } } })

t.test('who is disconnected is so in every process, and does not come back with an old token', async t => {
  const { apps: [a, b, c] } = await field(t, 3)
  const jeanne = [await enter(t, a, 'jeanne'), await enter(t, b, 'jeanne'), await enterSeveral(t, c, 'jeanne')]
  const paul = await enter(t, b, 'paul')
  const now = at(0)
  t.strictSame(await a.app.ws.disconnectUser('jeanne'), { connections: 1 })
  for (const member of jeanne) t.match(await endingOf(member), { frames: [status('connected'), status('disconnected')], code: 4410 })
  for (const app of [a, b, c]) {
    t.strictSame(await refusalOf(t, app.url, { token: app.token({ sub: 'jeanne', ...at(OLD) }) }), INVALID_TOKEN)
    t.strictSame(await refusalOf(t, app.url, { token: app.token({ sub: 'jeanne', ...now }) }), INVALID_TOKEN, 'nor with one of the same second')
    t.equal(app.app.ws.stats().revocations, 1)
  }
  const back = await enter(t, c, 'jeanne', NEW)
  await a.app.ws.sendToRoom('cdr', { command: 'HELLO' })
  for (const member of [paul, back]) t.strictSame(await member.next(), { command: 'HELLO' })
})

t.test('a user whose name is a number is called so', async t => {
  const { apps: [app] } = await field(t, 1, { route: { userId: () => 7 } })
  const member = await enter(t, app, 'jeanne')
  t.strictSame(await app.app.ws.disconnectUser(7), { connections: 1 })
  t.equal((await member.closed).code, 4410)
})

t.test('who is removed from a room hears nothing that is sent later, and everything that was sent before', async t => {
  const { apps: [a, b] } = await field(t, 2)
  const members = [await enter(t, a, 'jeanne'), await enter(t, b, 'jeanne')]
  const several = await enterSeveral(t, b, 'jeanne')
  const paul = await enter(t, b, 'paul')
  await a.app.ws.sendToRoom('cdr', { command: 'BEFORE' })
  t.strictSame(await a.app.ws.removeFromRoom('cdr', 'jeanne'), { connections: 1 })
  await a.app.ws.sendToRoom('cdr', { command: 'AFTER' })
  for (const member of members) t.match(await endingOf(member), { frames: [status('connected'), { command: 'BEFORE' }, status('forbidden')], code: 4403 })
  t.strictSame(await several.next(), { command: 'BEFORE', room: 'cdr' })
  t.strictSame(await several.next(), left('cdr', 'forbidden'))
  await b.app.ws.sendToRoom('other', { command: 'ELSEWHERE' })
  t.strictSame(await several.next(), { command: 'ELSEWHERE', room: 'other' })
  for (const command of ['BEFORE', 'AFTER']) t.strictSame(await paul.next(), { command })
  t.strictSame(await refusalOf(t, b.url, { token: b.token({ sub: 'jeanne', ...at(OLD) }) }), FORBIDDEN)
  await enter(t, b, 'jeanne', NEW)
})

t.test('a closed room has no members, in any process, and opens again for newer tokens', async t => {
  const { apps: [a, b] } = await field(t, 2)
  const members = [await enter(t, a, 'jeanne'), await enter(t, b, 'paul')]
  const several = await enterSeveral(t, b, 'ada')
  t.strictSame(await a.app.ws.closeRoom('cdr'), { connections: 1 })
  for (const member of members) t.match(await endingOf(member), { frames: [status('connected'), status('disconnected')], code: 4410 })
  t.strictSame(await several.next(), left('cdr', 'closed'))
  t.strictSame(await refusalOf(t, b.url, { token: b.token({ sub: 'paul', ...at(OLD) }) }), FORBIDDEN)
  await enter(t, b, 'paul', NEW)
  t.equal(await a.app.ws.count('cdr'), 1)
})

t.test('guests are put out of a closed room, and whoever comes later may enter', async t => {
  const { apps: [app] } = await field(t, 1, { route: { authenticate: false } })
  const guest = await join(t, app.url, 'nothing')
  await app.app.ws.closeRoom('cdr')
  t.equal((await guest.closed).code, 4410)
  await join(t, app.url, 'nothing')
  t.strictSame(await app.app.ws.disconnectUser('nobody'), { connections: 0 })
})

t.test('a token of which nobody knows when it was issued counts as older than any revocation', async t => {
  const { apps: [app] } = await field(t, 1, { route: { issuedAt: () => undefined } })
  const paul = await enter(t, app, 'paul', NEW)
  const jeanne = await enter(t, app, 'jeanne', NEW)
  await app.app.ws.disconnectUser('jeanne')
  t.equal((await jeanne.closed).code, 4410)
  t.strictSame(await refusalOf(t, app.url, { token: app.token({ sub: 'jeanne' }) }), INVALID_TOKEN)
  await app.app.ws.sendToRoom('cdr', { command: 'HELLO' })
  t.strictSame(await paul.next(), { command: 'HELLO' })
})

t.test('when a token was issued may have to be looked up', async t => {
  const { apps: [app] } = await field(t, 1, { route: { issuedAt: async ({ user }) => (user as { iat: number }).iat } })
  const jeanne = await enter(t, app, 'jeanne')
  await app.app.ws.disconnectUser('jeanne')
  t.equal((await jeanne.closed).code, 4410)
  t.strictSame(await refusalOf(t, app.url, { token: app.token({ sub: 'jeanne', ...at(OLD) }) }), INVALID_TOKEN)
  await enter(t, app, 'jeanne', NEW)
})

t.test('a revocation holds for as long as it says, and no longer', async t => {
  const { apps: [app] } = await field(t, 1)
  await app.app.ws.disconnectUser('jeanne', { lifetime: 50 })
  await until(async () => {
    const client = await open(t, app.url)
    client.send({ token: app.token({ sub: 'jeanne', ...at(OLD) }) })
    return (await client.next()).data?.status === 'connected'
  })
  t.pass()
})

t.test('of two revocations the later one counts', async t => {
  const { apps: [a, b], bus } = await field(t, 2)
  const announce = (at: number): unknown => bus.publish('!revoked', `!revoked\n${JSON.stringify({ at, lifetime: 60_000, user: 'jeanne' })}`)
  const member = await enter(t, b, 'jeanne', 0)
  announce(Date.now() - 60_000)
  await a.app.ws.sendToRoom('cdr', { command: 'HELLO' })
  t.strictSame(await member.next(), { command: 'HELLO' })
  announce(Date.now())
  t.equal((await member.closed).code, 4410)
  announce(Date.now() - 60_000)
  t.strictSame(await refusalOf(t, b.url, { token: b.token({ sub: 'jeanne', ...at(OLD) }) }), INVALID_TOKEN)
  t.equal(a.app.ws.stats().revocations, 1)
})

t.test('a later one that does not hold as long takes nothing back', async t => {
  const { apps: [app], bus } = await field(t, 1)
  const now = Date.now()
  const announce = (user: string, at: number, lifetime: number): unknown => bus.publish('!revoked', `!revoked\n${JSON.stringify({ at, lifetime, user })}`)
  announce('jeanne', now - 1_000, 60_000)
  announce('jeanne', now, 1)
  announce('jeanne', now - 2_000, 1_000)
  announce('ada', now, 1)
  announce('ada', now - 1_000, 60_000)
  await outlast(t, app, () => announce('paul', now, 1))
  for (const sub of ['jeanne', 'ada']) t.strictSame(await refusalOf(t, app.url, { token: app.token({ sub, ...at(OLD) }) }), INVALID_TOKEN, sub)
  t.equal(app.app.ws.stats().revocations, 3)
})

t.test('many of one user, none of which holds as long as the one before, become one that holds as long as any', async t => {
  const { apps: [app], bus } = await field(t, 1)
  const { iat } = at(-30)
  const announce = (user: string, second: number, lifetime: number): unknown => bus.publish('!revoked', `!revoked\n${JSON.stringify({ at: (iat + second) * 1_000, lifetime, user })}`)
  for (let second = 0; second < 8; second++) announce('jeanne', second, 60_000 - second * 1_000)
  announce('jeanne', 8, 1)
  await outlast(t, app, () => announce('paul', 8, 1))
  t.strictSame(await refusalOf(t, app.url, { token: app.token({ sub: 'jeanne', iat: iat + 8 }) }), INVALID_TOKEN)
  await join(t, app.url, app.token({ sub: 'jeanne', iat: iat + 9 }))
})

t.test('a token that says to a fraction of a second when it was issued is one of that second', async t => {
  const { apps: [app], bus } = await field(t, 1)
  const { iat } = at(-30)
  bus.publish('!revoked', `!revoked\n${JSON.stringify({ at: iat * 1_000 + 300, lifetime: 60_000, user: 'jeanne' })}`)
  const issued = (iat: number): string => handmadeToken({ alg: 'HS256', typ: 'JWT' }, { sub: 'jeanne', iat })
  t.strictSame(await refusalOf(t, app.url, { token: issued(iat + 0.2) }), INVALID_TOKEN)
  t.strictSame(await refusalOf(t, app.url, { token: issued(iat + 0.9) }), INVALID_TOKEN)
  await join(t, app.url, issued(iat + 1.1))
})

t.test('a new token on an open socket is held to it, too', async t => {
  const { apps: [app] } = await field(t, 1)
  const [stays, goes] = [await enter(t, app, 'jeanne', NEW), await enter(t, app, 'jeanne', NEW)]
  const several = await enterSeveral(t, app, 'paul', NEW)
  await app.app.ws.disconnectUser('jeanne')
  await app.app.ws.removeFromRoom('other', 'paul')
  goes.send({ token: app.token({ sub: 'jeanne', ...at(OLD) }) })
  t.match(await endingOf(goes), { frames: [status('connected'), status('invalid_token')], code: 4401 })
  stays.send({ token: app.token({ sub: 'jeanne', ...at(NEW) }) })
  t.match(await stays.next(), { data: { status: 'refreshed' } })
  several.send({ token: app.token({ sub: 'paul', ...at(OLD) }) })
  t.strictSame(await several.next(), left('other', 'forbidden'))
  t.match(await several.next(), { data: { status: 'refreshed' } })
})

t.test('also where it is taken away while the new token is still asked about', async t => {
  let gate: Gate | undefined
  const { apps: [app] } = await field(t, 1, { rooms: { authorize: async () => { await gate?.pass(); return true } } })
  for (const [sub, take, answer, code] of [
    ['jeanne', () => app.app.ws.disconnectUser('jeanne'), status('invalid_token'), 4401],
    ['paul', () => app.app.ws.removeFromRoom('cdr', 'paul'), status('forbidden'), 4403]
  ] as const) {
    gate = undefined
    const member = await enter(t, app, sub, NEW)
    gate = new Gate()
    member.send({ token: app.token({ sub, ...at(OLD) }) })
    await gate.reached
    await take()
    gate.open()
    t.match(await member.next(), answer)
    t.equal((await member.closed).code, code)
  }
})

t.test('who loses access while the door still asks is not let in', async t => {
  for (const [take, ending] of [['removeFromRoom', 'forbidden'], ['disconnectUser', 'disconnected']] as const) {
    const gate = new Gate()
    const { apps: [app] } = await field(t, 1, { route: { authorize: async () => { await gate.pass(); return true } } })
    const client = await open(t, app.url)
    client.send({ token: app.token({ sub: 'jeanne', ...at(OLD) }) })
    await gate.reached
    if (take === 'removeFromRoom') await app.app.ws.removeFromRoom('cdr', 'jeanne')
    else await app.app.ws.disconnectUser('jeanne')
    gate.open()
    t.match(await endingOf(client), { frames: [status(ending)] }, take)
  }
})

t.test('nor is who loses it while the broker is asked', async t => {
  const { apps: [app], bus } = await field(t, 1)
  const hold = bus.stall('subscribe', { room: 'cdr' })
  const client = await open(t, app.url)
  client.send({ token: app.token({ sub: 'jeanne', ...at(OLD) }) })
  await hold.reached()
  await app.app.ws.removeFromRoom('cdr', 'jeanne')
  hold.release()
  t.strictSame(await endingOf(client), FORBIDDEN)
})

t.test('what is taken away while the broker is away is so here at once, and elsewhere when it is back', async t => {
  const { apps: [a, b], bus } = await field(t, 2)
  const [here, there] = [await enter(t, a, 'jeanne'), await enter(t, b, 'jeanne')]
  bus.outage()
  t.strictSame(await a.app.ws.disconnectUser('jeanne'), { connections: 1, degraded: true })
  t.equal((await here.closed).code, 4410)
  t.equal(a.app.ws.stats().broker, 'down')
  t.strictSame(await refusalOf(t, a.url, { token: a.token({ sub: 'jeanne', ...at(OLD) }) }), INVALID_TOKEN)
  bus.restore()
  t.match(await endingOf(there), { code: 4410 })
  await until(() => a.app.ws.stats().broker === 'up')
  await enter(t, b, 'jeanne', NEW)
})

t.test('one that cannot be told has no other wait for it, and is told when it can be', async t => {
  const { apps: [a, b], bus } = await field(t, 2)
  const [jeanne, paul] = [await enter(t, b, 'jeanne'), await enter(t, b, 'paul')]
  bus.outage()
  t.match(await a.app.ws.removeFromRoom('cdr', 'jeanne'), { degraded: true })
  t.match(await a.app.ws.disconnectUser('paul'), { degraded: true })
  const refused = bus.refuse('send', { room: 'cdr' })
  bus.restore()
  t.equal((await paul.closed).code, 4410)
  await refused.reached(2)
  refused.stop()
  t.equal((await jeanne.closed).code, 4403)
  await until(() => a.app.ws.stats().broker === 'up')
  t.equal(a.app.ws.stats().revocations, 2)
  bus.refuse('send', 1)
  t.match(await a.app.ws.disconnectUser('ada'), { degraded: true })
  const away = bus.refuse('records')
  await away.reached()
  away.stop()
  await until(() => a.app.ws.stats().broker === 'up')
  t.equal(b.app.ws.stats().revocations, 3)
})

t.test('what a broker has no room for is in the log once, and not tried again', async t => {
  const { apps: [{ app, logs }], bus } = await field(t, 1)
  await app.ws.disconnectUser('jeanne')
  bus.forget()
  const asked = bus.watch('records')
  let calls = 0
  const refused = bus.refuse('records', () => ++calls > 1, { error: new errors.FST_ROOMS_TOO_MANY_REVOCATIONS(1) }) // it can be read
  bus.missed('!revoked')
  await until(() => logs.some(({ msg }) => msg === 'the broker has no room for all revocations that this process knows of'))
  t.equal(refused.hits.length, 1)
  refused.stop()
  const { length } = asked.hits
  // What is tried again for another reason is so after as long, and later.
  bus.refuse('send', 1)
  t.match(await app.ws.disconnectUser('paul'), { degraded: true })
  await until(() => app.ws.stats().broker === 'up')
  t.equal(asked.hits.length - length, 4, 'twice the clock, and twice to keep it')
})

t.test('a process that was deaf reads what it has missed when it hears again', async t => {
  const { apps: [a, b], bus } = await field(t, 2)
  const there = await enter(t, b, 'jeanne')
  const fault = bus.drop(({ to }) => to.name === 'broker 2')
  t.strictSame(await a.app.ws.disconnectUser('jeanne'), { connections: 0 })
  fault.stop()
  t.equal(b.app.ws.stats().revocations, 0)
  bus.missed('!revoked')
  t.equal((await there.closed).code, 4410)
})

t.test('a process that begins later knows of it before it lets anybody in', async t => {
  const bus = new MemoryBus()
  const first = await member(t, new MemoryBroker(bus), {})
  await first.app.ws.disconnectUser('jeanne')
  const second = await member(t, new MemoryBroker(bus), {})
  t.strictSame(await refusalOf(t, second.url, { token: second.token({ sub: 'jeanne', ...at(OLD) }) }), INVALID_TOKEN)
})

t.test('nor does one that was cut off, until it has read them again', async t => {
  const { apps: [a, b], bus } = await field(t, 2)
  bus.outage()
  await a.app.ws.disconnectUser('jeanne')
  const reading = bus.stall('records', ({ by }) => by?.name === 'broker 2')
  bus.restore()
  await reading.reached()
  const client = await open(t, b.url)
  client.send({ token: b.token({ sub: 'jeanne', ...at(OLD) }) })
  await until(() => a.app.ws.stats().broker === 'up')
  t.strictSame(client.frames, [])
  reading.release()
  t.strictSame(await endingOf(client), INVALID_TOKEN)
})

t.test('a reading that is cut off is no fault, and is begun anew when the broker is back', async t => {
  const bus = new TestBus()
  let calls = 0
  const reading = bus.stall('records', () => ++calls === 2) // the first one listens
  const app = await member(t, bus.broker(), {})
  await reading.reached()
  bus.outage()
  await bus.settled()
  reading.stop()
  bus.restore()
  await enter(t, app, 'jeanne')
  t.notOk(app.logs.some(({ msg }) => msg === 'revocations cannot be read: trying again'))
})

t.test('a broker that has lost its records is given them again by whoever knows of them', async t => {
  const { apps: [a, b], bus } = await field(t, 2)
  await a.app.ws.disconnectUser('jeanne')
  await until(() => b.app.ws.stats().revocations === 1)
  bus.outage()
  bus.forget()
  const kept = bus.watch('records')
  bus.restore()
  await until(() => kept.hits.length >= 4)
  await bus.settled()
  const late = await member(t, bus.broker(), {})
  t.strictSame(await refusalOf(t, late.url, { token: late.token({ sub: 'jeanne', ...at(OLD) }) }), INVALID_TOKEN)
})

t.test('records that cannot be read are asked for again, and nobody waits for them for ever', async t => {
  const bus = new TestBus()
  const first = await member(t, bus.broker(), {})
  await first.app.ws.disconnectUser('jeanne')
  const refused = bus.refuse('records', ({ by }) => by?.name === 'broker 2', { error: new Error('no such command') })
  const second = await member(t, bus.broker(), { rooms: { subscribeTimeout: 50 } })
  const early = await join(t, second.url, second.token({ sub: 'jeanne', ...at(OLD) }))
  t.ok(second.logs.some(({ msg }) => msg === 'broker refused a subscription, and what is revoked elsewhere is not heard of: trying again' || msg === 'revocations cannot be read: trying again'))
  refused.stop()
  t.equal((await early.closed).code, 4410)
})

t.test('in a room with history, what was sent while somebody had no access is never replayed to them', async t => {
  const { apps: [a, b] } = await field(t, 2, { route: { history: HISTORY } })
  const position = async (client: Client): Promise<object> => (client.frames[0]?.data as { rooms: object }).rooms
  const before = await enter(t, b, 'jeanne')
  await a.app.ws.removeFromRoom('cdr', 'jeanne')
  await before.closed
  await a.app.ws.sendToRoom('cdr', { command: 'SECRET' })
  const denied = await open(t, b.url)
  denied.send({ token: b.token({ sub: 'jeanne', ...at(NEW) }), recover: await position(before) })
  t.match(await denied.next(), { data: { status: 'connected', rooms: { cdr: { recovered: false, reason: 'removed' } } } })
  denied.socket.terminate()
  await a.app.ws.sendToRoom('cdr', { command: 'NEWS' })
  const allowed = await open(t, a.url)
  allowed.send({ token: a.token({ sub: 'jeanne', ...at(NEW) }), recover: await position(denied) })
  t.match(await allowed.next(), { data: { status: 'connected', rooms: { cdr: { recovered: true } } } })
  t.match(await allowed.next(), { command: 'NEWS' })
})

t.test('where nobody can say how far they may see, nothing is replayed', async t => {
  const { apps: [a], bus } = await field(t, 1, { route: { history: HISTORY } })
  const before = await enter(t, a, 'jeanne')
  bus.refuse('read', 1)
  await a.app.ws.removeFromRoom('cdr', 'jeanne')
  await before.closed
  const client = await open(t, a.url)
  client.send({ token: a.token({ sub: 'jeanne', ...at(NEW) }), recover: (before.frames[0]?.data as { rooms: object }).rooms })
  t.match(await client.next(), { data: { rooms: { cdr: { recovered: false, reason: 'removed' } } } })
})

t.test('what cannot be taken away is said so', async t => {
  const { apps: [{ app }] } = await field(t, 1)
  for (const user of ['', 'x'.repeat(1_025), undefined, null, {}]) await t.rejects(app.ws.disconnectUser(user as never), { code: 'FST_ROOMS_INVALID_USER' })
  await t.rejects(app.ws.removeFromRoom('*', 'jeanne'), { code: 'FST_ROOMS_INVALID_ROOM' })
  await t.rejects(app.ws.closeRoom('a b'), { code: 'FST_ROOMS_INVALID_ROOM' })
  for (const lifetime of [0, -1, 1.5, 2 ** 31, NaN, '1' as never]) await t.rejects(app.ws.disconnectUser('jeanne', { lifetime }), { code: 'FST_ROOMS_INVALID_LIFETIME' })
  t.equal(app.ws.stats().revocations, 0)
})

t.test('a broker that keeps no records takes nothing away, and says so', async t => {
  const plain = new MemoryBroker()
  const { app, url, token } = await createApp(t, { rooms: { broker: Object.assign(Object.create(plain), { ...bound(plain), records: undefined }) } })
  await join(t, url, token())
  await t.rejects(app.ws.disconnectUser('jeanne'), { code: 'FST_ROOMS_NO_RECORDS', message: /docs\/brokers\.md/ })
})

t.test('no more revocations wait for the broker than a thousand, and what cannot be told in the end is in the log', async t => {
  const { apps: [{ app, logs }], bus } = await field(t, 1)
  bus.outage()
  for (let i = 0; i < 1_000; i++) t.match(await app.ws.disconnectUser(i), { degraded: true })
  await t.rejects(app.ws.disconnectUser('one more'), { code: 'FST_ROOMS_BROKER_UNAVAILABLE' })
  const refused = bus.refuse('records', {}, { error: new Error('full') })
  bus.restore()
  await until(() => logs.some(({ msg }) => msg === 'a revocation cannot be told to other processes'))
  refused.stop()
  await until(() => app.ws.stats().broker === 'up')
})

t.test('what still waits when the application closes is told then, if it can be', async t => {
  const { apps: [a, b], bus } = await field(t, 2)
  const there = await enter(t, b, 'jeanne')
  bus.outage()
  await a.app.ws.disconnectUser('jeanne')
  bus.restore()
  await a.app.close()
  t.equal((await there.closed).code, 4410)
})

t.test('an application that is closed tries nothing any more', async t => {
  const { apps: [{ app }] } = await field(t, 1)
  await app.close()
  t.strictSame(await app.ws.disconnectUser('jeanne'), { connections: 0, degraded: true })
})

t.test('nonsense where revocations are announced or kept is skipped', async t => {
  const { apps: [a, b], bus } = await field(t, 2)
  const jeanne = await enter(t, a, 'jeanne')
  const now = Date.now()
  const bad = [
    '', '{', '[]', 'null', '{}', '{"at":1}', JSON.stringify({ at: now, lifetime: 1_000 }), JSON.stringify({ at: '1', lifetime: 1_000, user: 'jeanne' }),
    JSON.stringify({ at: now, lifetime: 0, user: 'jeanne' }), JSON.stringify({ at: now, lifetime: 2 ** 40, user: 'jeanne' }), JSON.stringify({ at: now, lifetime: 1.5, user: 'jeanne' }),
    JSON.stringify({ at: now, lifetime: 1_000, user: 7 }), JSON.stringify({ at: now, lifetime: 1_000, user: 'x'.repeat(2_000) }), JSON.stringify({ at: now, lifetime: 1_000, user: 'jeanne', room: '*' })
  ]
  for (const text of bad) {
    bus.publish('cdr', `!revoked\n${text}`)
    bus.publish('!revoked', Buffer.from(`!revoked\n${text}`))
  }
  t.equal(a.app.ws.stats().malformed, bad.length * 2)
  const long = JSON.stringify({ at: now, lifetime: 1_000, user: 'jeanne', room: 'cdr', floor: { epoch: '1', seq: 1, mid: 'x'.repeat(8_192) } })
  bus.publish('!revoked', `!revoked\n${long}`)
  const huge = Buffer.from(`!revoked\n[${'{},'.repeat(4_000_000)}{}]`)
  const { toString } = huge
  huge.toString = (...part) => {
    t.notMatch(new Error('whoever reads it').stack, /unannounced/, 'it is not read, which would take seconds')
    return toString.apply(huge, part)
  }
  bus.publish('!revoked', huge)
  t.equal(a.app.ws.stats().malformed, bad.length * 2 + 2)
  bus.publish('!revoked', Buffer.from(`!revoked\n${JSON.stringify({ at: now, lifetime: 1_000, user: 'jeanne', room: 'cdr', floor: { epoch: 'x' } })}`))
  t.equal((await jeanne.closed).code, 4403, 'a floor that is none is left out')
  await bus.broker().records?.keep('nonsense', 1_000)
  await bus.broker().records?.keep(long, 1_000)
  bus.missed('!revoked')
  await bus.settled()
  t.equal(b.app.ws.stats().revocations, 1)
})

t.test('what is over is forgotten, and more than a hundred thousand are acted upon and not remembered', async t => {
  const { apps: [app], bus } = await field(t, 1)
  const announce = (user: string, lifetime: number): unknown => bus.publish('!revoked', `!revoked\n${JSON.stringify({ at: Date.now(), lifetime, user })}`)
  for (let i = 0; i < 1_000; i++) announce(`brief ${i}`, 1)
  await until(() => {
    announce('long', 60_000)
    return app.app.ws.stats().revocations < 1_000
  })
  const jeanne = await enter(t, app, 'jeanne')
  for (let i = 0; i < 100_000; i++) announce(`user ${i}`, 60_000)
  t.equal(app.app.ws.stats().revocations, 100_000)
  announce('jeanne', 60_000)
  t.equal((await jeanne.closed).code, 4410)
  t.equal(app.app.ws.stats().revocations, 100_000)
  const between = app.token({ sub: 'user 5', ...at(NEW) })
  bus.publish('!revoked', `!revoked\n${JSON.stringify({ at: Date.now() + NEW * 2_000, lifetime: 60_000, user: 'user 5' })}`)
  t.strictSame(await refusalOf(t, app.url, { token: between }), INVALID_TOKEN, 'but for those of whom one is remembered already')
})

t.test('where there are a hundred thousand, what is over still makes room', async t => {
  const { apps: [app], bus } = await field(t, 1)
  const announce = (user: string, lifetime: number): unknown => bus.publish('!revoked', `!revoked\n${JSON.stringify({ at: Date.now(), lifetime, user })}`)
  for (let i = 0; i < 99_990; i++) announce(`user ${i}`, 60_000)
  for (let i = 0; i < 10; i++) announce(`brief ${i}`, 1)
  await until(() => {
    announce('jeanne', 60_000)
    return app.app.ws.stats().revocations === 99_991
  })
  t.strictSame(await refusalOf(t, app.url, { token: app.token({ sub: 'jeanne', ...at(OLD) }) }), INVALID_TOKEN)
})

t.test('with Redis, what is taken away while it is down, or while a process hears nothing, takes effect when it is back', async t => {
  const server = await startRedis(t)
  const rooms: RoomsOptions = { redis: server.url }
  const [a, b] = [await createApp(t, { rooms }), await createApp(t, { rooms })]
  await untilJoined(a, b)
  const jeanne = [await enter(t, a, 'jeanne'), await enter(t, b, 'jeanne')]
  const paul = await enter(t, b, 'paul')
  const ada = await enter(t, b, 'ada')
  await server.kill()
  await until(() => a.app.ws.stats().broker === 'down')
  t.match(await a.app.ws.disconnectUser('jeanne'), { connections: 1, degraded: true })
  await server.start()
  for (const member of jeanne) t.equal((await member.closed).code, 4410)
  await until(() => a.app.ws.stats().broker === 'up' && b.app.ws.stats().broker === 'up')

  // The connections that hear are cut in the very moment: a plain publish would be lost.
  const admin = server.client()
  t.teardown(() => admin.disconnect())
  await Promise.all([admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub'), a.app.ws.removeFromRoom('cdr', 'paul')])
  t.equal((await paul.closed).code, 4403)

  // Redis loses everything; the processes do not.
  await admin.flushall()
  await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
  await until(async () => await admin.zcard('{rooms:@}:r') > 0)
  const late = await createApp(t, { rooms })
  t.strictSame(await refusalOf(t, late.url, { token: late.token({ sub: 'jeanne', ...at(OLD) }) }), INVALID_TOKEN)
  await until(async () => { // what is sent while a process is deaf does not reach it
    await a.app.ws.sendToRoom('cdr', { command: 'HELLO' })
    return ada.frames.some(({ command }) => command === 'HELLO')
  })
})

t.test('with Redis, no more is kept than there is room for, and nothing for longer than it holds', async t => {
  const server = await startRedis(t)
  const admin = new Redis(server.url)
  t.teardown(() => admin.disconnect())
  await once(admin, 'ready')
  const { app } = await createApp(t, { rooms: { redis: server.url } })
  await untilJoined({ app })
  await app.ws.disconnectUser('jeanne', { lifetime: 60_000 })
  t.ok(await admin.pttl('{rooms:@}:r') > 50_000)
  await app.ws.disconnectUser('paul', { lifetime: 1 })
  t.ok(await admin.pttl('{rooms:@}:r') > 50_000)
  const [seconds] = await admin.time()
  for (let i = 0; i < 10; i++) await admin.zadd('{rooms:@}:r', ...Array.from({ length: 20_000 }, (_, at) => at % 2 === 0 ? (Number(seconds) + 1_000) * 1_000 : `x${i}-${at}`))
  await t.rejects(app.ws.disconnectUser('ada'), { code: 'FST_ROOMS_TOO_MANY_REVOCATIONS' })
  await admin.zremrangebyscore('{rooms:@}:r', (Number(seconds) + 1_000) * 1_000, '+inf')
  t.strictSame(await app.ws.disconnectUser('ada'), { connections: 0 })
})

/** Revokes the access of `paul`, for a moment that begins after all that was revoked before, and waits until it is over. */
async function outlast (t: Test, app: TestApp, revoke: () => void): Promise<void> {
  revoke()
  await until(async () => {
    const client = await open(t, app.url)
    client.send({ token: app.token({ sub: 'paul', ...at(-60) }) })
    return (await client.next()).data?.status === 'connected'
  })
}

/** The methods of a broker, for an object that only borrows them. */
function bound (broker: MemoryBroker): Partial<Broker> {
  const methods = ['start', 'publish', 'subscribe', 'unsubscribe', 'report', 'count', 'flush', 'close'] as const
  return Object.fromEntries(methods.map(name => [name, (broker[name] as Function).bind(broker)]))
}

noStrays()
