import { spawn } from 'node:child_process'
import dns from 'node:dns'
import { once } from 'node:events'
import net from 'node:net'
import { mock } from 'node:test'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import type { Redis } from 'ioredis'
import { WebSocket } from 'ws'
import type { RoomsOptions } from '../index.js'
import { connect } from '../testing/index.js'
import { buildApp, createApp, createQuietApp, until } from './helpers/app.js'
import type { TestApp } from './helpers/app.js'
import { Client, join, open } from './helpers/client.js'
import { startRedis } from './helpers/redis.js'
import { timers } from './helpers/resources.js'
import { Stopwatch } from './helpers/stopwatch.js'

const RESTARTING = { command: 'WSStatus', data: { status: 'restarting' } }

/** Of this process's own time. */
async function secondsToClose ({ app }: Pick<TestApp, 'app'>): Promise<number> {
  const stopwatch = new Stopwatch()
  try {
    await app.close()
  } finally {
    stopwatch.stop()
  }
  return stopwatch.stop() / 1_000
}

/** How many connections Redis has, this one included. */
async function connectionsTo (admin: Redis): Promise<number> {
  return (await admin.client('LIST') as string).trim().split('\n').length
}

/** A member in a process that is then stopped: the connection stays, nobody answers. */
async function frozenMember (t: Test, url: string, token: string): Promise<void> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('helpers/frozen-client.js', import.meta.url)), url, token], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => { child.kill('SIGKILL') })
  await once(child.stdout, 'data')
  child.kill('SIGSTOP')
}

t.test('open sockets are told to come back, with 1012', async t => {
  const running = await createApp(t)
  const members = [await join(t, running.url, running.token()), await join(t, running.url, running.token())]
  const waiting = await open(t, running.url)
  await secondsToClose(running)
  for (const client of [...members, waiting]) {
    t.strictSame(await client.closed, { code: 1012, reason: '' })
    t.strictSame(client.frames.at(-1), RESTARTING)
  }
  t.match(running.app.ws.stats(), { connections: 0, members: 0, waiting: 0, ended: { restarting: 3 } })
})

t.test('many are sent away one share after the other, so that they do not all come back at once', async t => {
  const sharesOf = async (rooms: RoomsOptions): Promise<number[]> => {
    const { app, url } = await createApp(t, { rooms })
    await Promise.all(Array.from({ length: 70 }, () => open(t, url)))
    const shares = [0]
    const watching = setInterval(() => {
      const { restarting = 0 } = app.ws.stats().ended
      if (restarting !== shares.at(-1)) shares.push(restarting)
    }, 1)
    await app.close()
    clearInterval(watching)
    return shares
  }
  t.strictSame(await sharesOf({}), [0, 30, 60, 70])
  t.strictSame(await sharesOf({ drainTimeout: 1_000, closeTimeout: 1_000 }), [0, 70], 'unless there is no time')
})

t.test('of 2,000 sockets, no more than a tenth is sent away within any 100 ms', async t => {
  const left: number[] = []
  const { app, token } = await createQuietApp(t, {
    route: { onLeave: () => { left.push(performance.now()) } },
    fastify: { logger: false }
  })
  const own = token()
  for (let count = 0; count < 2_000; count += 100) await Promise.all(Array.from({ length: 100 }, () => connect(app, '/cdr/users/ws', own, { timeout: 60_000 })))
  await app.close()
  t.equal(left.length, 2_000)
  // A slow machine only draws the shares apart.
  const most = Math.max(...left.map(start => left.filter(time => time >= start && time < start + 100).length))
  t.ok(most <= 200, `${most} at most`)
})

t.test('one client is frozen and another reconnects in a loop: closing takes no longer than drainTimeout and a second', async t => {
  const running = await createApp(t, { rooms: { drainTimeout: 1_500, closeTimeout: 1_000 } })
  await frozenMember(t, running.url, running.token())
  let refused = 0
  let stop = false
  const loop = (): void => {
    if (stop) return
    const socket = new WebSocket(running.url)
    socket.on('open', () => socket.send(JSON.stringify({ token: running.token() })))
    socket.on('unexpected-response', (_request, response) => {
      if (response.statusCode === 503) refused++
      response.resume()
      socket.terminate()
    })
    socket.on('error', () => {})
    socket.on('close', () => setImmediate(loop))
  }
  t.teardown(() => { stop = true })
  loop()
  await until(() => running.app.ws.stats().members === 2)
  const seconds = await secondsToClose(running)
  stop = true
  t.ok(seconds < 2.5, `${seconds.toFixed(2)} s`)
  t.ok(refused > 0, `${refused} attempts were answered with 503 meanwhile`)
  t.notOk(running.logs.some(line => JSON.stringify(line).includes('AVV_ERR')))
})

