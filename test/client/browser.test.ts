import { build } from 'esbuild'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import type { RoomClient } from '../../client/index.js'
import { createApp, until } from '../helpers/app.js'
import { launchBrowser } from '../helpers/chromium.js'
import { Gate } from '../helpers/gate.js'
import { count } from '../helpers/history.js'
import { startProxy } from '../helpers/proxy.js'
import { startRedis } from '../helpers/redis.js'
import { startRoomProcess } from '../helpers/room-process.js'
import { handmadeToken } from '../helpers/token.js'

/** What a page of these tests has. */
interface Client {
  room: RoomClient
  /** Events and messages, in order. */
  told: unknown[][]
  /** How often it has asked for a token. */
  asked: number
}

declare global {
  // What runs in pages is written here, and compiled with the rest.
  var client: Client
  var enter: (url: string, tokens: readonly string[]) => void
  var XMLHttpRequest: new () => { open (method: string, url: string, async: boolean): void, send (): void }
}

/** What is served as a page: it connects, and notes what it is told. */
const PAGE = `<!doctype html><title>A room</title><script type="module">
  import { connect } from '/client.js'
  globalThis.enter = (url, tokens) => {
    const client = { told: [], asked: 0 }
    const next = async () => {
      if (client.room.state === 'connected') throw new Error('none for the open socket')
      const token = tokens[Math.min(client.asked++, tokens.length - 1)]
      return token.startsWith('/') ? await (await fetch(token)).text() : token
    }
    client.room = connect('cdr', { url, token: next, firstDelay: 20, maxDelay: 100 })
    for (const event of ['state', 'resync', 'recovered', 'error']) client.room.on(event, (...args) => client.told.push([event, ...args]))
    client.room.on('message', ({ command, data }) => client.told.push([command, data]))
    globalThis.client = client
  }
</script>`

const token = (claims: object = {}): string => handmadeToken({ alg: 'HS256', typ: 'JWT' }, { sub: 'jeanne', iat: Math.floor(Date.now() / 1_000), ...claims })

// A browser and several processes, on a machine that may be slow.
t.setTimeout(300_000)

