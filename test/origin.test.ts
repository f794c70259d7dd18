import t from 'tap'
import fastifyCookie from '@fastify/cookie'
import type { Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import type { Origins, RoomsOptions } from '../index.js'
import { answerTo } from './helpers/answer.js'
import { buildApp, createApp } from './helpers/app.js'
import type { Settings, TestApp } from './helpers/app.js'
import { launchBrowser } from './helpers/chromium.js'
import { open } from './helpers/client.js'
import { Gate } from './helpers/gate.js'
import { sendRaw, upgradeRequest } from './helpers/raw.js'
import { watchForStrays } from './helpers/strays.js'

const noStrays = watchForStrays(t)

const FOREIGN = {
  status: 403,
  headers: { connection: 'close', 'content-type': 'application/json; charset=utf-8' },
  body: { statusCode: 403, code: 'FST_ROOMS_ORIGIN', error: 'Forbidden' }
}

async function isLetIn (t: Test, { url }: Pick<TestApp, 'url'>, origin: string): Promise<void> {
  await t.resolves(open(t, url, { headers: { origin } }), origin)
}

async function isRefused (t: Test, { url }: Pick<TestApp, 'url'>, origin: string): Promise<void> {
  t.match(await answerTo(t, url, { headers: { origin } }), FOREIGN, origin)
}

t.test('without `origins`, pages from anywhere may open a socket', async t => {
  const running = await createApp(t)
  await isLetIn(t, running, 'https://anywhere.example')
  await isLetIn(t, running, 'null')
})

t.test('an origin of the list is let pass, and nothing that only looks like one', async t => {
  const running = await createApp(t, { rooms: { origins: ['https://a.example', 'http://localhost:3000', 'capacitor://localhost'] } })
  for (const origin of ['https://a.example', 'http://localhost:3000', 'capacitor://localhost']) await isLetIn(t, running, origin)
  const foreign = [
    'https://a.example.', 'https://a.example:443', 'https://a.example:8443', 'http://a.example', 'https://a.example/', 'HTTPS://A.EXAMPLE',
    'https://b.a.example', 'https://a.example.attacker.example', 'https://attacker.example?https://a.example', 'https://a.example, https://a.example',
    'http://localhost', 'null', '', '*', 'a.example', 'https://'
  ]
  for (const origin of foreign) await isRefused(t, running, origin)
  t.equal(running.app.ws.stats().refused.origin, foreign.length)
  await t.resolves(open(t, running.url), 'what sends no origin is no browser')
  t.match(running.logs.find(({ msg }) => msg === 'upgrade refused'), { reason: 'origin', origin: 'https://a.example.', ip: '127.0.0.1' })
})

t.test('the Host of the request has no part in it', async t => {
  const running = await createApp(t, { rooms: { origins: ['https://a.example'] } })
  t.match(await answerTo(t, running.url, { headers: { origin: 'https://attacker.example', host: 'attacker.example' } }), FOREIGN)
  await t.resolves(open(t, running.url, { headers: { origin: 'https://a.example', host: 'attacker.example' } }))
})

t.test('a RegExp must match the whole of an origin', async t => {
  const running = await createApp(t, { rooms: { origins: [/https:\/\/[a-z]+\.example|https:\/\/[a-z]+\.example:8443/, /https:\/\/SHOP\.test/i] } })
  for (const origin of ['https://a.example', 'https://b.example:8443', 'https://a.example', 'https://shop.test']) await isLetIn(t, running, origin)
  const foreign = ['https://a.example.attacker.test', 'https://attacker.test/https://a.example', 'http://https://a.example', 'https://a.example:844', 'https://shop.test.', `https://${'a'.repeat(600)}.example`]
  for (const origin of foreign) await isRefused(t, running, origin)
})

t.test('`null`, the origin of what has none, is one like any other', async t => {
  const running = await createApp(t, { rooms: { origins: ['null'] } })
  await isLetIn(t, running, 'null')
  await isRefused(t, running, 'https://a.example')
})

t.test('an empty list lets no page pass', async t => {
  const running = await createApp(t, { rooms: { origins: [] } })
  await isRefused(t, running, 'https://a.example')
  await t.resolves(open(t, running.url))
})

t.test("a route's own origins take the place of the plugin's", async t => {
  const running = await createApp(t, {
    rooms: { origins: ['https://a.example'] },
    setup: app => { app.get('/b', { websocket: true }, app.manageWebsocket('b', { origins: ['https://b.example'] })) }
  })
  const b = { url: running.url.replace('/cdr/users/ws', '/b') }
  await isLetIn(t, running, 'https://a.example')
  await isRefused(t, running, 'https://b.example')
  await isLetIn(t, b, 'https://b.example')
  await isRefused(t, b, 'https://a.example')
})

t.test('a function that throws refuses, whatever it throws', async t => {
  for (const thrown of [undefined, null, 0, '', 'a detail', new Error('a detail')]) {
    for (const origins of [() => { throw thrown }, async () => { throw thrown }] as Origins[]) {
      const running = await createApp(t, { rooms: { origins } })
      const { status, body } = await answerTo(t, running.url, { headers: { origin: 'https://a.example' } })
      t.equal(status, 500, String(thrown))
      if (thrown === 'a detail') t.notMatch(JSON.stringify(body), /a detail/)
      t.equal(running.app.ws.stats().connections, 0)
    }
  }
})

t.test('a function decides by returning `true`, and nothing else', async t => {
  t.test('at once or later, and sees the request', async t => {
    const seen: unknown[] = []
    const allowed = new Map<string, unknown>([['https://a.example', true], ['https://b.example', 'yes'], ['https://c.example', 1]])
    const origins: Origins = (origin, request) => {
      seen.push([origin, request.url])
      return allowed.get(origin) as boolean
    }
    for (const given of [origins, async (...args: Parameters<typeof origins>) => await origins(...args)] as Origins[]) {
      const running = await createApp(t, { rooms: { origins: given } })
      await isLetIn(t, running, 'https://a.example')
      await isRefused(t, running, 'https://b.example')
      await isRefused(t, running, 'https://c.example')
      await isRefused(t, running, 'https://d.example')
      await open(t, running.url)
    }
    t.equal(seen.length, 8, 'it is not asked where there is no origin')
    t.strictSame(seen[0], ['https://a.example', '/cdr/users/ws'])
  })

  t.test('and by failing refuses, with what the error says', async t => {
    const fail = (): never => { throw Object.assign(new Error('away'), { statusCode: 502 }) }
    for (const given of [fail, async () => fail()]) {
      const { url } = await createApp(t, { rooms: { origins: given } })
      t.match(await answerTo(t, url, { origin: 'https://a.example' }), { status: 502 })
    }
  })

  t.test('for whose answer a client need not wait', async t => {
    const gate = new Gate()
    let hooks = 0
    const { app, url } = await createApp(t, {
      rooms: { authTimeout: 100, maxConnections: 1, origins: async () => { await gate.pass(); return true } },
      setup: app => { app.addHook('onRequest', async () => { hooks++ }) }
    })
    const raw = sendRaw(t, url, Buffer.from(upgradeRequest(url).toString().replace('Host', 'Origin: https://a.example\r\nHost')))
    await gate.reached
    await raw.closed // after authTimeout
    gate.open()
    await app.inject('/') // whatever was waiting has had its turn
    t.equal(hooks, 1, 'no hook runs for it')
    await t.resolves(open(t, url), 'and it takes up no place')
  })
})

t.test('what cannot be an origin is found at boot', async t => {
  const NOT_ONE = /must be an origin as browsers send it, such as 'https:\/\/a\.example'/
  const wrong: unknown[] = [
    'https://a.example/', 'https://a.example/path', 'a.example', 'https://A.example', 'HTTPS://a.example', 'https://a.example:443', 'http://a.example:80',
    'https://*.a.example', '*', '', 'https://', '//a.example', 'https://user@a.example', 'https://a.example?x', 'https://a.example#x', 'https://a b', ' https://a.example', 'https://a.example:x', 7, null, {}
  ]
  for (const origin of wrong) {
    await t.rejects(buildApp({ rooms: { origins: ['https://b.example', origin] } as never }), { code: 'FST_ROOMS_INVALID_OPTION', message: NOT_ONE }, String(origin))
    await t.rejects(buildApp({ rooms: { origins: ['https://b.example', origin] } as never }), { message: /option 'origins\.1' must be/ })
  }
  for (const flags of ['g', 'y', 'gi']) {
    await t.rejects(buildApp({ route: { origins: [new RegExp('https://a', flags)] } }), { code: 'FST_ROOMS_INVALID_OPTION', message: /option 'origins\.0' must not have the flags g or y/ })
  }
  await t.rejects(buildApp({ rooms: { origins: 'https://a.example' as never } }), { message: "fastify-rooms: option 'origins' must be an array of origins, or a function of one" })
})

t.test('a page of another origin is refused in a browser, and one of ours is not', async t => {
  const ours = await createApp(t, { setup: app => { app.get('/page', async (_request, reply) => await reply.type('text/html').send('<!doctype html>')) } })
  const others = await createApp(t, { setup: app => { app.get('/page', async (_request, reply) => await reply.type('text/html').send('<!doctype html>')) } })
  const { url } = await createApp(t, { rooms: { origins: [ours.http] } })
  const tab = await (await launchBrowser(t)).newPage()
  const attempt = `new Promise(resolve => {
    const socket = new WebSocket('${url}')
    socket.onopen = () => resolve('opened')
    socket.onclose = ({ code }) => resolve(code)
  })`
  await tab.goto(`${ours.http}/page`)
  t.equal(await tab.evaluate(attempt), 'opened')
  await tab.goto(`${others.http}/page`)
  t.equal(await tab.evaluate(attempt), 1006)
})

/** Has a route whose users come with the upgrade. @param given for that route */
function upgradeRoute (origins: RoomsOptions['origins'], more: (app: FastifyInstance) => void | Promise<void> = () => {}): Exclude<Settings['setup'], undefined> {
  return async app => {
    await more(app)
    app.get('/upgrade', { websocket: true }, app.manageWebsocket('cdr', { authenticate: 'upgrade', origins }))
  }
}

const withCookies = async (app: FastifyInstance): Promise<void> => { await app.register(fastifyCookie) }

t.test('where the user comes with the upgrade, and the application has cookies, it must say whose pages may open a socket', async t => {
  const COOKIES: Array<[what: string, settings: Settings, more: (app: FastifyInstance) => void | Promise<void>]> = [
    ['@fastify/cookie', {}, withCookies],
    ['a session', {}, app => { app.decorateRequest('session', null as never) }],
    ['@fastify/jwt with `cookie`', { jwt: { cookie: { cookieName: 'token', signed: false } } }, () => {}],
    ['@fastify/jwt with `cookie` and a namespace', { jwt: { namespace: 'web', cookie: { cookieName: 'token', signed: false } } }, app => { app.decorateRequest('jwtVerify', async () => {}) }]
  ]
  for (const [what, settings, more] of COOKIES) {
    // A registration with a namespace is no good for the route of the helper.
    const route = { authenticate: false } as const
    const without = await buildApp({ ...settings, route, setup: upgradeRoute(undefined, more) })
    await t.rejects(async () => { await without.app.ready() }, { code: 'FST_ROOMS_NO_ORIGINS', message: /^The route '\/upgrade' wants/ }, what)
    await without.app.close()
    for (const built of [
      await buildApp({ ...settings, route, setup: upgradeRoute(['https://a.example'], more) }),
      await buildApp({ ...settings, route, rooms: { origins: [] }, setup: upgradeRoute(undefined, more) })
    ]) {
      await t.resolves(async () => { await built.app.ready() }, what)
      await built.app.close()
    }
  }
  const first = await buildApp({ setup: withCookies })
  await t.resolves(async () => { await first.app.ready() }, 'a token in the first message comes from no cookie')
  await first.app.close()
})

t.test('there, who brings a cookie must say which page is asking: browsers always do', async t => {
  const running = await createApp(t, { setup: upgradeRoute(['https://a.example'], withCookies) })
  const url = running.url.replace('/cdr/users/ws', '/upgrade')
  const authorization = `Bearer ${running.token()}`
  t.match(await answerTo(t, url, { headers: { cookie: 'a=b', authorization } }), FOREIGN)
  t.match(await answerTo(t, url, { headers: { cookie: 'a=b', authorization, origin: 'https://b.example' } }), FOREIGN)
  await t.resolves(open(t, url, { headers: { cookie: 'a=b', authorization, origin: 'https://a.example' } }))
  await t.resolves(open(t, url, { headers: { authorization } }))

  const without = await createApp(t, { setup: upgradeRoute(['https://a.example']) })
  await t.resolves(open(t, without.url.replace('/cdr/users/ws', '/upgrade'), {
    headers: { cookie: 'balancer=7', authorization: `Bearer ${without.token()}` }
  }), 'elsewhere, a cookie is none of our business')
})

t.test('an application that fails when it is asked how it is, after it was asked about an origin, fails that upgrade and no more', async t => {
  for (const origins of [() => true, async () => true]) {
    const { url } = await createApp(t, { rooms: { origins }, setup: app => { app.decorate('isUnderPressure', (() => { throw new Error('cannot tell') }) as never) } })
    t.match(await answerTo(t, url, { headers: { origin: 'https://a.example' } }), { status: 500 })
  }
})

noStrays()
