// The floor with sharing: one write for all that a turn has for a socket.
import { servePlain } from '../plain.js'

const waiting = new Map()

await servePlain((sockets, bytes) => {
  if (waiting.size === 0) process.nextTick(flush)
  if (!waiting.has(sockets)) waiting.set(sockets, [])
  waiting.get(sockets).push(bytes)
})

function flush () {
  for (const [sockets, frames] of waiting) {
    const bytes = Buffer.concat(frames)
    for (const socket of sockets) socket.write(bytes)
  }
  waiting.clear()
}
