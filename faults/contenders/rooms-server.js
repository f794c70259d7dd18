// Our server, as the README has it.
import { createRequire } from 'node:module'
import fastifyRooms from '../../dist/index.js'
import { SECRET } from '../../bench/token.js'
import { serve, wanted } from '../server.js'
import { connect, redisOptions } from './redis.js'

const require = createRequire(import.meta.url)
const Fastify = require('fastify')
const fastifyJwt = require('@fastify/jwt')

const CLAIMS = { FST_ROOMS_BROKER_UNAVAILABLE: 'unavailable', FST_ROOMS_SEND_UNKNOWN: 'unknown' }

export async function startRooms (options) {
  const app = Fastify()
  await app.register(fastifyJwt, { secret: SECRET, verify: { algorithms: ['HS256'] } })
  await app.register(fastifyRooms, {
    redis: wanted.redis.cluster === undefined ? redisOptions(wanted.redis) : connect(wanted.redis),
    ...(wanted.keepAlive !== undefined && { keepAlive: wanted.keepAlive, pongTimeout: wanted.pongTimeout }),
    ...wanted.options,
    ...options
  })
  app.get('/rooms/:room', { websocket: true }, app.manageWebsocket(request => request.params.room))
  await app.listen({ port: 0, host: '127.0.0.1' })

  serve({
    port: app.server.address().port,
    publish: (room, data) => app.ws.sendToRoom(room, { command: 'N', data }).then(
      ({ degraded }) => degraded === true ? 'degraded' : 'accepted',
      ({ code, message }) => CLAIMS[code] ?? `${code}: ${message}`
    ),
    members: () => app.ws.stats().members,
    stats: () => app.ws.stats(),
    close: () => app.close()
  })
}
