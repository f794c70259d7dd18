// Socket.IO as its documentation has it: WebSocket only, a token checked by a middleware, rooms, one emit.
import { createServer } from 'node:http'
import { once } from 'node:events'
import { createAdapter } from '@socket.io/redis-adapter'
import { createVerifier } from 'fast-jwt'
import { Redis } from 'ioredis'
import { Server } from 'socket.io'
import { serve, wanted } from '../server.js'
import { SECRET } from '../token.js'

// What @fastify/jwt uses, so that all check tokens at the same cost.
const verify = createVerifier({ key: SECRET, algorithms: ['HS256'] })

const http = createServer()
const io = new Server(http, {
  transports: ['websocket'],
  serveClient: false,
  // A compressed ping is one that the load, which does not inflate, could not answer; cases do not last that long.
  ...(wanted.compress === true && { perMessageDeflate: true, pingInterval: 300_000 }),
  ...(wanted.redis !== undefined && { adapter: createAdapter(new Redis(wanted.redis), new Redis(wanted.redis)) })
})
io.use((socket, next) => {
  try {
    socket.data.user = verify(socket.handshake.auth.token)
    next()
  } catch (error) {
    next(error)
  }
})
io.on('connection', async socket => {
  await socket.join(socket.handshake.auth.room)
  socket.emit('ready')
})
http.listen(0, '127.0.0.1')
await once(http, 'listening')

await serve({
  port: http.address().port,
  publish: (room, { command, data }) => io.to(room).emit(command, data)
})
