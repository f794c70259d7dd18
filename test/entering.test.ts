import t from 'tap'
import type { Test } from 'tap'
import type { FastifyRequest } from 'fastify'
import type { RoomOf, RoomRouteOptions } from '../index.js'
import { connect, TestBus } from '../testing/index.js'
import { answerTo } from './helpers/answer.js'
import { createApp, createQuietApp, until } from './helpers/app.js'
import type { Settings, TestApp } from './helpers/app.js'
import { advanceClock } from './helpers/clock.js'
import { endingOf, INVALID_TOKEN, join, open, refusalOf, status } from './helpers/client.js'
import type { Ending } from './helpers/client.js'
import { Gate } from './helpers/gate.js'
import { frame, sendRaw, upgradeRequest } from './helpers/raw.js'
import { watchForStrays } from './helpers/strays.js'

const noStrays = watchForStrays(t)

/** In seconds. */
const HOUR = 3_600
const FORBIDDEN: Ending = { frames: [status('forbidden')], code: 4403, reason: '' }
const RATE_LIMITED: Ending = { frames: [status('rate_limited')], code: 4429, reason: '' }
const UNAVAILABLE: Ending = { frames: [status('unavailable')], code: 1011, reason: '' }
const EXPIRED: Ending = { frames: [status('expired_token')], code: 4419, reason: '' }

const withStatus = (statusCode?: number): Error => Object.assign(new Error('no'), { statusCode })

type RoomParams = { Params: { room: string } }

/** An application with a route `/of/:room`, whose room is a function. */
async function createRoomApp (t: Test, room: RoomOf<RoomParams>, settings: Settings & { of?: RoomRouteOptions<RoomParams> } = {}): Promise<TestApp & { of: (name: string) => string }> {
  const built = await createApp(t, {
    ...settings,
    setup (app) { app.get<RoomParams>('/of/:room', { websocket: true }, app.manageWebsocket<RoomParams>(room, settings.of)) }
  })
  return { ...built, of: name => built.url.replace('/cdr/users/ws', `/of/${name}`) }
}

t.test('a room may be a function of the request, sync or async, which knows the user', async t => {
  const rooms: Array<RoomOf<RoomParams>> = [
    ({ params }) => `room:${params.room}`,
    async ({ params }) => `room:${params.room}`,
    async request => `room:${request.params.room}${(request.user as { sub: string }).sub === 'jeanne' ? '' : '!'}`
  ]
  for (const room of rooms) {
    const { app, of, token } = await createRoomApp(t, room)
    const seven = await join(t, of('7'), token())
    const eight = await join(t, of('8'), token())
    await app.ws.sendToRoom('room:7', { command: 'SEVEN' })
    await app.ws.sendToRoom('room:8', { command: 'EIGHT' })
    t.strictSame(await seven.next(), { command: 'SEVEN' })
    t.strictSame(await eight.next(), { command: 'EIGHT' })
    t.match(seven.frames[0], { data: { rooms: { 'room:7': {} } } })
    t.match(app.ws.stats(), { rooms: 2, members: 2 })
  }
})

t.test('a room function refuses by throwing what its status says', async t => {
  const endings: Array<[error: Error, ending: Ending]> = [
    [withStatus(403), FORBIDDEN], [withStatus(401), INVALID_TOKEN], [withStatus(429), RATE_LIMITED], [withStatus(404), UNAVAILABLE], [withStatus(), UNAVAILABLE]
  ]
  for (const [error, ending] of endings) {
    for (const room of [() => { throw error }, async () => { throw error }]) {
      const { of, token } = await createRoomApp(t, room)
      t.strictSame(await refusalOf(t, of('7'), { token: token() }), ending)
    }
  }
})

t.test('a room name that a client made up, and that is not valid, is forbidden, and nobody is alarmed', async t => {
  const bus = new TestBus()
  const subscribed = bus.watch('subscribe')
  const { of, token, logs } = await createRoomApp(t, ({ params }) => params.room, { rooms: { broker: bus.broker() } })
  for (const name of ['{x}', '*', 'h%3Fllo', 'a%0Ab', '%00', 'caf%C3%A9', 'a%20b']) {
    t.strictSame(await refusalOf(t, of(name), { token: token() }), FORBIDDEN, name)
  }
  const notAName = await createRoomApp(t, (() => 5) as unknown as RoomOf<RoomParams>)
  t.strictSame(await refusalOf(t, notAName.of('7'), { token: notAName.token() }), FORBIDDEN)
  t.strictSame(subscribed.hits, [])
  t.notOk(logs.some(({ level }) => level as number > 30))
})