t.test('the client in a browser', async t => {
  const browser = await launchBrowser(t)
  const { outputFiles: [bundle] } = await build({ entryPoints: ['client/index.ts'], bundle: true, minify: true, write: false, format: 'esm', target: 'es2022' })
  const serve = (app: FastifyInstance): void => {
    app.get('/page', async (_request, reply) => reply.type('text/html').send(PAGE))
    app.get('/brief-token', async () => token({ exp: Math.floor(Date.now() / 1_000) + 2 }))
    app.get('/client.js', async (_request, reply) => reply.type('text/javascript').send(bundle?.text))
  }
  const site = Fastify()
  t.teardown(() => site.close())
  serve(site)
  const elsewhere = await site.listen({ port: 0, host: '127.0.0.1' })

  t.test('hears, asks, loops and leaves, at an address that is relative to its page', async t => {
    const { app, http } = await createApp(t, { setup: serve })
    const { page } = await open(t, browser, http, '/cdr/users/ws', [token()])
    await reaches(page, 'connected')
    await app.ws.sendToRoom('cdr', { command: 'UPDATE', data: 1 })
    await shows(page, 'UPDATE', 1)
    t.match(await page.evaluate(async () => await client.room.send('ANY').catch(({ name, code }) => ({ name, code }))), { name: 'RoomsError', code: 'FST_ROOMS_NO_COMMANDS' })
    const loop = page.evaluate(async () => {
      const seen: unknown[] = []
      client.told.push(['looping'])
      for await (const { data } of client.room) {
        seen.push(data)
        if (data === 3) client.room.close()
      }
      return seen
    })
    await shows(page, 'looping')
    for (const data of [2, 3]) await app.ws.sendToRoom('cdr', { command: 'UPDATE', data })
    t.strictSame(await loop, [2, 3])
    t.equal(await page.evaluate(() => client.room.state), 'closed')
    await until(() => app.ws.stats().connections === 0)
  })

  t.test('comes back to a server that was killed, and has missed nothing', async t => {
    const redis = await startRedis(t)
    const [one, other] = await Promise.all([startRoomProcess(t, { redis: redis.url }), startRoomProcess(t, { redis: redis.url })])
    const { page } = await open(t, browser, elsewhere, address(one.port), [token()])
    await reaches(page, 'connected')
    await one.kill('SIGKILL')
    await reaches(page, 'waiting')
    await other.send('UPDATE', 1)
    await startRoomProcess(t, { redis: redis.url, port: one.port })
    await shows(page, 'recovered', { room: 'cdr' })
    await other.send('UPDATE', 2)
    await shows(page, 'UPDATE', 2)
    t.strictSame(await updates(page), [1, 2])
  })

  t.test('is sent from one process to the other when they are restarted, and has each message once', async t => {
    const redis = await startRedis(t)
    const start = async () => await startRoomProcess(t, { redis: redis.url, rooms: { drainTimeout: 200 } })
    let [one, other] = [await start(), await start()]
    const balancer = await startProxy(t, one.port)
    const { page } = await open(t, browser, elsewhere, address(balancer.port), [token()])
    await reaches(page, 'connected')
    for (let round = 0; round < 3; round++) {
      balancer.target = other.port
      for (const data of [1, 2, 3]) await other.send('UPDATE', round * 4 + data)
      const before = await page.evaluate(() => client.told.length)
      await one.kill('SIGTERM')
      await other.send('UPDATE', round * 4 + 4)
      await page.waitForFunction(before => client.told.slice(before).some(([event]) => event === 'recovered'), before)
      ;[one, other] = [other, await start()]
    }
    await one.send('UPDATE', 13)
    await shows(page, 'UPDATE', 13)
    t.strictSame(await updates(page), count(13))
  })

  t.test('stays while Redis is killed, and is told to load anew', async t => {
    const redis = await startRedis(t)
    const one = await startRoomProcess(t, { redis: redis.url })
    const { page } = await open(t, browser, elsewhere, address(one.port), [token()])
    await reaches(page, 'connected')
    await one.send('UPDATE', 1)
    await redis.kill()
    await t.rejects(one.send('UPDATE', 'lost'))
    await redis.start()
    await shows(page, 'resync', { room: 'cdr', reason: 'resync' })
    await until(async () => await one.send('UPDATE', 2).then(() => true, () => false))
    await shows(page, 'UPDATE', 2)
    t.equal(await page.evaluate(() => client.asked), 1)
  })

  t.test('tries nothing while the page is offline, and comes back when it is online', async t => {
    const { app, url } = await createApp(t, { route: { history: { size: 100, ttl: 60_000 } } })
    const proxy = await startProxy(t, Number(new URL(url).port))
    const { page, context } = await open(t, browser, elsewhere, address(proxy.port), [token()], { clock: true })
    await reaches(page, 'connected')
    await context.setOffline(true)
    proxy.cut()
    await reaches(page, 'waiting')
    await app.ws.sendToRoom('cdr', { command: 'UPDATE', data: 1 })
    await page.clock.runFor(60_000) // far longer than any delay of this client
    t.equal(await page.evaluate(() => client.asked), 1)
    await context.setOffline(false)
    await shows(page, 'recovered', { room: 'cdr' })
    await shows(page, 'UPDATE', 1)
    t.equal(await page.evaluate(() => client.asked), 2)
  })

  t.test('is left alone in a tab that was hidden for minutes, and notices there that the server is gone', async t => {
    const { app, url } = await createApp(t, { route: { history: { size: 100, ttl: 60_000 } } })
    const proxy = await startProxy(t, Number(new URL(url).port))
    const { page, frames } = await open(t, browser, elsewhere, address(proxy.port), [token()], { clock: true })
    await reaches(page, 'connected')
    await hide(page, true)
    for (let minutes = 1; minutes <= 3; minutes++) {
      await page.clock.fastForward('05:00') // its timers run once, and late
      await until(() => frames.filter(frame => frame === '{"command":"WSPong"}').length === minutes)
    }
    await hide(page, false)
    await app.ws.sendToRoom('cdr', { command: 'UPDATE', data: 1 })
    await shows(page, 'UPDATE', 1)
    t.strictSame(await page.evaluate(() => client.told.map(([event]) => event)), ['state', 'resync', 'UPDATE'], 'nothing has happened')

    await hide(page, true)
    proxy.mode = 'blackhole'
    await app.ws.sendToRoom('cdr', { command: 'UPDATE', data: 2 })
    await page.clock.fastForward('05:00')
    await page.clock.runFor(4_000) // for the answer
    await reaches(page, 'waiting')
    proxy.mode = 'pass'
    await page.clock.runFor(1_000)
    await shows(page, 'recovered', { room: 'cdr' })
    await shows(page, 'UPDATE', 2)
  })

  t.test('gets a fresh token when its own expires', async t => {
    const { url, app } = await createApp(t)
    const { page } = await open(t, browser, elsewhere, url, ['/brief-token', token()])
    await page.waitForFunction(() => client.asked === 2 && client.room.state === 'connected')
    t.strictSame(await states(page), ['connected', 'waiting', 'recovering', 'connected'])
    t.match(app.ws.stats().ended, { expired_token: 1 })
  })

  t.test('does not come again where it is refused', async t => {
    const { url } = await createApp(t)
    const { page } = await open(t, browser, elsewhere, url, ['nonsense'])
    await page.waitForFunction(() => client.room.state === 'closed')
    t.strictSame(await page.evaluate(() => client.told.at(-1)?.slice(0, 2)), ['state', 'closed'])
    t.equal(await page.evaluate(() => client.asked), 2)
  })

  t.test('comes back when it was cut off because it read too slowly, and has missed nothing', async t => {
    const gate = new Gate()
    const { app, http } = await createApp(t, {
      rooms: { maxRecoveryBytes: 100_000_000 },
      route: { history: { size: 1_000, ttl: 60_000 } },
      setup: app => {
        serve(app)
        app.get('/gate', async () => await gate.pass())
      }
    })
    const { page } = await open(t, browser, http, '/cdr/users/ws', [token()])
    await reaches(page, 'connected')
    const busy = page.evaluate(() => { // nothing else runs in the page until this is answered
      const request = new XMLHttpRequest()
      request.open('GET', '/gate', false)
      request.send()
    })
    await gate.reached
    let sent = 0
    while (app.ws.stats().ended.too_slow === undefined) await app.ws.sendToRoom('cdr', { command: 'UPDATE', data: { number: ++sent, text: 'x'.repeat(200_000) } })
    gate.open()
    await busy
    await shows(page, 'recovered', { room: 'cdr' })
    await app.ws.sendToRoom('cdr', { command: 'LAST' })
    await shows(page, 'LAST')
    t.strictSame(await page.evaluate(() => client.told.filter(([command]) => command === 'UPDATE').map(([, data]) => (data as { number: number }).number)), count(sent))
  })
})

