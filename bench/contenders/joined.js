// The floor with sharing: plain TCP sockets, and one write for all that a turn has for a socket.
import { once } from 'node:events'
import net from 'node:net'
import { framed } from '../frames.js'
import { serve } from '../server.js'

const rooms = new Map()
const waiting = new Map()

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

// As with the floor, making the bytes is no part of it.
const ready = new WeakMap()

await serve({
  port: server.address().port,
  publish (room, message) {
    let bytes = ready.get(message)
    if (bytes === undefined) ready.set(message, bytes = framed(Buffer.from(JSON.stringify(message))))
    if (waiting.size === 0) process.nextTick(flush)
    if (!waiting.has(room)) waiting.set(room, [])
    waiting.get(room).push(bytes)
  }
})

function flush () {
  for (const [room, frames] of waiting) {
    const bytes = Buffer.concat(frames)
    for (const socket of rooms.get(room)) socket.write(bytes)
  }
  waiting.clear()
}
