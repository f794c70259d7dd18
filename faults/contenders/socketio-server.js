// Socket.IO as its documentation has it: WebSocket only, a token checked by a middleware, rooms, one emit.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { SECRET } from '../../bench/token.js'
import { createVerifier, Server } from '../peers.js'
import { serve, wanted } from '../server.js'

const verify = createVerifier({ key: SECRET, algorithms: ['HS256'] })

/**
 * @param more what else the server can be asked, by its HTTP server
 * @param handle adds what a client's events do
 */
export async function startSocketIo (options, { more = () => ({}), handle = () => {} } = {}) {
  const http = createServer()
  const io = new Server(http, {
    transports: ['websocket'],
    serveClient: false,
    ...(wanted.keepAlive !== undefined && { pingInterval: wanted.keepAlive, pingTimeout: wanted.pongTimeout }),
    ...options
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
    handle(socket)
    if (socket.recovered) return
    await socket.join(socket.handshake.auth.room)
    socket.emit('ready')
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')

  serve({
    port: http.address().port,
    // It says nothing of what becomes of a message: whoever has called it goes on as if it had been sent.
    publish: async (room, data) => {
      io.to(room).emit('N', data)
      return 'accepted'
    },
    members: () => io.of('/').sockets.size,
    stats: () => ({}),
    close: () => io.close(),
    ...more(http)
  })
}
