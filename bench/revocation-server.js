import Fastify from 'fastify'
import fastifyJwt from '@fastify/jwt'
import fastifyRooms from '../dist/index.js'
import { wanted } from './server.js'
import { SECRET } from './token.js'

const app = Fastify()
await app.register(fastifyJwt, { secret: SECRET, verify: { algorithms: ['HS256'] } })
await app.register(fastifyRooms, { redis: wanted.redis })
app.get('/ws', { websocket: true }, app.manageWebsocket('cdr'))
await app.listen({ port: 0, host: '127.0.0.1' })

process.on('message', async ({ ask, user }) => {
  process.send(await app.ws[ask](...ask === 'removeFromRoom' ? ['cdr', user] : [user]))
})
process.send({ port: app.server.address().port })
