import t from 'tap'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import fastifyJwt from '@fastify/jwt'
import fastifyWebsocket from '@fastify/websocket'
import { MemoryBroker } from '../index.js'
import fastifyRooms, { fastifyRooms as named } from '../index.js'
import type { RoomRouteOptions, RoomsOptions } from '../index.js'
import { buildApp } from './helpers/app.js'
import { open } from './helpers/client.js'

/** Registers the plugin with what is wrong. */
async function boot (rooms: unknown, fastify: FastifyServerOptions = {}): Promise<FastifyInstance> {
  const app = Fastify(fastify)
  await app.register(fastifyRooms, rooms as RoomsOptions)
  return app
}

const methods = { start () {}, publish () {}, subscribe () {}, unsubscribe () {}, report () {}, count () {}, flush () {}, close () {} }

const MS = 'be a whole number of milliseconds, from 1 to 2147483647'
const BYTES = 'be a whole number of bytes, at least 1'
const HISTORY = 'be { size, ttl }: how many messages, from 1 to 100000, and milliseconds, from 1000 to 2147483647; or a function of the room that returns it'

const WRONG: Array<[name: string, value: unknown, must: string]> = [
  ['authenticate', true, "be a Fastify hook, or 'upgrade', or false for a room that is open to all"],
  ['authenticate', 'jwt', "be a Fastify hook, or 'upgrade', or false for a room that is open to all"],
  ['authorize', true, 'be a function that returns true for those who may enter'],
  ['userId', 'sub', 'be a function of the user'],
  ['expiresAt', 5, 'be a function that returns seconds since 1970'],
  ['snapshot', [], 'be a function that returns what a new member is to see first'],
  ['onJoin', {}, 'be a function'],
  ['onLeave', [], 'be a function'],
  ['onError', null, 'be a function'],
  ['redis', 6379, 'be a redis:// or rediss:// URL, options of ioredis, or a client of ioredis'],
  ['redis', '127.0.0.1:6379', 'be a redis:// or rediss:// URL, options of ioredis, or a client of ioredis'],
  ['redis', '', 'be a redis:// or rediss:// URL, options of ioredis, or a client of ioredis'],
  ['broker', 'redis', 'have the methods of a broker: see docs/brokers.md'],
  ['history', 100, HISTORY],
  ['history', { size: 0, ttl: 60_000 }, HISTORY],
  ['history', { size: 10, ttl: 999 }, HISTORY],
  ['history', { size: 10 }, HISTORY],
  ['history', { size: 10, ttl: 60_000, max: 7 }, HISTORY],
  ['maxRecovery', 0, 'be a whole number of messages, at least 1'],
  ['maxRecoveryBytes', '4mb', BYTES],
  ['onGap', true, 'be a function'],
  ['prefix', 'rooms ', 'be at most 64 letters, digits and _ - . : / @ % ~ + ='],
  ['prefix', 'x'.repeat(65), 'be at most 64 letters, digits and _ - . : / @ % ~ + ='],
  ['prefix', null, 'be at most 64 letters, digits and _ - . : / @ % ~ + ='],
  ['whenBrokerDown', 'queue', "be 'local' or 'reject'"],
  ['publishTimeout', 0, MS],
  ['subscribeTimeout', '2s', MS],
  ['linger', 1.5, MS],
  ['authTimeout', NaN, MS],
  ['authTimeout', null, MS],
  ['maxAuthPayload', -1, BYTES],
  ['maxPayload', '64kb', BYTES],
  ['maxFragments', 0, 'be a whole number, at least 1'],
  ['maxMessage', Infinity, BYTES],
  ['maxBuffered', 10n, BYTES],
  ['maxWaiting', 0, 'be a whole number of sockets, at least 1'],
  ['maxConnections', 0, 'be a whole number of sockets, at least 1'],
  ['maxConnectionsPerUser', Infinity, 'be a whole number of sockets, at least 1'],
  ['maxConnectionsPerAddress', '10', 'be a whole number of sockets, at least 1'],
  ['acceptRate', 0.5, 'be a whole number of upgrades per second, at least 1'],
  ['origins', 'https://a.example', 'be an array of origins, or a function of one'],
  ['byteRate', '1mb', 'be a whole number of bytes per second, at least 1'],
  ['messageRate', 0.5, 'be a whole number of messages per second, at least 1'],
  ['snapshotTimeout', 0, MS],
  ['maxSnapshot', 1.5, BYTES],
  ['maxSnapshots', 0, 'be a whole number, at least 1'],
  ['keepAlive', 2 ** 31, MS],
  ['pongTimeout', true, MS],
  ['closeTimeout', [], MS],
  ['drainTimeout', {}, MS],
  ['perMessageDeflate', 'yes', 'be true, false, or { threshold } with a number of bytes'],
  ['perMessageDeflate', { level: 9 }, 'be true, false, or { threshold } with a number of bytes'],
  ['perMessageDeflate', { threshold: 0 }, 'be true, false, or { threshold } with a number of bytes'],
  ['websocket', 'ws', 'be the options of @fastify/websocket']
]

