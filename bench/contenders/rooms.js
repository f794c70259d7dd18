import fastifyJwt from '@fastify/jwt'
import Fastify from 'fastify'
import fastifyRooms from '../../dist/index.js'
import { serve, unsupported, wanted } from '../server.js'
import { SECRET } from '../token.js'

const app = Fastify()
await app.register(fastifyJwt, { secret: SECRET, verify: { algorithms: ['HS256'] } })
try {
  await app.register(fastifyRooms, {
    redis: wanted.redis,
    perMessageDeflate: wanted.compress,
    ...wanted.options
  })
  app.get('/rooms/:room', { websocket: true }, app.manageWebsocket(request => request.params.room))
  await app.listen({ port: 0, host: '127.0.0.1' })
  await serve({
    port: app.server.address().port,
    publish: (room, message) => app.ws.sendToRoom(room, message),
    stats: () => app.ws.stats()
  })
} catch (error) {
  if (error.code !== 'FST_ROOMS_INVALID_OPTION') throw error
  unsupported(error.message)
}