const address = (port: number): string => `ws://127.0.0.1:${port}/cdr/users/ws`

interface Opened {
  page: Page
  context: BrowserContext
  /** What its sockets have received. */
  frames: Array<string | Buffer>
}

/** A page that connects. */
async function open (t: Test, browser: Browser, site: string, url: string, tokens: string[], { clock = false } = {}): Promise<Opened> {
  const context = await browser.newContext()
  t.teardown(() => context.close())
  context.setDefaultTimeout(60_000)
  const page = await context.newPage()
  const frames: Opened['frames'] = []
  page.on('websocket', socket => socket.on('framereceived', ({ payload }) => { frames.push(payload) }))
  if (clock) await page.clock.install()
  await page.goto(`${site}/page`)
  await page.waitForFunction(() => 'enter' in globalThis)
  await page.evaluate(([url, tokens]) => enter(url, tokens), [url, tokens] as const)
  return { page, context, frames }
}

/** Waits for a state that it is in, or has been in since it was looked at last. */
async function reaches (page: Page, state: string): Promise<void> {
  await page.waitForFunction(state => client.told.some(([event, name]) => event === 'state' && name === state), state)
}

async function shows (page: Page, event: string, data?: unknown): Promise<void> {
  await page.waitForFunction(([event, data]) => client.told.some(([name, ...args]) => name === event && (data === undefined || JSON.stringify(args[0]) === JSON.stringify(data))), [event, data] as const)
}

async function updates (page: Page): Promise<unknown[]> {
  return await page.evaluate(() => client.told.filter(([command]) => command === 'UPDATE').map(([, data]) => data))
}

async function states (page: Page): Promise<unknown[]> {
  return await page.evaluate(() => client.told.filter(([event]) => event === 'state').map(([, state]) => state))
}

/** As a browser does when another tab is looked at: a headless one shows all of its pages. */
async function hide (page: Page, hidden: boolean): Promise<void> {
  await page.evaluate(hidden => {
    const { document } = globalThis as unknown as { document: EventTarget }
    Object.defineProperties(document, { hidden: { value: hidden, configurable: true }, visibilityState: { value: hidden ? 'hidden' : 'visible', configurable: true } })
    document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))
  }, hidden)
}