t.test('an option that is wrong stops the boot, and the error names it and says what it must be', async t => {
  for (const [name, value, must] of WRONG) {
    await t.rejects(boot({ [name]: value }), {
      code: 'FST_ROOMS_INVALID_OPTION', message: `fastify-rooms: option '${name}' must ${must}`
    }, `${name}: ${String(value)}`)
  }
})

t.test('a broker that lacks a method is told which', async t => {
  await t.rejects(boot({ broker: { ...methods, unsubscribe: undefined } }), {
    message: "fastify-rooms: option 'broker.unsubscribe' must be a method: see docs/brokers.md"
  })
})

t.test('an option that does not exist stops the boot, so that a typo is not a default', async t => {
  await t.rejects(boot({ authTimeOut: 5 }), {
    code: 'FST_ROOMS_INVALID_OPTION', message: "fastify-rooms: option 'authTimeOut' is not known; see docs/options.md"
  })
})

t.test('an option that is undefined counts as not given', async t => {
  const everything = Object.fromEntries([...WRONG.map(([name]) => name), 'notAnOption'].map(name => [name, undefined]))
  const app = await boot({ ...everything, authenticate: false })
  app.get('/ws', { websocket: true }, app.manageWebsocket('cdr', { authorize: undefined } as object))
  await app.ready()
  const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  t.teardown(() => app.close())
  const client = await open(t, `ws://127.0.0.1:${port}/ws`)
  t.match(await client.next(), { data: { status: 'connected', keepAlive: 25_000 } })
})

t.test('times and sizes that contradict each other stop the boot', async t => {
  const contradictions: Array<[rooms: RoomsOptions, fastify: FastifyServerOptions, message: string]> = [
    [{ pongTimeout: 1_000, keepAlive: 1_000 }, {}, "option 'pongTimeout' (1000) must be less than keepAlive (1000): a ping must be answered before the next one"],
    [{ byteRate: 10_000 }, {}, "option 'byteRate' (10000) is too little for maxPayload (65536): 5 seconds' worth must be enough for one message"],
    [{ maxMessage: 1_048_576 - 511 }, {}, "option 'maxMessage' (1048065) must be less than maxBuffered (1048576) by at least 512, which is for what a frame adds: a single message would otherwise end every socket as too slow"],
    [{ maxSnapshot: 1_048_576 }, {}, "option 'maxSnapshot' (1048576) must be less than maxBuffered (1048576) by at least 512, which is for what a frame adds: a snapshot would otherwise end its socket as too slow"],
    [{ maxPayload: 8_191 }, {}, "option 'maxAuthPayload' (8192) cannot be more than maxPayload (8191), which holds for all messages"],
    [{ drainTimeout: 8_000 }, {}, "option 'drainTimeout' and closeTimeout are 10000 ms together, and must stay below the application's pluginTimeout (10000), which would cut app.close() short"],
    [{}, { pluginTimeout: 7_000 }, "option 'drainTimeout' and closeTimeout are 7000 ms together, and must stay below the application's pluginTimeout (7000), which would cut app.close() short"],
    [{ redis: 'redis://localhost', broker: new MemoryBroker() }, {}, "option 'broker' cannot be given together with redis: one of them carries the messages"]
  ]
  for (const [rooms, fastify, message] of contradictions) {
    await t.rejects(boot(rooms, fastify), { code: 'FST_ROOMS_INVALID_OPTION', message: `fastify-rooms: ${message}` })
  }
})

t.test('options at their very limits boot', async t => {
  const limits: Array<[rooms: RoomsOptions, fastify?: FastifyServerOptions]> = [
    [{ maxPayload: 8_192 }],
    [{ pongTimeout: 999, keepAlive: 1_000 }],
    [{ drainTimeout: 7_999 }],
    [{ drainTimeout: 600_000 }, { pluginTimeout: 0 }],
    [{ prefix: '', whenBrokerDown: 'reject', authTimeout: 2 ** 31 - 1 }],
    [{ prefix: 'a-Z_0.:/@%~+=' }]
  ]
  for (const [rooms, fastify] of limits) {
    const app = await boot(rooms, fastify)
    await t.resolves(async () => { await app.ready(); await app.close() })
  }
})

