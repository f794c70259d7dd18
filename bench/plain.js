import { once } from 'node:events'
import net from 'node:net'
import { framed } from './frames.js'
import { serve } from './server.js'

/**
 * A server of plain TCP sockets, each in the room that its first line names. Each room is sent the same bytes again and
 * again: making them is no part of the floor.
 * @param send is told the sockets of a room, and a frame for them
 */
export async function servePlain (send) {
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

  const ready = new WeakMap()
  await serve({
    port: server.address().port,
    publish (room, message) {
      let bytes = ready.get(message)
      if (bytes === undefined) ready.set(message, bytes = framed(Buffer.from(JSON.stringify(message))))
      send(rooms.get(room), bytes)
    }
  })
}
