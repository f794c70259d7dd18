import { WebSocket } from 'ws'
import { token } from '../../bench/token.js'
import { Journal } from '../journal.js'

/** Codes after which a client that follows docs/protocol.md does not come back. */
const NEVER_AGAIN = new Set([1000, 1002, 1007, 1008, 1009, 4400, 4401, 4403, 4410])

/** A client of fastify-rooms that comes back, as docs/protocol.md has it. It counts nothing itself: what it knows, it was told. */
export class RoomsMember {
  journal
  /** Where it is in the room, once it was told. */
  position
  #doors
  #room
  #retry
  #socket
  #timer
  #stopped = false
  /** Connections that it has ended itself. */
  #left = new WeakSet()
  #closed

  /**
   * @param doors the processes that it may knock at, by turns, each with a name and a port
   * @param retry draws how long it waits before it comes back, in milliseconds
   */
  constructor ({ id, room, doors, retry }) {
    this.journal = new Journal(id, room)
    this.#room = room
    this.#doors = doors
    this.#retry = retry
    this.#connect()
  }

  /** As a network does it: without a word. It comes back by itself. */
  cut () {
    this.#socket.terminate()
  }

  /** Stays away until it is told to come back. */
  leave () {
    this.#stopped = true
    clearTimeout(this.#timer)
    this.#left.add(this.#socket)
    if (this.journal.events.at(-1)?.type === 'closed') this.journal.write('closed', { code: 'left' })
    this.#socket.terminate()
  }

  return () {
    this.#stopped = false
    this.#connect()
  }

  async stop () {
    this.leave()
    await this.#closed
  }

  #connect () {
    const [door] = this.#doors
    this.#doors = [...this.#doors.slice(1), door]
    const socket = new WebSocket(`ws://127.0.0.1:${door.port}/rooms/${this.#room}`, { perMessageDeflate: false, handshakeTimeout: 5_000 })
    this.#socket = socket
    let entered = false
    socket.on('error', () => {})
    socket.on('open', () => {
      const recover = this.position === undefined ? undefined : { [this.#room]: this.position }
      socket.send(JSON.stringify({ token: token(this.journal.id), ...(recover !== undefined && { recover }) }))
    })
    socket.on('message', text => {
      const frame = JSON.parse(text)
      if (frame.command === 'WSStatus') entered = this.#status(frame.data, door) || entered
      else if (frame.command === 'N') this.#message(frame)
    })
    this.#closed = new Promise(resolve => {
      socket.on('close', code => {
        if (entered) this.journal.write('closed', { code: this.#left.has(socket) ? 'left' : code })
        // One that was left behind while it still connected is nobody's any more.
        if (!this.#stopped && socket === this.#socket && !NEVER_AGAIN.has(code)) this.#timer = setTimeout(() => this.#connect(), this.#retry.next())
        resolve()
      })
    })
  }

  /** @returns whether it has been let in */
  #status ({ status, rooms, degraded }, { name }) {
    if (status === 'connected') {
      const { recovered, reason, ...position } = rooms[this.#room]
      this.position = position.epoch === undefined ? undefined : position
      this.journal.write('connected', { process: name, recovered, reason, degraded, ...this.position })
      return true
    }
    if (status === 'epoch') {
      this.position = rooms[this.#room]
      this.journal.write('epoch', this.position)
    } else if (status === 'resync') {
      this.journal.write('resync')
    }
    return false
  }

  #message ({ data: { key }, seq, mid }) {
    if (this.position !== undefined && seq !== undefined) this.position = { epoch: this.position.epoch, seq, mid }
    this.journal.write('message', { key, ...(seq !== undefined && { epoch: this.position?.epoch, seq, mid }) })
  }
}