t.test('an option of ws that would undo one of ours stops the boot, and the application can still be closed', async t => {
  for (const name of ['maxPayload', 'maxFragments', 'closeTimeout', 'perMessageDeflate', 'maxPendingAutoPongs']) {
    const app = Fastify()
    app.register(fastifyRooms, { websocket: { options: { [name]: 1 } } } as RoomsOptions)
    const by = name === 'maxPendingAutoPongs' ? 'fastify-rooms, as docs/limits.md says' : `the option ${name} of fastify-rooms`
    await t.rejects(async () => await app.ready(), { code: 'FST_ROOMS_INVALID_OPTION', message: `fastify-rooms: option 'websocket.options.${name}' is set by ${by}` })
    await t.resolves(async () => await app.close())
  }
})

t.test('other options of ws are passed on, compression is off, and our limits are set', async t => {
  const app = await boot({ maxPayload: 10_000, maxFragments: 3, websocket: { options: { maxBufferedChunks: 7 } } })
  t.match(app.websocketServer.options, { maxPayload: 10_000, maxFragments: 3, maxBufferedChunks: 7, maxPendingAutoPongs: 60, perMessageDeflate: false, closeTimeout: 2_000 })
  await app.close()
})

t.test('a route with a wrong option fails where it is written', async t => {
  const { app } = await buildApp()
  t.throws(() => app.manageWebsocket('cdr', { authorise: () => true } as RoomRouteOptions), { code: 'FST_ROOMS_INVALID_OPTION', message: "fastify-rooms: option 'authorise' is not known; see docs/options.md" })
  t.throws(() => app.manageWebsocket('cdr', { onJoin: 'hello' } as object), { code: 'FST_ROOMS_INVALID_OPTION', message: "fastify-rooms: option 'onJoin' must be a function" })
  t.throws(() => app.manageWebsocket('cdr', { keepAlive: 5 } as object), { message: "fastify-rooms: option 'keepAlive' is of the plugin, not of a route: give it to app.register()" })
  await app.close()
})

t.test('history', async t => {
  const history = { size: 10, ttl: 60_000 }

  t.test('needs a broker that keeps messages', async t => {
    const message = "fastify-rooms: option 'history' needs a broker that keeps messages, and this one has no `history`: see docs/brokers.md"
    await t.rejects(boot({ broker: methods, history }), { message })
    await t.rejects(boot({ broker: methods, history: () => undefined }), { message })
    const app = await boot({ broker: methods })
    t.throws(() => app.manageWebsocket('cdr', { history }), { message })
  })

  t.test('of a route needs a room that every process knows by its name', async t => {
    const app = await boot({})
    t.throws(() => app.manageWebsocket(() => 'cdr', { history }), { message: /of a route needs a room with a fixed name.*history\(room\)/ })
    t.throws(() => app.manageWebsocket('cdr', { history: { ...history, size: 0 } }), { code: 'FST_ROOMS_INVALID_OPTION' })
  })

  t.test('of a room is the same for all routes that lead to it', async t => {
    const app = await boot({})
    app.manageWebsocket('cdr', { history })
    app.manageWebsocket('cdr', { history: { ...history } })
    app.manageWebsocket('cdr')
    t.throws(() => app.manageWebsocket('cdr', { history: { ...history, size: 11 } }), { message: /of the room 'cdr' differs between two routes/ })
    t.throws(() => app.manageWebsocket('cdr', { history: { ...history, ttl: 61_000 } }), { code: 'FST_ROOMS_INVALID_OPTION' })
  })

  t.test('may be a function, and what that returns is looked at', async t => {
    const app = await boot({ history: (room: string) => ({ a: history, b: undefined, c: 7 })[room] })
    t.teardown(() => app.close())
    await app.ready()
    t.match(await app.ws.sendToRoom('a', { command: 'X' }), { seq: 1 })
    t.notOk('seq' in await app.ws.sendToRoom('b', { command: 'X' }))
    await t.rejects(app.ws.sendToRoom('c', { command: 'X' }), { message: /option 'history' returned nonsense for the room 'c': it must be \{ size, ttl \}/ })
    await t.rejects(app.ws.history('b'), { code: 'FST_ROOMS_NO_HISTORY' })
  })

  t.test('of a route comes before that of the plugin', async t => {
    const app = await boot({ history: { size: 1, ttl: 60_000 } })
    t.teardown(() => app.close())
    app.manageWebsocket('cdr', { history, authenticate: false })
    await app.ready()
    for (const room of ['cdr', 'cdr', 'other', 'other']) await app.ws.sendToRoom(room, { command: 'X' })
    t.equal((await app.ws.history('cdr')).messages.length, 2)
    t.equal((await app.ws.history('other')).messages.length, 1)
  })
})

