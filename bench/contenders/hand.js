// The same as one writes it without this plugin: the first message is the token, a set of sockets for each room.
import fastifyJwt from '@fastify/jwt'
import fastifyWebsocket from '@fastify/websocket'
import Fastify from 'fastify'
import { serve } from '../server.js'
import { SECRET } from '../token.js'

const rooms = new Map()

const app = Fastify()
await app.register(fastifyJwt, { secret: SECRET, verify: { algorithms: ['HS256'] } })
await app.register(fastifyWebsocket)
app.get('/rooms/:room', { websocket: true }, (socket, request) => {
  const name = request.params.room
  const timer = setTimeout(() => socket.close(4408), 5_000)
  socket.once('message', frame => {
    clearTimeout(timer)
    try {
      socket.user = app.jwt.verify(JSON.parse(frame).token)
    } catch {
      socket.close(4401)
      return
    }
    if (!rooms.has(name)) rooms.set(name, new Set())
    rooms.get(name).add(socket)
    socket.on('close', () => rooms.get(name).delete(socket))
    socket.send('ready')
  })
})
await app.listen({ port: 0, host: '127.0.0.1' })

await serve({
  port: app.server.address().port,
  publish (room, message) {
    const text = Buffer.from(JSON.stringify(message))
    for (const socket of rooms.get(room)) socket.send(text, { binary: false })
  }
})