t.test('only true from authorize lets in', async t => {
  const verdicts: Array<[verdict: unknown, ending?: Ending]> = [
    [true], [Promise.resolve(true)],
    [false, FORBIDDEN], [undefined, FORBIDDEN], [null, FORBIDDEN], [1, FORBIDDEN], ['true', FORBIDDEN], [{}, FORBIDDEN], [Promise.resolve(false), FORBIDDEN], [Promise.resolve(), FORBIDDEN]
  ]
  for (const [verdict, ending] of verdicts) {
    const { url, token } = await createApp(t, { rooms: { authorize: () => verdict as boolean } })
    if (ending === undefined) await t.resolves(join(t, url, token()))
    else t.strictSame(await refusalOf(t, url, { token: token() }), ending)
  }
})

t.test('authorize refuses by throwing what its status says', async t => {
  const endings: Array<[error: Error, ending: Ending]> = [
    [withStatus(401), INVALID_TOKEN], [withStatus(403), FORBIDDEN], [withStatus(429), RATE_LIMITED], [withStatus(), UNAVAILABLE], [withStatus(500), UNAVAILABLE]
  ]
  for (const [error, ending] of endings) {
    for (const authorize of [() => { throw error }, async () => { throw error }]) {
      const { url, token, logs } = await createApp(t, { route: { authorize } })
      t.strictSame(await refusalOf(t, url, { token: token() }), ending)
      t.match(logs.filter(({ room }) => room === 'cdr'), [ending === UNAVAILABLE ? { level: 50, err: {} } : { level: 30 }])
    }
  }
})

t.test('authorize is told who wants in, and where; that of a route takes the place of the plugin\'s', async t => {
  const entries: unknown[] = []
  const { of, token } = await createRoomApp(t, ({ params }) => `r-${params.room}`, {
    rooms: { authorize: () => false },
    of: {
      authorize ({ user, room, params, request }) {
        entries.push([(user as { sub: string }).sub, room, params.room, request.params.room, request.user === user])
        return true
      }
    }
  })
  await join(t, of('7'), token())
  t.strictSame(entries, [['jeanne', 'r-7', '7', '7', true]])
})

t.test('a token that has expired already, by the application\'s own clock, does not get in', async t => {
  const joined: unknown[] = []
  const { app, url, token } = await createApp(t, { rooms: { expiresAt: () => 1 }, route: { onJoin: () => { joined.push(1) }, onLeave: () => { joined.push(2) } } })
  t.strictSame(await refusalOf(t, url, { token: token() }), EXPIRED)
  t.strictSame(joined, [])
  t.match(app.ws.stats(), { members: 0, ended: { expired_token: 1 } })
})

t.test('a token that expires later ends its socket then, and no other', async t => {
  const ends: Array<object | undefined> = []
  const { app, url, token } = await createApp(t, { route: { expiresAt: ({ user }) => (user as { ends?: number }).ends, onLeave: ({ connection }) => { ends.push(connection.user as object) } } })
  const soon = await join(t, url, token({ sub: 'soon', ends: Date.now() / 1_000 + HOUR }))
  const other = await join(t, url, token({ sub: 'other', ends: Date.now() / 1_000 + 24 * HOUR }))
  advanceClock(t, HOUR)
  t.match(await endingOf(soon), { frames: [status('connected'), status('expired_token')], code: 4419, reason: '' })
  await app.ws.sendToRoom('cdr', { command: 'HELLO' })
  t.strictSame(await other.next(), { command: 'HELLO' })
  t.match(ends, [{ sub: 'soon' }])
  t.match(app.ws.stats(), { members: 1, ended: { expired_token: 1 } })
})

t.test('a token that expires in a very long time, or never, is not ended at once', async t => {
  const soon = await createApp(t, { route: { expiresAt: () => Date.now() / 1_000 + HOUR } })
  const long = await createApp(t, { route: { expiresAt: ({ user }) => JSON.parse((user as { ends: string }).ends, (_key, value) => value === 'Infinity' ? Infinity : value) } })
  const members = []
  for (const ends of [Date.now() / 1_000 + 60 * 24 * HOUR, 1e300, null, 'Infinity']) {
    members.push(await join(t, long.url, long.token({ sub: 'x', ends: JSON.stringify(ends) })))
  }
  members.push(await join(t, soon.url, soon.token()))
  advanceClock(t, HOUR)
  await members.pop()?.closed // by now, timers of the long ones would have gone off early
  await long.app.ws.sendToRoom('cdr', { command: 'HELLO' })
  for (const member of members) t.strictSame(await member.next(), { command: 'HELLO' })
})

