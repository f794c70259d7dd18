import t from 'tap'
import fastifyCookie from '@fastify/cookie'
import type { Test } from 'tap'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyRequest, FastifyServerOptions } from 'fastify'
import fastifyJwt from '@fastify/jwt'
import fastifyRooms from '../index.js'
import type { RoomRouteOptions } from '../index.js'
import { connect } from '../testing/index.js'
import { answerTo } from './helpers/answer.js'
import { buildApp, createApp, createQuietApp, until } from './helpers/app.js'
import type { Settings, TestApp } from './helpers/app.js'
import { launchBrowser } from './helpers/chromium.js'
import { Client, endingOf, status } from './helpers/client.js'
import { Gate } from './helpers/gate.js'
import { sendRaw, upgradeRequest } from './helpers/raw.js'
import { watchForStrays } from './helpers/strays.js'
import { handmadeToken } from './helpers/token.js'

const noStrays = watchForStrays(t)

const UNAUTHORIZED = {
  status: 401,
  headers: { connection: 'close', 'www-authenticate': 'Bearer' },
  body: { statusCode: 401, code: 'FST_ROOMS_INVALID_TOKEN', error: 'Unauthorized' }
}

/** An application whose route wants its users with the upgrade. */
async function createUpgradeApp (t: Test, settings: Settings = {}): Promise<TestApp> {
  return await createApp(t, { ...settings, route: { authenticate: 'upgrade', ...settings.route } })
}

const protocolsOf = (token: string): string[] => ['rooms.v1', `bearer.${token}`]

/** Opens a socket with subprotocols or headers, and waits for what it is told first. */
async function enter (t: Test, url: string, protocols: string[], headers: Record<string, string> = {}): Promise<Client> {
  const client = new Client(url, { headers }, protocols)
  t.teardown(() => client.socket.terminate())
  await client.opened
  return client
}

/** Opens a socket that has to be let in. */
async function joined (t: Test, url: string, protocols: string[], headers: Record<string, string> = {}): Promise<Client> {
  const client = await enter(t, url, protocols, headers)
  const { data } = await client.next('WSStatus')
  if (data?.status !== 'connected') throw new Error(`not connected: ${data?.status}`)
  return client
}

t.test('a token among the subprotocols is the user of the socket, which is told `connected` at once, and no token comes back', async t => {
  const users: unknown[] = []
  const { app, url, token, logs } = await createUpgradeApp(t, { route: { onJoin: ({ connection }) => { users.push([connection.userId, connection.user]) } } })
  const jeanne = token()
  const client = await joined(t, url, protocolsOf(jeanne))
  t.equal(client.socket.protocol, 'rooms.v1')
  await app.ws.sendToRoom('cdr', { command: 'HELLO' })
  t.strictSame(await client.next(), { command: 'HELLO' })
  t.match(users, [['jeanne', { sub: 'jeanne' }]])
  t.equal((await joined(t, url, protocolsOf(jeanne).reverse())).socket.protocol, 'rooms.v1', 'in any order')
  const raw = sendRaw(t, url, withProtocols(url, `bearer.${jeanne}, rooms.v1`))
  await raw.received('connected')
  t.match(raw.text(), /\r\nSec-WebSocket-Protocol: rooms\.v1\r\n/)
  t.notOk(raw.text().includes(jeanne))
  t.notOk(JSON.stringify(logs).includes(jeanne))
})

t.test('a token may come in the header `authorization`, which counts more', async t => {
  const users: unknown[] = []
  const { url, token } = await createUpgradeApp(t, { route: { authorize: ({ user }) => users.push((user as { sub: string }).sub) > 0 } })
  await joined(t, url, [], { authorization: `Bearer ${token()}` })
  await joined(t, url, ['rooms.v1'], { authorization: `Bearer ${token()}` })
  await joined(t, url, protocolsOf(token({ sub: 'ada' })), { authorization: 'Basic amVhbm5lOng=' })
  t.strictSame(users, ['jeanne', 'jeanne', 'ada'])
})

