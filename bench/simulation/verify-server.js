// A process of the application, for --verify: rooms behind Redis, and messages to them as if handlers sent some now and then.
import { setTimeout as sleep } from 'node:timers/promises'
import fastifyJwt from '@fastify/jwt'
import Fastify from 'fastify'
import fastifyRooms from '../../dist/index.js'
import { messages } from '../messages.js'
import { cpu, wanted } from '../server.js'
import { SECRET } from '../token.js'

const app = Fastify()
await app.register(fastifyJwt, { secret: SECRET, verify: { algorithms: ['HS256'] } })
await app.register(fastifyRooms, {
  redis: wanted.redis,
  history: wanted.history > 0 ? { size: wanted.history, ttl: wanted.ttl * 1_000 } : undefined,
  linger: 50, // less than it takes a client to come back
  publishTimeout: 20_000 // a machine that has everything on it may be slow
})
app.get('/rooms/:room', { websocket: true }, app.manageWebsocket(request => request.params.room))
await app.listen({ port: 0, host: '127.0.0.1' })

const answers = {
  /** To any room at any time, so many per second, each on its own. */
  async send ({ rate, seconds, rooms, size }) {
    const next = messages(size)
    const start = performance.now()
    const sending = []
    for (let due = start; due < start + seconds * 1_000; due -= Math.log(1 - Math.random()) / rate * 1_000) {
      if (due > performance.now()) await sleep(due - performance.now())
      sending.push(app.ws.sendToRoom(anyOf(rooms), next()))
    }
    await sleep(Math.max(0, start + seconds * 1_000 - performance.now()))
    const receipts = await Promise.all(sending)
    return { copies: receipts.reduce((sum, { subscribers }) => sum + subscribers, 0) }
  },

  /** As many as go, with so many under way. */
  async flood ({ underWay, seconds, rooms, size }) {
    const next = messages(size)
    const end = performance.now() + seconds * 1_000
    const before = cpu()
    let sent = 0
    await Promise.all(Array.from({ length: underWay }, async () => {
      while (performance.now() < end) {
        await app.ws.sendToRoom(anyOf(rooms), next())
        sent++
      }
    }))
    return { cpu: cpu() - before, sent }
  },

  stats: () => app.ws.stats()
}

process.on('message', async message => process.send(await answers[message.ask](message)))
process.on('disconnect', () => process.exit())
process.send({ port: app.server.address().port })

function anyOf (rooms) {
  return `room-${Math.floor(Math.random() * rooms)}`
}
