import Fastify from 'fastify'
import fastifyJwt from '@fastify/jwt'
import fastifyRooms from '../dist/index.js'
import { wanted } from './server.js'
import { SECRET } from './token.js'

const app = Fastify()
await app.register(fastifyJwt, { secret: SECRET, verify: { algorithms: ['HS256'] } })
await app.register(fastifyRooms, { redis: wanted.redis })
app.get('/:room', { websocket: true }, app.manageWebsocket(request => request.params.room))
await app.listen({ port: 0, host: '127.0.0.1' })

const calls = {
  disconnectUser: ({ user }) => app.ws.disconnectUser(user),
  removeFromRoom: ({ room, user }) => app.ws.removeFromRoom(room, user),
  closeRoom: ({ room }) => app.ws.closeRoom(room)
}
process.on('message', async ({ ask, ...target }) => { process.send(await calls[ask](target)) })
process.send({ port: app.server.address().port })
