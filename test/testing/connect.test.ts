import http from 'node:http'
import { once } from 'node:events'
import Fastify from 'fastify'
import t from 'tap'
import { connect } from '../../testing/index.js'
import { createQuietApp, until } from '../helpers/app.js'
import { Gate } from '../helpers/gate.js'
import { Stopwatch } from '../helpers/stopwatch.js'
import { watchForStrays } from '../helpers/strays.js'

const noStrays = watchForStrays(t)

const PATH = '/cdr/users/ws'

t.test('a client is there as soon as it is told that it may enter, and knows what it was told', async t => {
  const { app, token } = await createQuietApp(t)
  const client = await connect(app, PATH, token())
  t.match(client.connected, { status: 'connected', connection: /./, keepAlive: 25_000, rooms: { cdr: {} } })
  t.match(client.frames, [{ command: 'WSStatus', data: { status: 'connected' } }])
  t.match(app.ws.stats(), { connections: 1, members: 1, waiting: 0 })
})

t.test('an application need not be ready, nor listen', async t => {
  const { app } = await createQuietApp(t, { route: { authenticate: false } })
  await t.resolves(connect(app, PATH))
  t.equal(app.server.listening, false)
})

t.test('the first frames are there, even those that come with the upgrade', async t => {
  const { app } = await createQuietApp(t, { route: { authenticate: false, snapshot: () => [1], onJoin: ({ connection }) => { connection.send({ command: 'WELCOME' }) } } })
  const client = await connect(app, PATH)
  t.strictSame(await client.expectMessage(), { command: 'WSSnapshot', data: [1] })
  t.strictSame(await client.expectMessage(), { command: 'WELCOME' })
})

t.test('hooks see an upgrade as it comes from a network: an address, a host, headers, a query', async t => {
  const seen: unknown[] = []
  const { app, token } = await createQuietApp(t, {
    setup (app) {
      app.get('/seen', { websocket: true, onRequest: async ({ ip, hostname, query, headers }) => { seen.push({ ip, hostname, query, origin: headers.origin }) } }, app.manageWebsocket('cdr'))
    }
  })
  await connect(app, '/seen', token(), { headers: { origin: 'https://example.org' }, query: { stand: '7 é' } })
  await connect(app, '/seen?a=1', token(), { query: { b: '2' }, headers: { host: 'example.org' } })
  t.strictSame(seen.map(one => ({ ...one as object, query: { ...(one as { query: object }).query } })), [
    { ip: '127.0.0.1', hostname: 'localhost', query: { stand: '7 é' }, origin: 'https://example.org' },
    { ip: '127.0.0.1', hostname: 'example.org', query: { a: '1', b: '2' }, origin: undefined }
  ])
})

t.test('who is refused after the upgrade is told the code and the status, and what to do', async t => {
  const { app, token } = await createQuietApp(t, {
    rooms: { authTimeout: 500 },
    route: { authorize: ({ user }) => (user as { sub: string }).sub === 'jeanne' },
    setup (app) {
      const failing = (statusCode: number) => async () => { throw Object.assign(new Error('no'), { statusCode }) }
      for (const statusCode of [429, 500]) app.get(`/${statusCode}`, { websocket: true }, app.manageWebsocket('cdr', { authenticate: failing(statusCode) }))
      app.get('/plain', { websocket: true }, socket => { socket.close(4444, 'just so') })
      app.get('/cut', { websocket: true }, socket => { setImmediate(() => socket.terminate()) })
    }
  })
  const refusals: Array<[path: string, token: string | undefined, refusal: object]> = [
    [PATH, 'nonsense', { code: 4401, status: 'invalid_token', message: /invalid_token, closed with 4401\. .*the log of the application says why/ }],
    [PATH, token({ sub: 'paul' }), { code: 4403, status: 'forbidden', message: /`authorize`/ }],
    [PATH, token({ sub: 'jeanne', exp: 1 }), { code: 4401 }],
    [PATH, undefined, { code: 4408, status: 'auth_timeout', message: /give one to connect\(\)/ }],
    [PATH, 'x'.repeat(10_000), { code: 1009, status: undefined, message: /no status.*`maxAuthPayload`/ }],
    ['/429', token(), { code: 4429, status: 'rate_limited' }],
    ['/500', token(), { code: 1011, status: 'unavailable' }],
    ['/plain', undefined, { code: 4444, status: undefined, message: /The log of the application may say more/ }],
    ['/cut', undefined, { code: 1006 }]
  ]
  for (const [path, token, refusal] of refusals) {
    await t.rejects(connect(app, path, token), { name: 'RefusedError', statusCode: undefined, ...refusal }, `${path} ${token?.slice(0, 20)}`)
  }
  await until(() => app.ws.stats().connections === 0)
})