t.test('an authenticate hook that is async and takes done is refused, in the plugin and in a route', async t => {
  const both = async (_request: unknown, _reply: unknown, _done: unknown): Promise<void> => {}
  const expected = { code: 'FST_ROOMS_INVALID_OPTION', message: "fastify-rooms: option 'authenticate' is async and takes `done`; a hook is either the one or the other, as in Fastify" }
  await t.rejects(boot({ authenticate: both }), expected)
  const { app } = await buildApp()
  t.throws(() => app.manageWebsocket('cdr', { authenticate: both }), expected)
  await app.close()
})

t.test('a room whose name is not valid fails where it is written', async t => {
  const { app } = await buildApp()
  for (const room of ['', 'a b', '*', 'h?llo', '{x}', 'cdr\n', 'cdr\u0000', 'café', 'x'.repeat(129), 5, null, undefined]) {
    t.throws(() => app.manageWebsocket(room as string), { code: 'FST_ROOMS_INVALID_ROOM' }, JSON.stringify(room))
  }
  for (const room of ['a', 'x'.repeat(128), 'Az09_-.:/@%~+=', 'caf%C3%A9']) {
    t.type(app.manageWebsocket(room), 'function')
  }
  await app.close()
})

t.test('@fastify/websocket that is there already stops the boot', async t => {
  const app = Fastify()
  await app.register(fastifyWebsocket)
  await t.rejects(async () => await app.register(fastifyRooms), { code: 'FST_ROOMS_REGISTER_FIRST' })
})

t.test('a second registration stops the boot, and so does a decorator that has one of our names', async t => {
  const twice = await boot({})
  await t.rejects(async () => await twice.register(fastifyRooms), { code: 'FST_ROOMS_ALREADY_REGISTERED', message: /`app\.ws` is there already/ })
  const taken = Fastify()
  taken.decorate('manageWebsocket', (() => {}) as never)
  await t.rejects(async () => await taken.register(fastifyRooms), { code: 'FST_ROOMS_ALREADY_REGISTERED', message: /`app\.manageWebsocket` is there already/ })
})

t.test('two registrations in scopes that do not see each other stop the boot too', async t => {
  const app = Fastify()
  app.register(async scope => { await scope.register(fastifyRooms) }, { prefix: '/x' })
  app.register(async scope => { await scope.register(fastifyRooms) }, { prefix: '/y' })
  await t.rejects(async () => await app.ready(), { code: 'FST_ROOMS_ALREADY_REGISTERED', message: /once for each application/ })
})

t.test('a route that forgot { websocket: true } stops the boot', async t => {
  const { app } = await buildApp()
  await t.rejects(async () => {
    app.get('/forgot', app.manageWebsocket('cdr') as never)
    await app.ready()
  }, { code: 'FST_ROOMS_NOT_WEBSOCKET', message: /'\/forgot'/ })
})

t.test('a route that needs request.jwtVerify() stops the boot where there is none', async t => {
  const none = await boot({})
  none.get('/ws', { websocket: true }, none.manageWebsocket('cdr'))
  await t.rejects(async () => await none.ready(), { code: 'FST_ROOMS_NO_JWT', message: /'\/ws'/ })

  const namespaced = await boot({})
  await namespaced.register(fastifyJwt, { secret: 'x', namespace: 'admin' })
  namespaced.get('/ws', { websocket: true }, namespaced.manageWebsocket('cdr'))
  await t.rejects(async () => await namespaced.ready(), { code: 'FST_ROOMS_NO_JWT' })

  const elsewhere = await boot({})
  elsewhere.register(async child => { await child.register(fastifyJwt, { secret: 'x' }) })
  elsewhere.get('/ws', { websocket: true }, elsewhere.manageWebsocket('cdr'))
  await t.rejects(async () => await elsewhere.ready(), { code: 'FST_ROOMS_NO_JWT' })
})

t.test('a route with a hook of its own, or open to all, needs no @fastify/jwt', async t => {
  const app = await boot({})
  app.get('/own', { websocket: true }, app.manageWebsocket('cdr', { authenticate: async () => {} }))
  app.get('/open', { websocket: true }, app.manageWebsocket('cdr', { authenticate: false }))
  await t.resolves(async () => await app.ready())
  await app.close()
})

t.test('the plugin is what import gives, by name and by default, and what require() gives', async t => {
  const module: Record<string, unknown> = await import('../index.js')
  t.equal(named, fastifyRooms)
  t.equal(module['module.exports'], fastifyRooms)
})
