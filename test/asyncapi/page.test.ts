import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fastifySwagger from '@fastify/swagger'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { parse } from 'yaml'
import fastifyRoomsAsyncapi from '../../asyncapi/index.js'
import { loadYaml } from '../../asyncapi/peers.js'
import fastifyRooms from '../../index.js'
import { launchBrowser } from '../helpers/chromium.js'
import { describe, describeStands, INFO } from './app.js'

t.test('the page shows channels, operations and schemas, and loads nothing from elsewhere', async t => {
  const app = await describeStands(t, { asyncapi: { info: INFO, servers: { production: { host: 'stands.example.com', protocol: 'wss' } } } })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const origin = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
  const browser = await launchBrowser(t)
  for (const path of ['/asyncapi', '/asyncapi/']) {
    const page = await browser.newPage({ viewport: { width: 1_700, height: 1_300 } })
    const [faults, requests]: [string[], string[]] = [[], []]
    page.on('pageerror', error => faults.push(error.message))
    page.on('console', message => { if (message.type() === 'error') faults.push(message.text()) })
    page.on('request', request => requests.push(request.url()))
    await page.goto(origin + path)
    await page.getByRole('heading', { name: 'Stands 1.0.0' }).waitFor()
    for (const text of ['/stands/{standId}/ws', '/cdr/ws', 'CALL_NEXT', 'UPDATE_USER', 'wss://stands.example.com', 'stand.standId.UPDATE_USER', '4419', 'not sent in a header']) {
      await page.getByText(text).first().waitFor()
    }
    t.strictSame(faults, [], 'nothing fails, and nothing meets the content security policy')
    t.strictSame(requests.filter(url => !url.startsWith(origin) && url !== 'data:,'), [])
    await page.close()
  }
})

