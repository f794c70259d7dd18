import { once } from 'node:events'
import net from 'node:net'

const NEWLINE = 10

/**
 * A connection to Redis that does next to nothing itself: commands are bytes that were made before, and of the answers
 * only the lines are counted. A real client would be the bottleneck of what is measured.
 */
export class Wire {
  #socket
  #awaited = 0
  #resolve

  static async open (port) {
    const wire = new Wire()
    wire.#socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
    wire.#socket.on('data', bytes => wire.#read(bytes))
    await once(wire.#socket, 'connect')
    return wire
  }

  /** Resolves when so many lines have come. Commands whose answers have another number of lines each are for `discard`. */
  async send (bytes, lines) {
    this.#awaited += lines
    this.#socket.write(bytes)
    await new Promise(resolve => { this.#resolve = resolve })
  }

  /** Writes without waiting; whatever comes is thrown away from now on. */
  discard (bytes) {
    this.#awaited = Infinity
    this.#socket.write(bytes)
  }

  close () {
    this.#socket.destroy()
  }

  #read (bytes) {
    if (this.#awaited === Infinity) return
    for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) this.#awaited--
    if (this.#awaited === 0) this.#resolve()
  }
}

/** A command as Redis reads it. */
export function command (...words) {
  return `*${words.length}\r\n${words.map(word => `$${Buffer.byteLength(String(word))}\r\n${word}\r\n`).join('')}`
}
