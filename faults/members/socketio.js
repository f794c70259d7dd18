import { token } from '../../bench/token.js'
import { Journal } from '../journal.js'
import { io } from '../peers.js'

/** A client of Socket.IO, by its own library, which comes back by itself. */
export class SocketIoMember {
  journal
  #doors
  #socket
  #door = 0
  #stopped = false

  constructor ({ id, room, doors, retry }) {
    this.journal = new Journal(id, room)
    this.#doors = doors
    this.#socket = io(this.#url, {
      transports: ['websocket'],
      forceNew: true,
      // The same as the other clients': neither side is to look better because its clients hurry.
      reconnectionDelay: retry.least,
      reconnectionDelayMax: retry.most,
      randomizationFactor: 0.5,
      auth: { room, token: token(id) }
    })
    let entered = false
    // Who was not recovered is in when the server says so, and who was at once: what was missed comes right behind.
    const enter = () => {
      entered = true
      this.journal.write('connected', { process: this.#doors[this.#door].name, recovered: this.#socket.recovered })
    }
    this.#socket.on('connect', () => { if (this.#socket.recovered) enter() })
    this.#socket.on('ready', enter)
    this.#socket.on('N', ({ key }) => this.journal.write('message', { key }))
    this.#socket.on('disconnect', reason => {
      if (entered) this.journal.write('closed', { code: this.#stopped ? 'left' : reason })
      entered = false
      // A server that closes in good order tells its clients to stay away; whoever wants them back writes this line.
      if (reason === 'io server disconnect' && !this.#stopped) this.#socket.connect()
    })
    this.#socket.io.on('reconnect_attempt', () => {
      this.#door = (this.#door + 1) % this.#doors.length
      this.#socket.io.uri = this.#url
    })
  }

  get #url () {
    return `ws://127.0.0.1:${this.#doors[this.#door].port}`
  }

  get socket () {
    return this.#socket.io.engine?.transport?.ws?._socket
  }

  cut () {
    this.socket?.destroy()
  }

  leave () {
    this.#stopped = true
    this.#socket.io.reconnection(false)
    this.socket?.destroy()
  }

  return () {
    this.#stopped = false
    this.#socket.io.reconnection(true)
    this.#socket.connect()
  }

  async stop () {
    this.#stopped = true
    this.#socket.io.reconnection(false)
    this.#socket.disconnect()
  }
}
