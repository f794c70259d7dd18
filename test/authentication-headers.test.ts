import fastifyJwt from '@fastify/jwt'
import t from 'tap'
import { createApp } from './helpers/app.js'
import { INVALID_TOKEN, join, open, refusalOf, status } from './helpers/client.js'
import { watchForStrays } from './helpers/strays.js'

const noStrays = watchForStrays(t)

t.test('the token of the first message is the one that is checked, also where a hook has given the request headers with a bearer of its own', async t => {
  let bearer = ''
  const room = await createApp(t, {
    setup: app => { app.addHook('onRequest', async request => { request.headers = { ...request.headers, authorization: `Bearer ${bearer}` } }) }
  })
  bearer = room.token({ sub: 'gateway' })
  t.strictSame(await refusalOf(t, room.url, { token: 'nonsense' }), INVALID_TOKEN)
  await join(t, room.url, room.token({ sub: 'jeanne' }))
})

t.test('whose a socket is says its token, and no header that a hook of the application has set', async t => {
  const users: unknown[] = []
  const room = await createApp(t, {
    route: { onJoin: ({ connection }) => { users.push(connection.userId) } },
    setup: app => { app.addHook('onRequest', async request => { request.headers = { ...request.headers, 'x-tenant': 'cdr' } }) }
  })
  const client = await open(t, room.url, { headers: { authorization: `Bearer ${room.token({ sub: 'gateway' })}` } })
  client.send({ token: room.token({ sub: 'jeanne' }) })
  t.match(await client.next(), status('connected'))
  t.strictSame(users, ['jeanne'])
})

t.test('a new token is the one that is checked, whatever headers a hook has given the request', async t => {
  const room = await createApp(t, {
    setup: app => { app.addHook('onRequest', async request => { request.headers = { ...request.headers, 'x-tenant': 'cdr' } }) }
  })
  const client = await open(t, room.url, { headers: { authorization: `Bearer ${room.token({ sub: 'jeanne' })}` } })
  client.send({ token: room.token({ sub: 'jeanne' }) })
  await client.next()
  client.send({ token: 'nonsense', id: 1 })
  t.strictSame(await client.next(), status('invalid_token'))
})

t.test('a cookie lets nobody in whose first message has no good token, however `onlyCookie` is said to be true', async t => {
  for (const onlyCookie of [true, 1, 'true']) {
    const room = await createApp(t, {
      jwt: { cookie: { cookieName: 'token', signed: false }, verify: { algorithms: ['HS256'], onlyCookie } },
      setup: app => {
        app.decorateRequest<object | null, string>('cookies', null)
        app.addHook('onRequest', async request => { Object.assign(request, { cookies: { token: app.jwt.sign({ sub: 'mallory' }) } }) })
      }
    })
    t.strictSame(await refusalOf(t, room.url, { token: 'nonsense' }), INVALID_TOKEN, `${onlyCookie}`)
  }
})

t.test('what is found elsewhere lets nobody in, also where the options have been changed since', async t => {
  let good = ''
  const room = await createApp(t, {
    jwt: { verify: { algorithms: ['HS256'], extractToken: () => good } },
    setup: app => {
      good = app.jwt.sign({ sub: 'mallory' })
      Reflect.deleteProperty(app.jwt.options.verify, 'extractToken')
    }
  })
  t.strictSame(await refusalOf(t, room.url, { token: 'nonsense' }), INVALID_TOKEN)
  await join(t, room.url, room.token({ sub: 'jeanne' }))
})

t.test('what a namespace of @fastify/jwt finds elsewhere lets nobody in, where its check has taken the place of the other', async t => {
  let good = ''
  const room = await createApp(t, {
    setup: async app => {
      await app.register(async child => {
        await child.register(fastifyJwt, {
          namespace: 'admin', jwtVerify: 'jwtVerify', secret: 'another one, as long as it should be', verify: { algorithms: ['HS256'], extractToken: () => good }
        })
        good = (child.jwt as unknown as { admin: typeof app.jwt }).admin.sign({ sub: 'mallory' })
        child.get('/child', { websocket: true }, app.manageWebsocket('child'))
      })
    }
  })
  t.strictSame(await refusalOf(t, new URL('/child', room.url).href, { token: 'nonsense' }), INVALID_TOKEN)
})

t.test('what is found elsewhere lets nobody in either, by whatever name @fastify/jwt is registered', async t => {
  let good = ''
  const room = await createApp(t, {
    jwt: { namespace: 'options', jwtVerify: 'jwtVerify', verify: { algorithms: ['HS256'], extractToken: () => good } },
    setup: app => { good = (app.jwt as unknown as { options: typeof app.jwt }).options.sign({ sub: 'mallory' }) }
  })
  t.strictSame(await refusalOf(t, room.url, { token: 'nonsense' }), INVALID_TOKEN)
  await join(t, room.url, good)
})

noStrays()
