// What one writes with `ws` alone: a set of sockets for each room, the message made into text once.
import { once } from 'node:events'
import { WebSocketServer } from 'ws'
import { serve, wanted } from '../server.js'

const rooms = new Map()

const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: wanted.compress === true })
server.on('connection', (socket, request) => {
  const name = request.url.slice('/rooms/'.length)
  if (!rooms.has(name)) rooms.set(name, new Set())
  rooms.get(name).add(socket)
  socket.on('close', () => rooms.get(name).delete(socket))
  socket.on('error', () => {})
  socket.send('ready')
})
await once(server, 'listening')

await serve({
  port: server.address().port,
  publish (room, message) {
    const text = Buffer.from(JSON.stringify(message))
    for (const socket of rooms.get(room)) socket.send(text, { binary: false })
  }
})