t.test('without a good token, the upgrade is answered with 401, whatever is wrong', async t => {
  // Fastify's own line for each request has its URL, which is why no token belongs there.
  const { app, url, token, logs } = await createUpgradeApp(t, { fastify: { disableRequestLogging: true } })
  const [good, claims] = [token(), { sub: 'jeanne', iat: 1 }]
  const wrong: Array<[what: string, protocols: string | undefined, headers?: Record<string, string>]> = [
    ['none', undefined],
    ['none among the subprotocols', 'rooms.v1'],
    ['an empty one', 'rooms.v1, bearer.'],
    ['nothing but an empty one', 'bearer.'],
    ['two', `rooms.v1, bearer.${good}, bearer.${good}`],
    ['two others', `bearer.${good}, bearer.${token({ sub: 'ada' })}`],
    ['no JWT', 'rooms.v1, bearer.nonsense'],
    ['no base64url', 'rooms.v1, bearer.a=b/c+d.e%f.g'],
    ['white space', `rooms.v1, bearer.${good} x`],
    ['what would be a second header', 'rooms.v1, bearer.x"y'],
    ['too long a one', `rooms.v1, bearer.${'x'.repeat(8_193)}`],
    ['one that has expired', `rooms.v1, bearer.${token({ sub: 'jeanne', exp: 1 })}`],
    ['another algorithm', `rooms.v1, bearer.${handmadeToken({ alg: 'none' }, claims)}`],
    ['another secret', `rooms.v1, bearer.${handmadeToken({ alg: 'HS256' }, claims, 'another')}`],
    ['no JSON inside', `rooms.v1, bearer.${handmadeToken({ alg: 'HS256' }, 'nonsense')}`],
    ['a claim that is missing', `rooms.v1, bearer.${handmadeToken({ alg: 'HS256' }, { sub: 'jeanne' })}`],
    ['a bad header', undefined, { authorization: 'Bearer' }],
    ['too many words in the header', undefined, { authorization: `Bearer ${good} x` }],
    ['another scheme', undefined, { authorization: `Basic ${good}` }],
    ['a token in the query string', undefined, { query: good }]
  ]
  for (const [what, protocols, { query, ...headers } = {}] of wrong) {
    const path = query === undefined ? url : `${url}?token=${query}&authorization=Bearer%20${query}`
    const raw = sendRaw(t, path, withProtocols(path, protocols, headers))
    await raw.closed
    const [head = '', body = '{}'] = raw.text().split('\r\n\r\n')
    t.match(head, /^HTTP\/1\.1 401 Unauthorized\r\n/, what)
    t.match(head, /\r\nwww-authenticate: Bearer(\r\n|$)/, what)
    t.match(JSON.parse(body), UNAUTHORIZED.body, what)
  }
  t.equal(app.ws.stats().refused.token, wrong.length)
  t.equal(app.ws.stats().connections, 0)
  const said = JSON.stringify(logs.filter(({ msg }) => msg !== 'incoming request')) // which has the URL
  t.notOk(said.includes(good))
  t.notOk(logs.some(({ level }) => level as number > 40), "and is nobody's fault on our side")
  await t.resolves(joined(t, url, protocolsOf(good)))
})

t.test('a header of 100 KB is refused, also where the server takes such headers', async t => {
  const small = await createUpgradeApp(t)
  const large = await createUpgradeApp(t, { fastify: { http: { maxHeaderSize: 200_000 } } as FastifyServerOptions })
  for (const [{ url }, answer] of [[small, /^HTTP\/1\.1 431 /], [large, /^HTTP\/1\.1 401 /]] as const) {
    const raw = sendRaw(t, url, withProtocols(url, `rooms.v1, bearer.${'x'.repeat(100_000)}`))
    await raw.closed
    t.match(raw.text(), answer)
  }
  const many = sendRaw(t, large.url, withProtocols(large.url, Array.from({ length: 10_000 }, (_, i) => `bearer.${i}`).join()))
  await many.closed
  t.match(many.text(), /^HTTP\/1\.1 401 /)
})

