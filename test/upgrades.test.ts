import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { WebSocket } from 'ws'
import { createApp, until } from './helpers/app.js'
import type { TestApp } from './helpers/app.js'
import { Client, join } from './helpers/client.js'
import { Gate } from './helpers/gate.js'
import { CLOSE_FRAME, frame, sendRaw, upgradeRequest } from './helpers/raw.js'
import { Stopwatch } from './helpers/stopwatch.js'
import { watchForStrays } from './helpers/strays.js'

const noStrays = watchForStrays(t)

const request = (path: string): Buffer => Buffer.from(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)

/** How many connections the server holds, whatever they are. */
async function connectionsOf ({ app }: Pick<TestApp, 'app'>): Promise<number> {
  return await new Promise(resolve => app.server.getConnections((_error, count) => resolve(count)))
}

t.test('upgrades that are completed while the application closes, and reset at once, do not end the process', async t => {
  // A hook of the application's own, which runs after those of the plugins: by then nobody else listens for upgrades.
  const gate = new Gate()
  const running = await createApp(t, { setup: app => { app.addHook('preClose', async () => { await gate.pass() }) } })
  const upgrade = upgradeRequest(running.url)
  const raws = Array.from({ length: 50 }, () => sendRaw(t, running.url, upgrade.subarray(0, -2)))
  await until(async () => await connectionsOf(running) === raws.length)
  const closing = running.app.close()
  await gate.reached
  for (const { socket } of raws) {
    socket.write(upgrade.subarray(-2))
    socket.resetAndDestroy()
  }
  await until(async () => await connectionsOf(running) === 0)
  gate.open()
  await closing
})

t.test('an upgrade that is completed while the application closes, by a client that stays, is refused and freed', async t => {
  const gate = new Gate()
  const running = await createApp(t, { setup: app => { app.addHook('preClose', async () => { await gate.pass() }) } })
  const upgrade = upgradeRequest(running.url)
  const raw = sendRaw(t, running.url, upgrade.subarray(0, -2))
  await until(async () => await connectionsOf(running) === 1)
  const closing = running.app.close()
  await gate.reached
  raw.write(upgrade.subarray(-2))
  await raw.closed
  t.match(raw.text(), /^HTTP\/1\.1 503 /)
  gate.open()
  await closing
})

t.test('an upgrade that was pipelined behind another request', async t => {
  t.test('is ended after authTimeout, whether or not that request is ever answered', async t => {
    const gate = new Gate()
    let arrived = 0
    const running = await createApp(t, {
      rooms: { authTimeout: 1_000, drainTimeout: 300, closeTimeout: 100 },
      setup: app => {
        app.get('/slow', async () => { arrived++; await gate.pass(); return 'done' })
        app.get('/never', async () => { arrived++; await new Promise(() => {}) })
      }
    })
    const slow = sendRaw(t, running.url, request('/slow'), upgradeRequest(running.url))
    const never = sendRaw(t, running.url, request('/never'), upgradeRequest(running.url))
    await until(() => arrived === 2)
    gate.open()
    await slow.closed
    await never.closed
    await until(async () => await connectionsOf(running) === 0)
    t.match(running.app.ws.stats(), { connections: 0, waiting: 0, members: 0 })
    await t.resolves(join(t, running.url, running.token()), 'and others are served')
  })

  t.test('does not keep the application from closing', async t => {
    const gate = new Gate()
    const running = await createApp(t, {
      rooms: { authTimeout: 60_000, drainTimeout: 300, closeTimeout: 100 },
      setup: app => { app.get('/slow', async () => { await gate.pass(); return 'done' }) }
    })
    const raw = sendRaw(t, running.url, request('/slow'), upgradeRequest(running.url))
    await gate.reached
    gate.open()
    await raw.received('done')
    await running.app.close()
    await raw.closed
  })
})

t.test('an upgrade that a hook of the application never lets go on', async t => {
  const stuck = (app: TestApp['app'], gate: Gate): void => {
    app.get('/stuck', { websocket: true, onRequest: async () => { await gate.pass() } }, app.manageWebsocket('cdr'))
  }

  t.test('is ended after authTimeout', async t => {
    const gate = new Gate()
    const running = await createApp(t, { rooms: { authTimeout: 1_000 }, setup: app => stuck(app, gate) })
    const member = await join(t, running.url, running.token())
    const client = new Client(running.url.replace('/cdr/users/ws', '/stuck'))
    await gate.reached
    t.equal((await client.closed).code, 1006)
    t.equal(member.socket.readyState, member.socket.OPEN, 'those whose upgrade has happened stay')
    await until(async () => await connectionsOf(running) === 1)
    gate.open()
  })

  t.test('is ended with the drain', async t => {
    const gate = new Gate()
    const running = await createApp(t, { rooms: { authTimeout: 60_000, drainTimeout: 200, closeTimeout: 100 }, setup: app => stuck(app, gate) })
    const client = new Client(running.url.replace('/cdr/users/ws', '/stuck'))
    await gate.reached
    await running.app.close()
    t.equal((await client.closed).code, 1006)
    gate.open()
  })

  t.test('and is refused in the end holds up nobody any more', async t => {
    const gate = new Gate()
    const running = await createApp(t, {
      rooms: { authTimeout: 60_000, drainTimeout: 5_000 },
      setup: app => {
        app.get('/refused', { websocket: true, onRequest: async (_request, reply) => { await gate.pass(); await reply.code(403).send() } }, app.manageWebsocket('cdr'))
      }
    })
    const url = running.url.replace('/cdr/users/ws', '/refused')
    const raws = [sendRaw(t, url, upgradeRequest(url)), sendRaw(t, url, upgradeRequest(url))]
    const member = await join(t, running.url, running.token())
    await until(async () => await connectionsOf(running) === 3)
    const stopwatch = new Stopwatch()
    t.teardown(() => stopwatch.stop())
    const closing = running.app.close()
    await member.closed // so that it waits for the upgrades by now
    gate.open()
    for (const raw of raws) {
      await raw.closed
      t.match(raw.text(), /^HTTP\/1\.1 403 /)
    }
    await closing
    t.ok(stopwatch.stop() < 3_000)
  })
})

t.test('an upgrade that the application makes by itself, for a server of its own, is let be', async t => {
  const { app } = await createApp(t)
  const own = createServer()
  own.on('upgrade', (request, socket, head) => {
    app.websocketServer.handleUpgrade(request, socket, head, websocket => {
      app.websocketServer.emit('connection', websocket, request)
      websocket.send('welcome')
    })
  })
  own.listen(0, '127.0.0.1')
  await once(own, 'listening')
  t.teardown(() => own.close())
  const client = new WebSocket(`ws://127.0.0.1:${(own.address() as AddressInfo).port}`)
  const [welcome] = await once(client, 'message')
  t.equal(String(welcome), 'welcome')
  client.close()
  await once(client, 'close')
})

t.test('a client that leaves with the packet that has its token is not looked at: no hook runs for it', async t => {
  let calls = 0
  const running = await createApp(t, { route: { authenticate: async () => { calls++ } } })
  const packet = [upgradeRequest(running.url), frame('{"token":"x"}'), CLOSE_FRAME]
  const raws = Array.from({ length: 10 }, () => sendRaw(t, running.url, ...packet))
  await Promise.all(raws.map(async ({ closed }) => await closed))
  await until(() => running.app.ws.stats().ended.client === 10)
  t.match(running.app.ws.stats(), { connections: 0, waiting: 0 })
  t.equal(calls, 0)
  await t.resolves(join(t, running.url, 'x'))
  t.equal(calls, 1)
})

noStrays()
