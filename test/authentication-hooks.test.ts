import t from 'tap'
import type { Test } from 'tap'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fastifyAuth from '@fastify/auth'
import type { AuthenticateHook, RoomRouteOptions } from '../index.js'
import { createApp, until } from './helpers/app.js'
import type { Settings, TestApp } from './helpers/app.js'
import { INVALID_TOKEN, join, open, refusalOf, status } from './helpers/client.js'
import type { Ending } from './helpers/client.js'
import { watchForStrays } from './helpers/strays.js'
import { handmadeToken } from './helpers/token.js'

const noStrays = watchForStrays(t)

const FORBIDDEN: Ending = { frames: [status('forbidden')], code: 4403, reason: '' }
const RATE_LIMITED: Ending = { frames: [status('rate_limited')], code: 4429, reason: '' }
const UNAVAILABLE: Ending = { frames: [status('unavailable')], code: 1011, reason: '' }

type Done = (error?: Error) => void
type Request = FastifyRequest & { user: unknown, tenant?: string }

/** A room whose route has this hook, and what a client with a token sees there. */
async function roomWith (t: Test, authenticate: unknown, { route, ...settings }: Settings = {}): Promise<TestApp> {
  return await createApp(t, { ...settings, route: { ...route, authenticate: authenticate as AuthenticateHook } })
}

async function refusalBy (t: Test, authenticate: unknown): Promise<Ending> {
  const { url } = await roomWith(t, authenticate)
  return await refusalOf(t, url, { token: 'anything' })
}

t.test('the hook of the @fastify/jwt documentation lets in who is good, and refuses who is not', async t => {
  const { url, token } = await roomWith(t, async (request: FastifyRequest, reply: FastifyReply) => {
    try {
      await request.jwtVerify()
    } catch (err) {
      reply.send(err)
    }
  })
  await t.resolves(join(t, url, token()))
  t.strictSame(await refusalOf(t, url, { token: 'nonsense' }), INVALID_TOKEN)
  t.strictSame(await refusalOf(t, url, { token: token({ sub: 'x', exp: 1 }) }), INVALID_TOKEN)
})

t.test('a chain of @fastify/auth decides as it does for requests', async t => {
  const verify = async (request: FastifyRequest): Promise<void> => { await request.jwtVerify() }
  const isJeanne = (request: FastifyRequest, _reply: FastifyReply, done: Done): void => {
    const { sub } = request.server.jwt.decode((request.headers.authorization ?? '').slice(7)) as { sub: string }
    done(sub === 'jeanne' ? undefined : new Error('not Jeanne'))
  }
  const isAllowed = (request: FastifyRequest, _reply: FastifyReply, done: Done): void => {
    done((request.user as { sub: string }).sub === 'blocked' ? Object.assign(new Error('blocked'), { statusCode: 403 }) : undefined)
  }
  const room = await createApp(t, {
    async setup (app) {
      await app.register(fastifyAuth)
      for (const [path, hook] of Object.entries({
        or: app.auth([isJeanne, verify]),
        and: app.auth([verify, isAllowed, isJeanne], { relation: 'and' }),
        nested: app.auth([[verify, isAllowed], isJeanne], { run: 'all' })
      })) {
        app.get(`/${path}`, { websocket: true }, app.manageWebsocket('cdr', { authenticate: hook as AuthenticateHook }))
      }
    }
  })
  const at = (path: string): string => room.url.replace('/cdr/users/ws', path)
  const stolen = handmadeToken({ alg: 'HS256' }, { sub: 'jeanne' }, 'another secret')

  await t.resolves(join(t, at('/or'), room.token({ sub: 'paul' })))
  await t.resolves(join(t, at('/or'), stolen), 'one of them is satisfied')
  t.strictSame(await refusalOf(t, at('/or'), { token: handmadeToken({ alg: 'HS256' }, { sub: 'paul' }, 'x') }), INVALID_TOKEN)

  await t.resolves(join(t, at('/and'), room.token()))
  t.strictSame(await refusalOf(t, at('/and'), { token: stolen }), INVALID_TOKEN)
  t.strictSame(await refusalOf(t, at('/and'), { token: room.token({ sub: 'paul' }) }), INVALID_TOKEN, 'an error without a status')
  t.strictSame(await refusalOf(t, at('/and'), { token: room.token({ sub: 'blocked' }) }), FORBIDDEN)

  await t.resolves(join(t, at('/nested'), room.token({ sub: 'paul' })))
  t.strictSame(await refusalOf(t, at('/nested'), { token: handmadeToken({ alg: 'HS256' }, { sub: 'x' }, 'x') }), INVALID_TOKEN)
})