t.test('who is refused before the upgrade is told the status of the response', async t => {
  const { app } = await createQuietApp(t, {
    setup (app) {
      app.get('/teapot', { websocket: true, onRequest: async (_request, reply) => { await reply.code(418).send() } }, app.manageWebsocket('cdr'))
    }
  })
  const refusals: Array<[path: string, statusCode: number, message: RegExp]> = [
    ['/nowhere', 404, /refused with 404\. There is no such WebSocket route/], ['/teapot', 418, /A hook of the application/], ['/%zz', 400, /cannot read this path/]
  ]
  for (const [path, statusCode, message] of refusals) {
    await t.rejects(connect(app, path), { name: 'RefusedError', statusCode, code: undefined, status: undefined, message })
  }
  const stopwatch = new Stopwatch()
  t.teardown(() => stopwatch.stop())
  await app.close()
  t.ok(stopwatch.stop() < 1_000, 'and nothing is left that the application would wait for')
  await t.rejects(connect(app, PATH), { statusCode: 503, message: /closing, or was closed/ })
})

t.test('errors name the line of the test', async t => {
  const { app } = await createQuietApp(t)
  for (const path of [PATH, '/nowhere']) {
    const error = await connect(app, path, 'nonsense').catch(error => error)
    t.match(error.stack, /^RefusedError: [^\n]+\n {4}at .*connect\.test\.ts/)
  }
})

t.test('what is not about the application is thrown as it is', async t => {
  const { app } = await createQuietApp(t)
  const error = await connect(app, PATH, 'x', { recover: { cdr: 1n as never } }).catch(error => error)
  t.match(error, { name: 'TypeError', message: /BigInt/, stack: /JSON\.stringify/ })
})

t.test('an upgrade that nobody answers fails, and says where to look', async t => {
  const gate = new Gate()
  const { app } = await createQuietApp(t, {
    rooms: { authTimeout: 200 },
    setup (app) { app.get('/slow', { websocket: true, onRequest: async () => { await gate.pass() } }, app.manageWebsocket('cdr')) }
  })
  await t.rejects(connect(app, '/slow', 'x', { timeout: 10 }), { name: 'ExpectationError', message: /\/slow was not answered within 10 ms: is a hook of the application waiting/ })
  await t.rejects(connect(app, '/slow', 'x'), { name: 'RefusedError', message: /\/slow was cut off without an answer: a hook took longer than `authTimeout`/ })
  gate.open()
})

t.test('a hook that takes its time does not harm the socket later', async t => {
  const { app } = await createQuietApp(t, {
    rooms: { authTimeout: 500 },
    setup (app) { app.get('/slow', { websocket: true, onRequest: async () => { await new Promise(resolve => setImmediate(resolve)) } }, app.manageWebsocket('cdr', { authenticate: false })) }
  })
  const client = await connect(app, '/slow')
  await new Promise(resolve => setTimeout(resolve, 1_000)) // the deadline of upgrades is what is tested here
  await client.expectNothing()
  t.equal(app.ws.stats().connections, 1)
})