t.test('what is wrong with the other subprotocols is the business of `ws`, which is shown no token', async t => {
  const { url, token } = await createUpgradeApp(t)
  for (const protocols of [`rooms.v1,, bearer.${token()}`, `rooms.v1, rooms.v1, bearer.${token()}`, `a(b), bearer.${token()}`]) {
    const raw = sendRaw(t, url, withProtocols(url, protocols))
    await raw.closed
    t.match(raw.text(), /^HTTP\/1\.1 400 /, protocols)
  }
})

t.test('which subprotocol is answered', async t => {
  const answered = async (url: string, protocols: string): Promise<string | undefined> => {
    const raw = sendRaw(t, url, withProtocols(url, protocols))
    await raw.received('\r\n\r\n')
    raw.socket.destroy()
    return /\r\nSec-WebSocket-Protocol: (.*)\r\n/.exec(raw.text())?.[1]
  }

  t.test('is `rooms.v1` where it is offered, or else the first that is no token', async t => {
    const { url } = await createApp(t, { setup: app => { app.get('/echo', { websocket: true }, () => {}) } })
    for (const path of [url, url.replace('/cdr/users/ws', '/echo')]) {
      t.equal(await answered(path, 'other, rooms.v1, bearer.x'), 'rooms.v1')
      t.equal(await answered(path, 'bearer.x, other, another'), 'other')
      t.equal(await answered(path, 'Bearer.x, bearer.y'), undefined)
    }
  })

  t.test('is otherwise for the application to say, which is kept from saying a token', async t => {
    const asked: string[][] = []
    const { url } = await createApp(t, {
      rooms: {
        websocket: {
          options: {
            handleProtocols (protocols: Set<string>) {
              asked.push([...protocols])
              return [...protocols].at(-1) as string
            }
          }
        }
      },
      setup: app => { app.get('/echo', { websocket: true }, () => {}) }
    })
    t.equal(await answered(url, 'other, rooms.v1'), 'rooms.v1')
    t.equal(await answered(url, 'other, another, bearer.x'), 'another')
    t.equal(await answered(url.replace('/cdr/users/ws', '/echo'), 'other, bearer.x'), undefined)
    t.strictSame(asked, [['other', 'another'], ['other', 'bearer.x']])
  })
})

t.test("the route's own hooks come first", async t => {
  const sessions = new Map([['0e8f', { id: 12 }]])
  const settings = (more: object): Settings => ({
    route: { authenticate: false },
    setup: app => { app.get('/upgrade', { websocket: true, ...more }, app.manageWebsocket('cdr', { authenticate: 'upgrade', userId: user => (user as unknown as { id: number }).id })) }
  })
  const withUser = async (request: FastifyRequest): Promise<void> => {
    const user = sessions.get(/session=(\w+)/.exec(request.headers.cookie ?? '')?.[1] ?? '')
    if (user === undefined) throw Object.assign(new Error('There is no such session.'), { statusCode: 401 })
    request.user = user
  }

  t.test('and whom they have found is the user: of a cookie, say', async t => {
    for (const hooks of [{ onRequest: withUser }, { preValidation: [withUser] }, { preHandler: withUser }, { preHandler: [async () => {}, withUser] }]) {
      const { app, url } = await createApp(t, settings(hooks))
      const path = url.replace('/cdr/users/ws', '/upgrade')
      t.match(await answerTo(t, path), { status: 401, body: { message: 'There is no such session.' } })
      await joined(t, path, ['rooms.v1'], { cookie: 'session=0e8f' })
      t.match(app.ws.stats(), { members: 1, refused: {} })
    }
  })

  t.test('and see the token as a bearer', async t => {
    const seen: unknown[] = []
    const { url, token } = await createApp(t, settings({
      onRequest: async (request: FastifyRequest) => {
        seen.push([request.headers.authorization, request.headers['sec-websocket-protocol']])
        await request.jwtVerify()
      }
    }))
    const [path, good] = [url.replace('/cdr/users/ws', '/upgrade'), token({ id: 7 })]
    await joined(t, path, ['rooms.v1', `bearer.${good}`])
    const raw = sendRaw(t, path, withProtocols(path, `bearer.${good}`))
    await raw.received('connected')
    t.strictSame(seen, [[`Bearer ${good}`, 'rooms.v1'], [`Bearer ${good}`, undefined]])
  })

  t.test('and so do those of the application', async t => {
    const { url, token } = await createUpgradeApp(t, { setup: app => { app.addHook('onRequest', async request => { await request.jwtVerify() }) } })
    await joined(t, url, protocolsOf(token()))
    t.match(await answerTo(t, url), { status: 401, body: { code: 'FST_JWT_NO_AUTHORIZATION_IN_HEADER' } })
  })

  t.test('and a route that is also one of requests does not ask those for a token', async t => {
    const { url, http, token } = await createApp(t, {
      setup (app) {
        app.route({ method: 'GET', url: '/both', handler: async () => ({ plain: true }), wsHandler: app.manageWebsocket('cdr', { authenticate: 'upgrade' }) })
      }
    })
    t.strictSame(await (await fetch(`${http}/both`)).json(), { plain: true })
    await joined(t, url.replace('/cdr/users/ws', '/both'), protocolsOf(token()))
    t.match(await answerTo(t, url.replace('/cdr/users/ws', '/both')), UNAUTHORIZED)
  })
})