const refuses: Array<[how: string, hook: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>, ending: Ending]> = [
  ['reply.code(401).send()', async (_request, reply) => reply.code(401).send({ error: 'who are you?' }), INVALID_TOKEN],
  ['reply.code(400).send()', async (_request, reply) => { reply.code(400).send() }, INVALID_TOKEN],
  ['reply.code(403).send()', async (_request, reply) => { await reply.code(403).send() }, FORBIDDEN],
  ['reply.status(403).send()', async (_request, reply) => { reply.status(403).send('no'); return reply }, FORBIDDEN],
  ['reply.statusCode = 403', async (_request, reply) => { reply.statusCode = 403; reply.send() }, FORBIDDEN],
  ['reply.code(429).send()', async (_request, reply) => { reply.code(429).header('retry-after', 5).send() }, RATE_LIMITED],
  ['reply.send(), with no error and status 200', async (_request, reply) => { reply.send({ ok: true }) }, INVALID_TOKEN],
  ['reply.send(error) with a status of its own', async (_request, reply) => { reply.code(401).send(Object.assign(new Error('no'), { statusCode: 403 })) }, FORBIDDEN],
  ['reply.code(403).send(error)', async (_request, reply) => { reply.code(403).send(new Error('no')) }, FORBIDDEN],
  ['reply.code(403), then an error', async (_request, reply) => { reply.code(403); throw new Error('no') }, FORBIDDEN],
  ['reply.redirect()', async (_request, reply) => { reply.redirect('/login') }, INVALID_TOKEN],
  ['reply.callNotFound()', async (_request, reply) => { reply.callNotFound() }, INVALID_TOKEN],
  ['reply.hijack()', async (_request, reply) => { reply.hijack() }, INVALID_TOKEN],
  ['reply.raw.writeHead(401).end(), which needs no hijack() in Fastify either', async (_request, reply) => { reply.raw.writeHead(401).write('n'); reply.raw.end('o') }, INVALID_TOKEN],
  ['reply.raw.end() with status 403', async (_request, reply) => { reply.raw.statusCode = 403; reply.raw.end() }, FORBIDDEN],
  ['a reply in a later turn', async (_request, reply) => { await new Promise(resolve => setImmediate(resolve)); reply.code(401).send() }, INVALID_TOKEN],
  ['nothing that it threw', async () => { throw undefined }, INVALID_TOKEN], // eslint-disable-line no-throw-literal
  ['an error of status 400', () => fail({ statusCode: 400 }), INVALID_TOKEN],
  ['an error of status 401', () => fail({ statusCode: 401 }), INVALID_TOKEN],
  ['an error of status 403', () => fail({ statusCode: 403 }), FORBIDDEN],
  ['an error of status 429', () => fail({ statusCode: 429 }), RATE_LIMITED],
  ['an error whose `status` is 401', () => fail({ status: 401 }), INVALID_TOKEN],
  ['an error whose `status` is 403', () => fail({ status: 403 }), FORBIDDEN],
  ['something that is no error, with a status', async () => { throw { statusCode: 401 } }, INVALID_TOKEN] // eslint-disable-line no-throw-literal
]

async function fail (properties: object): Promise<never> {
  throw Object.assign(new Error('no'), properties)
}

for (const [how, hook, ending] of refuses) {
  t.test(`a hook refuses with ${how}`, async t => {
    t.strictSame(await refusalBy(t, hook), ending)
  })
}