t.test('a client that hears no verdict fails, and says why that may be', async t => {
  const { app, token } = await createQuietApp(t, {
    route: { authorize: () => new Promise(() => {}) },
    setup (app) {
      app.get('/odd', { websocket: true }, socket => { socket.send('{"command":"WSStatus","data":{"status":"odd"}}') })
      app.get('/other', { websocket: true }, socket => { socket.send('hello') })
    }
  })
  const options = { timeout: 500 }
  await t.rejects(connect(app, PATH, undefined, options), { name: 'ExpectationError', message: /within 500 ms\. No token was sent: give one.*\nNo frame has come\.\nThe socket is open\./ })
  await t.rejects(connect(app, PATH, token(), options), { message: /Is a hook of the application waiting for something\?/ })
  await t.rejects(connect(app, '/odd', token(), options), { message: /taken {7}\{"command":"WSStatus","data":\{"status":"odd"\}\}/ })
  await t.rejects(connect(app, '/other', token(), options), { message: /A frame came that is none of the protocol.*: hello$/ })
  await until(() => app.websocketServer.clients.size === 0)
})

t.test('an application without fastify-rooms is told so', async t => {
  await t.rejects(connect(Fastify() as never, PATH), { name: 'TypeError', message: /has no `injectWS`: register fastify-rooms/ })
})

t.test('an application that does not start says why', async t => {
  const { app } = await createQuietApp(t)
  app.register(async () => { throw new Error('no database') })
  await t.rejects(connect(app, PATH), { message: 'no database' })
})

t.test('an application whose upgrades come from another server is connected to all the same', async t => {
  const server = http.createServer()
  const { app, token } = await createQuietApp(t, {
    rooms: { websocket: { options: { server } }, drainTimeout: 20, closeTimeout: 10 }, // nothing here makes its sockets behave
    setup (app) { app.get('/slow', { websocket: true, onRequest: () => new Promise(() => {}) }, app.manageWebsocket('cdr')) }
  })
  const client = await connect(app, PATH, token())
  await app.ws.sendToRoom('cdr', { command: 'HELLO' })
  await client.expectMessage('HELLO')
  await t.rejects(connect(app, '/nowhere', token()), { name: 'RefusedError', statusCode: 404 })
  await t.rejects(connect(app, '/slow', token(), { timeout: 10 }), { name: 'ExpectationError' })
})

t.test('clients end with their application, at once', async t => {
  const { app, token } = await createQuietApp(t)
  const clients = await Promise.all(Array.from({ length: 20 }, () => connect(app, PATH, token())))
  const stopwatch = new Stopwatch()
  t.teardown(() => stopwatch.stop())
  await app.close()
  t.ok(stopwatch.stop() < 1_000)
  for (const { closed } of clients) t.strictSame(await closed, { code: 1012, reason: '', status: 'restarting' })
})

t.test('a client that has gone is gone for the application, too', async t => {
  const { app, token } = await createQuietApp(t)
  for (let i = 0; i < 20; i++) {
    const [polite, rude] = [await connect(app, PATH, token()), await connect(app, PATH, token())]
    t.strictSame(await polite.close(4000, 'enough'), { code: 4000, reason: 'enough', status: undefined })
    t.match(app.ws.stats(), { connections: 1, members: 1 })
    t.match(await rude.terminate(), { code: 1006 })
    t.match(app.ws.stats(), { connections: 0, members: 0 })
  }
})

t.test('clients answer pings, so that tests may be slow', async t => {
  const { app, token } = await createQuietApp(t, { rooms: { keepAlive: 40, pongTimeout: 20 } })
  const client = await connect(app, PATH, token())
  const pings = (): number => client.frames.filter(({ command }) => command === 'WSPing').length
  await until(() => pings() > 4)
  await client.expectNothing()
  t.equal(client.socket.readyState, client.socket.OPEN)
})

t.test('beside them, real clients are served as ever', async t => {
  const { app, token } = await createQuietApp(t, { setup: app => { app.get('/http', async () => 'hello') } })
  await connect(app, PATH, token())
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.equal(app.server.listenerCount('upgrade'), 1, 'no listener of the kit is left')
  const { port } = app.server.address() as { port: number }
  const [response] = await once(http.get(`http://127.0.0.1:${port}/http`, { agent: false }), 'response')
  t.equal(response.statusCode, 200)
  response.resume()
})

noStrays()