t.test('where @fastify/jwt looks elsewhere, the token that was offered is meant all the same', async t => {
  const fromHeader = (request: { headers: Record<string, unknown> }): unknown => request.headers['x-token']
  const elsewhere: Array<[jwt: object, headers: (token: string) => Record<string, string>]> = [
    [{ verify: { algorithms: ['HS256'], extractToken: fromHeader } }, token => ({ 'x-token': token })],
    [{ verify: { algorithms: ['HS256'], onlyCookie: true }, cookie: { cookieName: 'token', signed: false } }, token => ({ cookie: `token=${token}`, origin: 'https://a.example' })]
  ]
  for (const [jwt, headers] of elsewhere) {
    const { url, token } = await createUpgradeApp(t, {
      jwt,
      rooms: { origins: ['https://a.example'] },
      setup: async app => { await app.register(fastifyCookie) }
    })
    await joined(t, url, protocolsOf(token()))
    await joined(t, url, ['rooms.v1'], headers(token()))
    t.match(await answerTo(t, url, {}, ['rooms.v1']), UNAUTHORIZED)
    t.match(await answerTo(t, url, {}, protocolsOf(`${token()}x`)), UNAUTHORIZED)
  }
})

t.test('upgrades whose users are being found have no more places than `maxWaiting`', async t => {
  const gate = new Gate()
  const { app, url, token } = await createUpgradeApp(t, { rooms: { maxWaiting: 2 }, jwt: { trusted: async () => { await gate.pass(); return true } } })
  const raws = [0, 1].map(() => sendRaw(t, url, withProtocols(url, `rooms.v1, bearer.${token()}`)))
  await until(() => app.ws.stats().waiting === 2)
  t.match(await answerTo(t, url, {}, protocolsOf(token())), { status: 503 })
  raws[0]?.socket.destroy()
  gate.open()
  await raws[1]?.received('connected')
  await until(() => app.ws.stats().waiting === 0)
  await joined(t, url, protocolsOf(token()))
})