t.test('a hook may refuse with a reply decorator of the application, and ask whether it has replied', async t => {
  const sent: boolean[] = []
  const { url } = await roomWith(t, async (_request: FastifyRequest, reply: FastifyReply & { unauthorized (why: string): FastifyReply }) => {
    sent.push(reply.sent, reply.raw.writableEnded)
    await reply.unauthorized('because')
    sent.push(reply.sent, reply.raw.writableEnded)
  }, {
    setup (app) {
      app.decorateReply('unauthorized', function (this: FastifyReply, why: string) {
        return this.code(403).header('x-why', why).send({ why })
      })
    }
  })
  t.strictSame(await refusalOf(t, url, { token: 'x' }), FORBIDDEN)
  t.strictSame(sent, [false, false, true, true])
})

const outages: Array<[what: string, hook: unknown, logged: object]> = [
  ['an error without a status', async () => { throw new Error('connect ECONNREFUSED') }, { message: 'connect ECONNREFUSED' }],
  ['an error of status 500', () => fail({ statusCode: 500 }), { message: 'no' }],
  ['an error of status 503', () => fail({ statusCode: 503 }), { message: 'no' }],
  ['reply.code(500).send(error)', async (_request: unknown, reply: FastifyReply) => { reply.code(500).send(new Error('no')) }, { code: 'FST_ROOMS_UNAUTHENTICATED' }],
  ['reply.code(503).send()', async (_request: unknown, reply: FastifyReply) => { reply.code(503).send() }, { code: 'FST_ROOMS_UNAUTHENTICATED' }],
  ['a string', async () => { throw 'down' }, { message: 'A hook threw something that is no error.' }], // eslint-disable-line no-throw-literal
  ['null', async () => { throw null }, { message: 'A hook threw something that is no error.' }], // eslint-disable-line no-throw-literal
  ['an error that cannot be asked for its status', async () => { throw unaskable() }, { message: 'unaskable' }],
  ['an error that cannot be asked for its status, in the first turn', () => { throw unaskable() }, { message: 'unaskable' }],
  ['an error that cannot be asked for its status, given to done', (_request: unknown, _reply: unknown, done: Done) => done(unaskable()), { message: 'unaskable' }],
  ['reply.send(error) with one that cannot be asked for its status', async (_request: unknown, reply: FastifyReply) => { reply.send(unaskable()) }, { message: 'unaskable' }],
  ['an error in the first turn', () => { throw new Error('at once') }, { message: 'at once' }],
  ['an error given to done', (_request: unknown, _reply: unknown, done: Done) => done(new Error('done')), { message: 'done' }]
]

function unaskable (): Error {
  const error = new Error('unaskable')
  for (const name of ['statusCode', 'status']) {
    Object.defineProperty(error, name, { get () { throw new Error('do not ask') } })
  }
  return error
}

for (const [what, hook, logged] of outages) {
  t.test(`a hook that fails with ${what} is a fault on our side: 1011, logged and reported`, async t => {
    const reported: Error[] = []
    const { url, logs } = await roomWith(t, hook, { route: { onError: ({ error, room, connection }) => { reported.push(error); t.equal(room, undefined); t.ok(connection?.id) } } })
    t.strictSame(await refusalOf(t, url, { token: 'anything' }), UNAVAILABLE)
    t.match(logs.filter(({ msg }) => msg === 'socket could not be served'), [{ level: 50, err: logged }])
    t.equal(reported.length, 1)
    t.ok(reported[0] instanceof Error)
  })
}

t.test('keys that cannot be fetched are a fault on our side, not a bad token', async t => {
  for (const error of [new Error('connect ECONNREFUSED'), Object.assign(new Error('JWKS'), { statusCode: 503 })]) {
    const room = await createApp(t, { jwt: { secret: { private: 'x', public: async () => { throw error } } } })
    t.strictSame(await refusalOf(t, room.url, { token: handmadeToken({ alg: 'HS256' }, { sub: 'x' }) }), UNAVAILABLE)
    t.match(room.logs.filter(({ msg }) => msg === 'socket could not be served'), [{ level: 50, err: { message: error.message } }])
  }
})