t.test('a client that never answers the close is cut off after closeTimeout', async t => {
  const running = await createApp(t, { rooms: { drainTimeout: 5_000, closeTimeout: 200 } })
  await frozenMember(t, running.url, running.token())
  t.ok(await secondsToClose(running) < 3)
})

t.test('a closeTimeout longer than the drain is cut short by it', async t => {
  const running = await createApp(t, { rooms: { drainTimeout: 300, closeTimeout: 4_000 } })
  await frozenMember(t, running.url, running.token())
  t.ok(await secondsToClose(running) < 2)
})

t.test('what handlers in flight send goes out before the end', async t => {
  const redis = await startRedis(t)
  let reached = (): void => {}
  let finish = (): void => {}
  const running = await createApp(t, {
    rooms: { redis: redis.url },
    setup: app => {
      app.patch('/slow', async (request, reply) => {
        reached()
        await new Promise<void>(resolve => { finish = resolve })
        await app.ws.sendToRoom('cdr', { command: 'FIRST' })
        reply.sendToRoom('cdr', { command: 'SECOND' })
        return {}
      })
    }
  })
  const member = await join(t, running.url, running.token())
  const inHandler = new Promise<void>(resolve => { reached = resolve })
  const response = fetch(`${running.http}/slow`, { method: 'PATCH' })
  await inHandler
  const closed = running.app.close()
  await until(async () => await fetch(running.http).then(({ status }) => status === 503, () => true))
  finish()
  t.equal((await response).status, 200)
  t.strictSame(await member.next(), { command: 'FIRST' })
  t.strictSame(await member.next(), { command: 'SECOND' })
  t.strictSame(await member.next(), RESTARTING)
  t.equal((await member.closed).code, 1012)
  await closed
})

t.test('handlers that took their reply away from Fastify are not waited for', async t => {
  const running = await createApp(t, {
    setup: app => {
      app.get('/events', (_request, reply) => {
        reply.hijack()
        reply.raw.writeHead(200, { 'content-type': 'text/event-stream' })
        reply.raw.write(': hello\n\n')
      })
    }
  })
  const controller = new AbortController()
  const response = await fetch(`${running.http}/events`, { signal: controller.signal })
  t.equal(response.status, 200)
  const member = await join(t, running.url, running.token())
  const closing = running.app.close()
  t.equal((await member.closed).code, 1012)
  controller.abort()
  await closing
})

t.test('a hijacked reply whose client has left is forgotten, and one whose handler never answers is not waited for for ever', async t => {
  const running = await createApp(t, {
    rooms: { drainTimeout: 400, closeTimeout: 100 },
    setup: app => {
      app.get('/events', (_request, reply) => {
        reply.hijack()
        reply.raw.write('hello')
        reply.raw.end()
      })
      app.get('/never', async () => await new Promise(() => {}))
    }
  })
  await (await fetch(`${running.http}/events`)).text()
  const controller = new AbortController()
  fetch(`${running.http}/never`, { signal: controller.signal }).catch(() => {})
  const member = await join(t, running.url, running.token())
  const closing = running.app.close()
  t.equal((await member.closed).code, 1012)
  controller.abort()
  await closing
})

t.test('an onLeave that takes its time has settled when close() resolves', async t => {
  const left: string[] = []
  let leave = (): void => {}
  const running = await createApp(t, {
    route: {
      onLeave: async ({ room }) => {
        await new Promise<void>(resolve => { leave = resolve })
        left.push(room)
      }
    },
    setup: app => { app.addHook('onClose', async () => { left.push('closed') }) }
  })
  const member = await join(t, running.url, running.token())
  const closing = running.app.close()
  await member.closed
  leave()
  await closing
  t.strictSame(left, ['cdr', 'closed'])
})

t.test('both loopback listeners close, with sockets on each', async t => {
  // Not every machine's hosts file gives localhost both addresses, so the look-up does; the sockets are real.
  const both = [{ address: '127.0.0.1', family: 4 }, { address: '::1', family: 6 }]
  const { lookup } = dns
  const lookups = mock.method(dns, 'lookup', (host: string, options: dns.LookupAllOptions, callback: (error: null, addresses: object[]) => void) => {
    if (host === 'localhost' && options.all) callback(null, both)
    else lookup(host, options, callback as never)
  })
  t.teardown(() => lookups.mock.restore())
  const { app } = await buildApp()
  t.teardown(() => app.close())
  await app.listen({ port: 0, host: 'localhost' })
  const addresses = app.addresses() as net.AddressInfo[]
  t.strictSame(addresses.map(({ address }) => address).sort(), ['127.0.0.1', '::1'])
  const members = []
  for (const { port, address, family } of addresses) {
    members.push(await join(t, `ws://${family === 'IPv6' ? `[${address}]` : address}:${port}/cdr/users/ws`, app.jwt.sign({ sub: 'jeanne' })))
  }
  await app.close()
  for (const member of members) t.equal((await member.closed).code, 1012)
})