t.test('what a check throws means what its status says', async t => {
  const failing = (error: unknown, onError?: RoomRouteOptions['onError']): Settings => ({ jwt: { trusted: async () => { throw error } }, route: { onError } })
  for (const statusCode of [403, 429]) {
    const { url, token, app } = await createUpgradeApp(t, failing(Object.assign(new Error('no'), { statusCode })))
    t.match(await answerTo(t, url, {}, protocolsOf(token())), { status: statusCode })
    t.match(app.ws.stats(), { connections: 0 })
  }
  for (const thrown of [new Error('connect ECONNREFUSED 10.0.0.7'), Object.assign(new Error('no'), { statusCode: 404 }), 'no error']) {
    const errors: unknown[] = []
    const { url, token, app, logs } = await createUpgradeApp(t, failing(thrown, event => { errors.push(event) }))
    const answer = await answerTo(t, url, {}, protocolsOf(token()))
    t.match(answer, { status: 503, headers: { 'retry-after': /^\d+$/ }, body: { code: 'FST_ROOMS_NOT_CHECKED' } })
    t.notOk(JSON.stringify(answer).includes('10.0.0.7'), 'clients do not hear why')
    t.match(errors, [{ error: { message: thrown instanceof Error ? thrown.message : 'A hook threw something that is no error.' }, room: undefined, connection: undefined }])
    t.ok(logs.some(({ msg, level }) => level === 50 && msg === 'token could not be checked'))
    t.match(app.ws.stats().refused, { unavailable: 1 })
  }
})

t.test('the other hooks of the room run as ever', async t => {
  t.test('`authorize` refuses, and the token expires', async t => {
    const { url, token } = await createUpgradeApp(t, { route: { authorize: ({ user }) => (user as { sub: string }).sub !== 'ada' } })
    t.strictSame(await endingOf(await enter(t, url, protocolsOf(token({ sub: 'ada' })))), { frames: [status('forbidden')], code: 4403, reason: '' })
    const client = await joined(t, url, protocolsOf(token({ sub: 'jeanne', exp: Math.ceil(Date.now() / 1_000) + 1 })))
    t.match(await endingOf(client), { code: 4419 })
  })

  t.test('and have their time, in which the socket counts as waiting', async t => {
    const gate = new Gate()
    const { app, url, token } = await createUpgradeApp(t, { rooms: { authTimeout: 100 }, route: { authorize: async () => { await gate.pass(); return true } } })
    const client = await enter(t, url, protocolsOf(token()))
    await gate.reached
    t.equal(app.ws.stats().waiting, 1)
    t.match(await endingOf(client), { frames: [status('unavailable')], code: 1011 })
    gate.open()
  })

  t.test('and a client that leaves while its token is checked is not let in', async t => {
    const gate = new Gate()
    let asked = 0
    const { app, url, token } = await createUpgradeApp(t, { jwt: { trusted: async () => { await gate.pass(); return true } }, route: { authorize: () => { asked++; return true } } })
    const raw = sendRaw(t, url, withProtocols(url, `rooms.v1, bearer.${token()}`))
    await gate.reached
    raw.socket.destroy()
    await raw.closed
    gate.open()
    await joined(t, url, protocolsOf(token()))
    await until(() => app.ws.stats().connections === 1)
    t.equal(app.ws.stats().members, 1)
    t.ok(asked >= 1)
  })

  t.test('and the testing kit can bring a token in a header, to hooks that take longer than the first turn', async t => {
    const { app, token } = await createQuietApp(t, { rooms: { authTimeout: 50 }, route: { authenticate: 'upgrade' } })
    const member = await connect(app, '/cdr/users/ws', undefined, { headers: { authorization: `Bearer ${token()}` } })
    t.equal(member.connected.status, 'connected')
    t.match(await connect(app, '/cdr/users/ws').catch((error: unknown) => error), { statusCode: 401 })
  })

  t.test('and an injected socket is not cut off after authTimeout', async t => {
    const { app, token } = await createQuietApp(t, { rooms: { authTimeout: 50, closeTimeout: 50, drainTimeout: 200 }, route: { authenticate: 'upgrade' } })
    await app.ready()
    await app.injectWS('/cdr/users/ws', { headers: { authorization: `Bearer ${token()}` } as never })
    const start = performance.now()
    await until(() => performance.now() - start > 200)
    t.match(app.ws.stats(), { members: 1, ended: {} })
  })
})