t.test('a hook of three arguments decides with done', async t => {
  const room = await roomWith(t, function (this: FastifyInstance, request: Request, _reply: FastifyReply, done: (error?: unknown) => void) {
    const token = (request.headers.authorization ?? '').replace('Bearer ', '')
    setImmediate(() => done(token === 'good' ? undefined : token === 'null' ? null : Object.assign(new Error('no'), { statusCode: 401 })))
  })
  await t.resolves(join(t, room.url, 'good'))
  await t.resolves(join(t, room.url, 'null'))
  t.strictSame(await refusalOf(t, room.url, { token: 'bad' }), INVALID_TOKEN)
})

t.test('a hook that returns at once and takes no done has decided nothing: fails closed, and the log says why', async t => {
  const room = await roomWith(t, (request: Request) => { request.user = { sub: 'anybody' } })
  t.strictSame(await refusalOf(t, room.url, { token: 'x' }), UNAVAILABLE)
  t.match(room.logs.filter(({ level }) => level === 50), [{ err: { code: 'FST_ROOMS_SYNC_HOOK' } }])
})

t.test('a hook that never settles ends with 1011 when the time is over', async t => {
  for (const hook of [() => new Promise(() => {}), (_request: unknown, _reply: unknown, _done: unknown) => {}]) {
    const room = await roomWith(t, hook, { rooms: { authTimeout: 500 } })
    t.strictSame(await refusalOf(t, room.url, { token: 'x' }), UNAVAILABLE)
    t.match(room.logs.filter(({ level }) => level === 50), [{ err: { code: 'FST_ROOMS_HOOK_TIMEOUT', message: /500 ms/ } }])
    t.match(room.app.ws.stats(), { waiting: 0 })
  }
})

t.test('a hook is called as Fastify calls hooks, with the token as a bearer', async t => {
  const seen: unknown[] = []
  const room = await roomWith(t, async function (this: FastifyInstance, request: FastifyRequest, reply: FastifyReply) {
    seen.push(this === room.app, request.headers.authorization, request.raw.headers.authorization, request.url, request.headers.host, request.ip, reply.statusCode)
  })
  await join(t, room.url, 'the token')
  t.strictSame(seen, [true, 'Bearer the token', 'Bearer the token', '/cdr/users/ws', new URL(room.url).host, '127.0.0.1', 200])
})

t.test('the token of the first message counts, whatever headers the upgrade had, or a hook of the application has set', async t => {
  const seen: unknown[] = []
  const room = await createApp(t, {
    setup (app) {
      app.addHook('onRequest', async request => { request.headers = { ...request.headers, 'x-tenant': 'cdr' } })
      app.get('/hook', { websocket: true }, app.manageWebsocket('cdr', {
        async authenticate (request: FastifyRequest, reply: FastifyReply) {
          seen.push(request.headers.authorization, request.raw.headers.authorization, request.headers['x-tenant'])
          seen.push(reply.request.headers.authorization, reply.request === request)
          await request.jwtVerify()
        },
        authorize: ({ request }) => { seen.push(request.headers.authorization, request.headers['x-tenant']); return true }
      }))
    }
  })
  const hook = room.url.replace('/cdr/users/ws', '/hook')
  const upgrade = { headers: { authorization: `Bearer ${room.token({ sub: 'upgrade' })}` } }
  for (const url of [room.url, hook]) {
    const client = await open(t, url, upgrade)
    client.send({ token: handmadeToken({ alg: 'HS256' }, { sub: 'x' }, 'another secret') })
    t.equal((await client.closed).code, 4401, 'a good header is no good for a bad token')
  }
  seen.length = 0
  const token = room.token()
  for (const url of [room.url, hook]) {
    const client = await open(t, url, upgrade)
    client.send({ token })
    t.match(await client.next(), { data: { status: 'connected' } })
  }
  t.strictSame(seen, [`Bearer ${token}`, `Bearer ${token}`, 'cdr', `Bearer ${token}`, true, upgrade.headers.authorization, 'cdr'])
})

