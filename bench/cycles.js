// 100,000 times: connect, authenticate, close, a third of them abruptly, through a real Redis. Nothing may be left:
// no heap, no member, no subscription. `npm run bench:cycles [cycles]`; exits non-zero when something is.
import { once } from 'node:events'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { Child, killChildren } from './child.js'
import { masked } from './frames.js'
import { versionOf } from './machine.js'
import { startRedis } from './redis-server.js'

const CYCLES = Number(process.argv[2] ?? 100_000)
const WARM_UP = Math.min(10_000, CYCLES)
const CONCURRENCY = 200
const ROOMS = 500
/** Heap after the cycles, against the heap after the warm-up. */
const MOST = 1.05

process.on('exit', killChildren)
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))

const { url, version } = await startRedis()
const redis = new Redis(url)
const server = new Child('cycles-server.js', { wanted: { redis: url }, flags: ['--expose-gc'] })
try {
  const { port, token } = await server.hello
  await cycles(WARM_UP, port, token)
  const before = await settled()
  console.log(`after ${WARM_UP} cycles to warm up: heap ${megabytes(before.heap)} MB`)
  const start = performance.now()
  await cycles(CYCLES, port, token)
  const seconds = (performance.now() - start) / 1_000
  const after = await settled()
  const growth = after.heap / before.heap
  console.log(`after ${CYCLES} more in ${seconds.toFixed(1)} s (${Math.round(CYCLES / seconds)}/s): heap ${megabytes(after.heap)} MB, ${((growth - 1) * 100).toFixed(1)} %`)
  console.log(`left: ${JSON.stringify(after.left)}; timers ${before.timers} before, ${after.timers} after`)
  console.log(`ended: ${JSON.stringify(after.stats.ended)}`)
  console.log(`${process.version}, fastify ${versionOf('fastify')}, @fastify/websocket ${versionOf('@fastify/websocket')}, ws ${versionOf('ws')}, ioredis ${versionOf('ioredis')}, Redis ${version}`)
  if (growth > MOST || after.timers > before.timers + 2 || Object.values(after.left).some(number => number > 0)) {
    console.error('something was left behind')
    process.exitCode = 1
  }
} finally {
  redis.disconnect()
  killChildren()
}

async function cycles (count, port, token) {
  let next = 0
  await Promise.all(Array.from({ length: CONCURRENCY }, async () => {
    while (next < count) await cycle(next++, port, token)
  }))
}

/** One client, by hand: a real one's library would cost more than the server. */
async function cycle (number, port, token) {
  // Closed connections keep their pair of ports for a minute, so the clients spread over addresses.
  const socket = net.connect({ port, host: '127.0.0.1', localAddress: `127.0.0.${2 + number % 50}` })
  const closed = once(socket, 'close').catch(() => {})
  socket.on('error', () => {})
  socket.write(`GET /rooms/${number % ROOMS}/ws HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`)
  let received = ''
  let sent = false
  socket.on('data', chunk => {
    received += chunk
    if (!sent && received.includes('\r\n\r\n')) {
      sent = true
      socket.write(masked(0x1, Buffer.from(JSON.stringify({ token }))))
    }
    if (received.includes('"connected"')) {
      received = ''
      if (number % 3 === 0) socket.resetAndDestroy()
      else if (number % 3 === 1) socket.write(masked(0x8, Buffer.from([0x03, 0xe8])))
      else socket.end()
    }
  })
  await closed
}

/** What is held once the last sockets have closed and rooms have lingered; what is still there after ten seconds stays. */
async function settled () {
  const end = performance.now() + 10_000
  for (;;) {
    const measured = await server.ask('measure')
    const channels = (await redis.pubsub('CHANNELS', '*')).filter(channel => !channel.includes('!')) // the process's own one stays
    const counts = await redis.keys('*:n')
    const { connections, members, rooms, waiting } = measured.stats
    const left = { connections, members, rooms, waiting, subscriptions: channels.length, counts: counts.length }
    if (Object.values(left).every(number => number === 0) || performance.now() > end) return { ...measured, left }
    await sleep(100)
  }
}

function megabytes (bytes) {
  return (bytes / 1024 / 1024).toFixed(2)
}