t.test('a route that cannot know its users is found at boot', async t => {
  const boot = async (more: (app: FastifyInstance) => void | Promise<void>): Promise<void> => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(fastifyRooms, { authenticate: 'upgrade' })
    app.get('/ws', { websocket: true }, app.manageWebsocket('cdr'))
    await more(app)
    await app.ready()
  }
  await t.rejects(boot(() => {}), { code: 'FST_ROOMS_NO_USER', message: /^The route '\/ws' wants to know its users from the upgrade/ })
  await t.resolves(boot(app => { app.decorateRequest('user', null as never) }))
  await t.resolves(boot(async app => { await app.register(fastifyJwt, { secret: 'a secret' }) }))
})

t.test('a route without @fastify/jwt whose hooks have found nobody refuses', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyRooms)
  app.decorateRequest('user', null as never)
  app.get('/ws', { websocket: true, onRequest: async request => { if (request.headers['x-user'] !== undefined) request.user = { sub: request.headers['x-user'] } as never } }, app.manageWebsocket('cdr', { authenticate: 'upgrade' }))
  const url = `${(await app.listen({ port: 0, host: '127.0.0.1' })).replace('http', 'ws')}/ws`
  t.match(await answerTo(t, url), UNAUTHORIZED)
  await t.resolves(joined(t, url, ['rooms.v1'], { 'x-user': 'ada' }))
})

t.test('what @fastify/jwt should be told is said once, and no secret with it', async t => {
  const advice = async (jwt: object, route: RoomRouteOptions = {}): Promise<string[]> => {
    const { app, logs } = await buildApp({
      jwt,
      route,
      setup: app => { app.get('/b', { websocket: true }, app.manageWebsocket('b', route)) }
    })
    await app.ready()
    await app.close()
    t.notOk(JSON.stringify(logs).includes('a secret of the tests'))
    return logs.filter(({ level, module }) => level === 40 && module === 'fastify-rooms').map(({ msg }) => /`verify\.(\w+)`/.exec(msg)?.[1] as string)
  }
  t.strictSame(await advice({ verify: undefined }), ['algorithms', 'requiredClaims'])
  t.strictSame(await advice({ verify: { algorithms: ['HS256'] } }, { authenticate: 'upgrade' }), ['requiredClaims'])
  t.strictSame(await advice({ verify: { requiredClaims: ['exp'] } }), ['algorithms'])
  t.strictSame(await advice({ verify: { algorithms: ['HS256'], requiredClaims: ['exp'] } }), [])
  t.strictSame(await advice({ verify: undefined }, { authenticate: false }), [])
  t.strictSame(await advice({ verify: undefined }, { authenticate: async request => { await request.jwtVerify() } }), ['algorithms', 'requiredClaims'])
})

t.test('a browser can do it', async t => {
  const { url, http, token } = await createUpgradeApp(t, { setup: app => { app.get('/page', async (_request, reply) => await reply.type('text/html').send('<!doctype html>')) } })
  const tab = await (await launchBrowser(t)).newPage()
  await tab.goto(`${http}/page`)
  const attempt = (protocols: string[]): Promise<unknown> => tab.evaluate(`new Promise(resolve => {
    const socket = new WebSocket('${url}', ${JSON.stringify(protocols)})
    socket.onmessage = ({ data }) => resolve([socket.protocol, JSON.parse(data).data.status])
    socket.onclose = ({ code }) => resolve(code)
  })`)
  t.strictSame(await attempt(protocolsOf(token())), ['rooms.v1', 'connected'])
  t.equal(await attempt(protocolsOf('nonsense')), 1006)
  t.equal(await attempt([]), 1006)
})

/** An upgrade with a header as it would not be let through by a client. */
function withProtocols (url: string, protocols: string | undefined, headers: Record<string, string> = {}): Buffer {
  const { search } = new URL(url)
  const lines = Object.entries({ ...protocols !== undefined && { 'Sec-WebSocket-Protocol': protocols }, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(upgradeRequest(url).toString().replace(' HTTP/1.1\r\n', `${search} HTTP/1.1\r\n${lines.join('')}`))
}

noStrays()
