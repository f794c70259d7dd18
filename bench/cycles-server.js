import Fastify from 'fastify'
import fastifyJwt from '@fastify/jwt'
import fastifyRooms from '../dist/index.js'
import { wanted } from './server.js'

const app = Fastify()
await app.register(fastifyJwt, { secret: 'a secret of the bench', verify: { algorithms: ['HS256'] } })
await app.register(fastifyRooms, { redis: wanted.redis, linger: 200 })
app.get('/rooms/:room/ws', { websocket: true }, app.manageWebsocket(request => `room-${request.params.room}`))
await app.listen({ port: 0, host: '127.0.0.1' })

process.on('message', () => {
  globalThis.gc()
  globalThis.gc()
  const stats = app.ws.stats()
  const timers = process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  process.send({ heap: process.memoryUsage().heapUsed, stats, timers })
})
process.send({ port: app.server.address().port, token: app.jwt.sign({ sub: 'jeanne' }) })