t.test('the token\'s own exp is what counts by default', async t => {
  const { url, token } = await createApp(t)
  const soon = await join(t, url, token({ sub: 'x', exp: Math.ceil(Date.now() / 1_000) + HOUR }))
  advanceClock(t, HOUR + 1)
  const { frames, code } = await endingOf(soon)
  t.equal(code, 4419)
  t.strictSame(frames.at(-1), status('expired_token'))
})

t.test('`expiresAt` that fails is a fault on our side', async t => {
  for (const expiresAt of [() => { throw new Error('no clock') }, async () => { throw new Error('no clock') }]) {
    const { app, url, token, logs } = await createApp(t, { route: { expiresAt: expiresAt as never } })
    t.strictSame(await refusalOf(t, url, { token: token() }), UNAVAILABLE)
    t.match(app.ws.stats(), { members: 0, waiting: 0 })
    t.match(logs.filter(({ level }) => level === 50), [{ err: { message: 'no clock' } }])
  }
})

t.test('`expiresAt` may take its time: what it says in the end counts', async t => {
  const { url, token } = await createApp(t, { route: { expiresAt: (async ({ user }: { user: { ends: number } }) => user.ends) as never } })
  t.strictSame(await refusalOf(t, url, { token: token({ sub: 'x', ends: 1 }) }), EXPIRED)
  const soon = await join(t, url, token({ sub: 'x', ends: Date.now() / 1_000 + HOUR }))
  advanceClock(t, HOUR)
  t.match(await endingOf(soon), { frames: [status('connected'), status('expired_token')], code: 4419 })
})

const STAGES = ['authenticate', 'the room function', 'authorize', 'the broker\'s subscribe'] as const

for (const stage of STAGES) {
  t.test(`a client that leaves during ${stage} leaves nothing, whatever is decided then`, async t => {
    for (const outcome of ['accepts', 'fails'] as const) {
      const gate = new Gate()
      const pass = async (at: string): Promise<void> => {
        if (at !== stage) return
        await gate.pass()
        if (outcome === 'fails') throw new Error('too late')
      }
      const bus = new TestBus()
      const stalled = stage === STAGES[3] ? bus.stall('subscribe') : undefined
      const unsubscribed = bus.watch('unsubscribe')
      const joined: unknown[] = []
      const { app, of, logs } = await createRoomApp(t, async () => { await pass(STAGES[1]); return 'cdr' }, {
        rooms: { broker: bus.broker(), linger: 10, onError: () => { joined.push('error') } },
        of: {
          authenticate: async () => { await pass(STAGES[0]) },
          authorize: async () => { await pass(STAGES[2]); return true },
          onJoin: () => { joined.push('join') },
          onLeave: () => { joined.push('leave') }
        }
      })
      const client = await open(t, of('7'))
      client.send({ token: 'x' })
      await (stalled?.reached() ?? gate.reached)
      client.socket.terminate()
      await until(() => app.ws.stats().connections === 0)
      gate.open()
      stalled?.release()
      if (stalled !== undefined) await unsubscribed.reached()
      await app.inject('/') // whatever was waiting has had its turn
      t.match(app.ws.stats(), { connections: 0, waiting: 0, rooms: 0, members: 0, ended: { client: 1 } })
      t.equal(await app.ws.count('cdr'), 0)
      t.match(await app.ws.sendToRoom('cdr', { command: 'HELLO' }), { subscribers: 0 })
      t.strictSame(joined, [])
      t.notOk(logs.some(({ level }) => level as number > 30))
    }
  })
}

t.test('where the broker does not confirm in time, the socket is let in and told so', async t => {
  const bus = new TestBus()
  const stalled = bus.stall('subscribe')
  const { app, token } = await createQuietApp(t, { rooms: { broker: bus.broker(), subscribeTimeout: 50 } })
  const member = await connect(app, '/cdr/users/ws', token())
  t.equal(member.connected.degraded, true)
  stalled.release()
  await member.expectStatus('resync')
})

