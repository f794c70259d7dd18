// The floor without sharing: what one write per message and member costs, when there is nothing else to do.
import { once } from 'node:events'
import net from 'node:net'
import { framed } from '../frames.js'
import { serve } from '../server.js'

const rooms = new Map()

const server = net.createServer({ noDelay: true }, socket => {
  socket.once('data', line => {
    const name = line.toString().trim()
    if (!rooms.has(name)) rooms.set(name, new Set())
    rooms.get(name).add(socket)
    socket.on('close', () => rooms.get(name).delete(socket))
    socket.write(framed(Buffer.from('ready')))
  })
  socket.on('error', () => {})
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')

// Each room is sent the same bytes again and again: making them is no part of the floor.
const ready = new WeakMap()

await serve({
  port: server.address().port,
  publish (room, message) {
    let bytes = ready.get(message)
    if (bytes === undefined) ready.set(message, bytes = framed(Buffer.from(JSON.stringify(message))))
    for (const socket of rooms.get(room)) socket.write(bytes)
  }
})