t.test('what a hook leaves on the request is there for the other hooks, once it has accepted', async t => {
  const requests: Request[] = []
  const seen: unknown[] = []
  const room = await roomWith(t, async (request: Request) => {
    request.user = { sub: 'jeanne' }
    request.tenant = 'cdr'
    if (request.headers.authorization === 'Bearer bad') await fail({ statusCode: 401 })
  }, {
    setup (app) { app.addHook('preHandler', async request => { requests.push(request as Request) }) },
    route: {
      authorize: ({ user, request }) => { seen.push(user, (request as Request).tenant, request.user, request.headers.authorization); return true },
      onJoin: ({ request }) => { seen.push(request.user) }
    }
  })
  requests.length = 0
  await refusalOf(t, room.url, { token: 'bad' })
  await join(t, room.url, 'good')
  await until(() => seen.length === 5)
  t.strictSame(seen, [{ sub: 'jeanne' }, 'cdr', { sub: 'jeanne' }, undefined, { sub: 'jeanne' }])
})

t.test('nothing stays on the request of a refused attempt, and the default hook sets the user of a good one', async t => {
  const requests: Request[] = []
  const room = await createApp(t, {
    setup (app) {
      app.get('/watched', { websocket: true, onRequest: async request => { requests.push(request as Request) } }, app.manageWebsocket('cdr'))
      app.get('/careless', { websocket: true, onRequest: async request => { requests.push(request as Request) } }, app.manageWebsocket('cdr', {
        async authenticate (request: FastifyRequest) {
          request.user = { sub: 'nobody' };
          (request as Request).tenant = 'x'
          await fail({ statusCode: 401 })
        }
      }))
    }
  })
  await refusalOf(t, room.url.replace('/cdr/users/ws', '/watched'), { token: 'bad' })
  await join(t, room.url.replace('/cdr/users/ws', '/watched'), room.token())
  await refusalOf(t, room.url.replace('/cdr/users/ws', '/careless'), { token: 'bad' })
  t.match(requests.map(({ user }) => user), [null, { sub: 'jeanne' }, null])
  t.notOk(requests.some(request => 'tenant' in request))
})

t.test('a hook that leaves no user lets in somebody without a name', async t => {
  const seen: unknown[] = []
  const room = await roomWith(t, async () => {}, { route: { onJoin: ({ connection }) => { seen.push(connection.user, connection.userId) } } })
  await join(t, room.url, 'x')
  t.strictSame(seen, [null, undefined])
})

t.test('the user is called by `sub`, else by `id`, or as the application says', async t => {
  const cases: Array<[claims: object, userId: RoomRouteOptions['userId'], name: string | undefined]> = [
    [{ sub: 'jeanne', id: 5 }, undefined, 'jeanne'],
    [{ id: 5 }, undefined, '5'],
    [{ email: 'x' }, undefined, undefined],
    [{ sub: 'jeanne', email: 'j@x.fr' }, user => (user as { email: string }).email, 'j@x.fr'],
    [{ sub: 'jeanne', number: 0 }, user => (user as { number: number }).number, '0'],
    [{ sub: 'jeanne' }, (async (user: { sub: string }) => user.sub.toUpperCase()) as never, 'JEANNE'],
    [{ sub: 'jeanne' }, () => undefined, undefined]
  ]
  for (const [claims, userId, name] of cases) {
    const names: unknown[] = []
    const room = await createApp(t, { route: { ...(userId && { userId }), onJoin: ({ connection }) => { names.push(connection.userId) } } })
    await join(t, room.url, room.token(claims))
    t.strictSame(names, [name])
  }
})

t.test('a user who cannot be named, because `userId` fails, is a fault on our side', async t => {
  for (const userId of [() => { throw new Error('no name') }, async () => { throw new Error('no name') }]) {
    const room = await createApp(t, { rooms: { userId: userId as never } })
    t.strictSame(await refusalOf(t, room.url, { token: room.token() }), UNAVAILABLE)
    t.match(room.logs.filter(({ level }) => level === 50), [{ err: { message: 'no name' } }])
    await t.rejects(open(t, room.url.replace('/ws', '/nowhere')))
  }
})

t.test('where @fastify/jwt names the user otherwise, the user is still known', async t => {
  const seen: unknown[] = []
  const room = await createApp(t, { jwt: { decoratorName: 'account' }, route: { onJoin: ({ connection }) => { seen.push(connection.userId) } } })
  await join(t, room.url, room.token())
  t.strictSame(seen, ['jeanne'])
})

noStrays()