t.test('an upgrade that comes after everything else has stopped listening is refused and its socket freed', async t => {
  // A hook of the application's own, which runs after those of the plugins, keeps the server open for a while.
  let go: (() => void) | undefined
  const running = await createApp(t, { setup: app => { app.addHook('preClose', async () => await new Promise<void>(resolve => { go = resolve })) } })
  const closing = running.app.close()
  await until(() => go)
  const late = new Client(running.url)
  t.teardown(() => late.socket.terminate())
  await t.rejects(late.opened, { message: /503/ })
  go?.()
  await closing
})

t.test('a socket whose upgrade was under way when the drain began is sent away', async t => {
  let arrived = (): void => {}
  let proceed = (): void => {}
  const running = await createApp(t, {
    setup: app => {
      app.addHook('preValidation', async request => {
        if (request.headers['x-slow'] === undefined) return
        arrived()
        await new Promise<void>(resolve => { proceed = resolve })
      })
    }
  })
  const underWay = new Promise<void>(resolve => { arrived = resolve })
  const holder = await join(t, running.url, running.token())
  const client = new Client(running.url, { headers: { 'x-slow': '1' } })
  t.teardown(() => client.socket.terminate())
  await underWay
  const closing = running.app.close()
  await holder.closed
  proceed()
  t.match(await client.closed, { code: 1012 })
  await closing
})

t.test('an application that never listened, or failed to start, closes', async t => {
  const { app } = await buildApp()
  await app.ready()
  await app.close()
  const failing = await buildApp({ setup: app => { app.addHook('onReady', async () => { throw new Error('no database') }) } })
  await t.rejects(async () => await failing.app.ready(), { message: 'no database' })
  await failing.app.close()
})

t.test('an application that is closed while it boots leaves nothing behind', async t => {
  const redis = await startRedis(t)
  const admin = redis.client()
  t.teardown(() => admin.disconnect())
  await until(() => timers() === 0)
  for (const rooms of [{ redis: redis.url }, {}]) {
    const { app } = await buildApp({ rooms })
    const booted = Promise.resolve(app.ready()).catch(() => {})
    await app.close()
    await booted
    t.equal(timers(), 0)
    t.equal(await connectionsTo(admin), 1)
  }
})

t.test('an application that is closed before it is ready leaves nothing behind', async t => {
  const redis = await startRedis(t)
  const admin = redis.client()
  t.teardown(() => admin.disconnect())
  await until(() => timers() === 0)
  const { app } = await buildApp({ rooms: { redis: redis.url } })
  await app.close()
  t.equal(timers(), 0)
  t.equal(await connectionsTo(admin), 1)
})

t.test('Redis hangs while a room is subscribed to: nothing is tried again once the application has closed', async t => {
  const redis = await startRedis(t)
  await until(() => timers() === 0)
  const running = await createApp(t, { rooms: { redis: redis.url, publishTimeout: 200, subscribeTimeout: 60_000, drainTimeout: 400, closeTimeout: 200 }, setup: app => { app.get('/other', { websocket: true }, app.manageWebsocket('other')) } })
  const member = await join(t, running.url, running.token())
  await redis.kill('SIGSTOP')
  const waiting = await open(t, running.url.replace('/cdr/users/ws', '/other'))
  waiting.send({ token: running.token() })
  await until(() => running.app.ws.stats().waiting === 0)
  await running.app.close()
  t.equal((await member.closed).code, 1012)
  t.equal((await waiting.closed).code, 1012)
  await until(() => timers() === 0) // ioredis, too, has given up by then
  t.notOk(running.logs.some(({ msg }) => msg === 'broker refused a subscription, trying again'))
})

t.test('a raw connection that only half upgrades does not keep the server open', async t => {
  const running = await createApp(t)
  const { port } = running.app.server.address() as net.AddressInfo
  const raw = net.connect(port, '127.0.0.1')
  t.teardown(() => raw.destroy())
  raw.on('error', () => {})
  raw.write('GET /nothing-here HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n')
  await once(raw, 'data')
  t.ok(await secondsToClose(running) < 2)
})