t.test('a document that cannot be loaded is said to be so', async t => {
  let refused = false
  const app = await describeStands(t, { uiHooks: { onRequest: async request => { if (refused && request.url.endsWith('/json')) throw Object.assign(new Error('no'), { statusCode: 403 }) } } })
  await app.listen({ port: 0, host: '127.0.0.1' })
  refused = true
  const page = await (await launchBrowser(t)).newPage()
  await page.goto(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}/asyncapi`)
  await page.getByText('The document could not be loaded: 403 Forbidden').waitFor()
})

t.test('the document is served as JSON and as YAML', async t => {
  const app = await describeStands(t)
  const [json, yaml] = await Promise.all([app.inject('/asyncapi/json'), app.inject('/asyncapi/yaml')])
  t.match(json.headers['content-type'], /^application\/json/)
  t.strictSame(json.json(), app.asyncapi())
  t.match(yaml.headers['content-type'], /^application\/yaml/)
  t.strictSame(parse(yaml.body), json.json())
})

t.test('scripts and styles may be kept for ever, under the version that they are', async t => {
  const app = await describeStands(t)
  const page = await app.inject('/asyncapi')
  const [, version] = /component\.js\?v=([^"]+)/.exec(page.body) ?? []
  t.match(version, /^\d+\.\d+\.\d+/)
  for (const [file, type] of [['component.js', /^text\/javascript/], ['component.css', /^text\/css/]] as const) {
    const { statusCode, headers, body } = await app.inject(`/asyncapi/static/${file}?v=${version}`)
    t.equal(statusCode, 200)
    t.match(headers, { 'content-type': type, 'cache-control': /immutable/ })
    t.ok(body.length > 10_000)
  }
})

t.test('where, and under which policy, the page is served is the application\'s to say', async t => {
  const strict = await describe(t, () => {}, { routePrefix: '/docs/sockets', asyncapi: { info: { ...INFO, title: '<b>"Stands"</b>' } } })
  const page = await strict.inject('/docs/sockets?from=mail')
  t.match(page.body, '<title>&#60;b&#62;&#34;Stands&#34;&#60;/b&#62;</title>')
  t.match(page.body, 'src="./sockets/static/page.js"')
  t.match((await strict.inject('/docs/sockets/')).body, 'src="./static/page.js"')
  t.match(page.headers['content-security-policy'], /^default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self';/)
  t.equal((await strict.inject('/asyncapi')).statusCode, 404)
  const own = await describe(t, () => {}, { staticCSP: "default-src 'self'", uiConfig: { show: { servers: false } } })
  t.equal((await own.inject('/asyncapi')).headers['content-security-policy'], "default-src 'self'")
  t.match((await own.inject('/asyncapi/static/page.js')).body, '{"show":{"sidebar":true,"servers":false}}')
  const none = await describe(t, () => {}, { staticCSP: false })
  t.notOk((await none.inject('/asyncapi')).headers['content-security-policy'])
})

t.test('without routes there is still the document', async t => {
  const app = await describe(t, () => {}, { routePrefix: false })
  t.equal((await app.inject('/asyncapi/json')).statusCode, 404)
  t.equal(app.asyncapi().info.title, 'Stands')
})

t.test('hooks of the application stand before each of the routes', async t => {
  const refuse = async () => { throw Object.assign(new Error('no'), { statusCode: 401 }) }
  for (const uiHooks of [{ onRequest: refuse }, { preHandler: refuse, onRequest: undefined }]) {
    const app = await describe(t, () => {}, { uiHooks })
    for (const path of ['', '/', '/json', '/yaml', '/static/page.js', '/static/component.js', '/static/component.css']) {
      t.equal((await app.inject(`/asyncapi${path}`)).statusCode, 401, path)
    }
  }
})

t.test('a page without the component says what to install, and so does the log', async t => {
  const app = Fastify({ logger: { level: 'warn', stream: { write: line => { logs.push(JSON.parse(line)) } } } })
  const logs: Array<{ msg: string }> = []
  t.teardown(() => app.close())
  await app.register(fastifyRooms)
  await app.register(fastifyRoomsAsyncapi, { asyncapi: { info: INFO }, baseDir: '/nowhere' })
  const { body, statusCode } = await app.inject('/asyncapi')
  t.equal(statusCode, 200)
  t.match(body, 'npm install @asyncapi/react-component')
  t.match(body, 'href="./asyncapi/json"')
  t.notMatch(body, '<script')
  t.match(logs, [{ msg: 'the page at /asyncapi needs a package: npm install @asyncapi/react-component' }])
  t.equal((await app.inject('/asyncapi/static/component.js')).statusCode, 404)
})

t.test('a component that is there and broken is not taken for none', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'fastify-rooms-asyncapi-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'package.json'), 'no JSON')
  await t.rejects(describe(t, () => {}, { baseDir: folder }), SyntaxError)
})

t.test('where yaml is not installed, only who asks for YAML is told so', t => {
  const stringify = loadYaml('a-package-that-is-not-there')
  t.throws(() => stringify({}), { code: 'FST_ROOMS_ASYNCAPI_NO_YAML', statusCode: 501, message: /npm install yaml/ })
  t.end()
})

t.test('the document of @fastify/swagger leads to it', async t => {
  for (const hideUntagged of [false, true]) {
    const app = await withSwagger(t, hideUntagged)
    t.strictSame(Object.keys(app.swagger().paths ?? {}).filter(path => !path.startsWith('/users')), ['/v1/asyncapi/json'])
    t.match(app.swagger().paths?.['/v1/asyncapi/json'], { get: { summary: /WebSockets/, tags: ['asyncapi'], externalDocs: { url: '/v1/asyncapi/' } } })
    t.match(app.swagger({ yaml: true }), '/v1/asyncapi/json')
    t.equal((await app.inject('/v1/asyncapi/')).statusCode, 200)
  }
})

/** As users register the two, with a prefix. */
async function withSwagger (t: Test, hideUntagged: boolean): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifySwagger, { openapi: { info: { title: 'Stands', version: '1.0.0' } }, hideUntagged })
  await app.register(fastifyRooms)
  await app.register(async child => {
    await child.register(fastifyRoomsAsyncapi, { asyncapi: { info: INFO } })
    child.get('/ws', { websocket: true }, child.manageWebsocket('cdr', { authenticate: false }))
  }, { prefix: '/v1' })
  app.get('/users', { schema: { tags: ['users'] } }, async () => [])
  await app.ready()
  return app
}