t.test('when too many wait, the next is told to come back, and members are served; then there is room again', async t => {
  const { app, url, token } = await createApp(t, {
    rooms: { maxWaiting: 2 },
    setup (app) { app.get('/slow', { websocket: true }, app.manageWebsocket('cdr', { authenticate: () => new Promise(() => {}) })) }
  })
  const member = await join(t, url, token())
  const silent = await open(t, url)
  const slow = await open(t, url.replace('/cdr/users/ws', '/slow'))
  slow.send({ token: 'x' })
  await until(() => app.ws.stats().waiting === 2)
  t.match(await answerTo(t, url), { status: 503, body: { code: 'FST_ROOMS_OVERLOADED' } })
  await app.ws.sendToRoom('cdr', { command: 'HELLO' })
  t.strictSame(await member.next(), { command: 'HELLO' })
  slow.socket.close()
  await until(() => app.ws.stats().waiting === 1)
  await t.resolves(join(t, url, token()))
  t.match(app.ws.stats(), { waiting: 1, members: 2, refused: { waiting: 1 } })
  silent.socket.terminate()
})

t.test('a socket whose upgrade was under way when the application began to close is told to come back', async t => {
  const gate = new Gate()
  const { app, url } = await createApp(t, {
    setup (app) {
      app.get('/slow', { websocket: true, onRequest: async (_request: FastifyRequest) => { await gate.pass() } }, app.manageWebsocket('cdr'))
    }
  })
  const opening = open(t, url.replace('/cdr/users/ws', '/slow'))
  await gate.reached
  const member = await open(t, url)
  const closed = app.close()
  await member.closed // so that closing has begun
  gate.open()
  const outcome = await opening.then(endingOf, (error: Error) => error.message)
  t.match(outcome, { frames: [status('restarting')], code: 1012 })
  await closed
})

t.test('what listens to the reply of an upgrade, and throws, ends its own socket and nothing else', async t => {
  const reported: unknown[] = []
  const { app, url, token } = await createApp(t, {
    rooms: { onError: ({ error }) => { reported.push(error.message) } },
    setup (app) {
      app.addHook('onRequest', async (request, reply) => {
        if (request.headers.origin === 'https://bad.example') reply.raw.once('close', () => { throw new Error('a listener that throws') })
      })
    }
  })
  const member = await join(t, url, token())
  t.strictSame(await endingOf(await open(t, url, { headers: { origin: 'https://bad.example' } })), UNAVAILABLE)
  t.strictSame(reported, ['a listener that throws'])
  await app.ws.sendToRoom('cdr', { command: 'M' })
  t.match(await member.next(), { command: 'M' })
})

t.test('what comes in one piece with the token is ignored also where the verdict takes no time', async t => {
  const room = await createApp(t)
  await join(t, room.url, room.token()) // so that the room is there
  const raw = sendRaw(t, room.url, upgradeRequest(room.url))
  await raw.received('101 Switching Protocols')
  raw.write(frame(JSON.stringify({ token: room.token() })), frame('{"command":"SAY","id":1}'), frame('{"command":"WSPing"}'))
  await raw.received('"connected"')
  t.equal(room.app.ws.stats().ignored, 2)
  raw.write(frame('{"command":"WSPing"}'))
  await raw.received('WSPong')
  t.notMatch(raw.text(), 'WSError')
  t.equal(raw.text().split('WSPong').length, 2, 'one')
})

t.test('nothing is answered before the verdict, whatever a client sends with its token', async t => {
  const { app, url, token, logs } = await createApp(t)
  const client = await open(t, url)
  client.send({ token: token() })
  client.send({ command: 'SAY', id: 1 })
  client.send({ command: 'WSPing' })
  client.send('hello')
  t.match(await client.next(), { data: { status: 'connected' } })
  t.equal(app.ws.stats().ignored, 3)
  client.send({ command: 'WSPing' })
  t.strictSame(await client.next(), { command: 'WSPong' })
  client.send('hello')
  t.equal((await client.closed).code, 4400)
  await until(() => app.ws.stats().connections === 0)
  t.ok(logs.some(({ msg, cause }) => msg === 'socket closed' && cause === 'bad_frame'))
})

t.test('the log says what the first message was not; the client hears nothing of it', async t => {
  const { url, logs } = await createApp(t)
  for (const [first, why] of [[Buffer.from('{}'), 'is binary'], ['eyJhbGciOi', 'is not {"token":"…"}'], ['x'.repeat(9_000), 'is longer than maxAuthPayload']] as const) {
    await refusalOf(t, url, first)
    t.ok(logs.some(({ msg, why: said }) => msg === 'socket refused' && String(said).endsWith(why)), why)
  }
})

noStrays()
