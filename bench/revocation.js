// npm run bench:revocation: how long it takes until none of a user's or a room's sockets is left in any process.
// Three processes, one Redis, 1,000 sockets of 100 users, each in a room of their own, spread over the processes; access is taken away
// by one of them after the other, and the time runs from the call to the close of each socket, as its client sees it.
import { once } from 'node:events'
import { WebSocket } from 'ws'
import { Child, killChildren } from './child.js'
import { startRedis } from './redis-server.js'
import { percentile } from './statistics.js'
import { token } from './token.js'

const PROCESSES = 3
const SOCKETS = 1_000
const USERS = 100
/** In every process that can be reached, within a second. */
const PROMISED = 1_000 // ms
const CODES = { disconnectUser: 4410, removeFromRoom: 4403, closeRoom: 4410 }

process.on('exit', killChildren)

for (const [call, code] of Object.entries(CODES)) {
  const redis = await startRedis()
  const servers = Array.from({ length: PROCESSES }, () => new Child('revocation-server.js', { wanted: { redis: redis.url } }))
  const ports = await Promise.all(servers.map(async ({ hello }) => (await hello).port))
  const sockets = new Map(Array.from({ length: USERS }, (_, user) => [`user-${user}`, []]))
  for (let number = 0; number < SOCKETS; number++) {
    const user = `user-${number % USERS}`
    sockets.get(user).push(await enter(ports[Math.floor(number / USERS) % PROCESSES], user))
  }

  const times = []
  let at = 0
  for (const [user, own] of sockets) {
    const began = performance.now()
    const closed = own.map(async socket => {
      const [closedWith] = await once(socket, 'close')
      if (closedWith !== code) throw new Error(`closed with ${closedWith}, not ${code}`)
      times.push(performance.now() - began)
    })
    await Promise.all([servers[at++ % PROCESSES].ask(call, { user, room: user }), ...closed])
  }
  if (percentile(times, 0.99) > PROMISED) process.exitCode = 1
  const [p50, p99, most] = [0.5, 0.99, 1].map(share => `${percentile(times, share).toFixed(1)} ms`)
  console.log(`${call}: ${times.length} sockets in ${PROCESSES} processes, p50 ${p50}, p99 ${p99}, the last one ${most}`)
  await Promise.all(servers.map(server => server.stop()))
  await redis.stop()
}

async function enter (port, user) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/${user}`)
  await once(socket, 'open')
  socket.send(JSON.stringify({ token: token(user) }))
  const [frame] = await once(socket, 'message')
  if (!frame.includes('"connected"')) throw new Error(`not let in: ${frame}`)
  return socket
}
