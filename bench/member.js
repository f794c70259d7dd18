import net from 'node:net'
import { constants, inflateRawSync } from 'node:zlib'
import { FrameWalker, masked } from './frames.js'
import { token } from './token.js'

// One for all: what it holds is counted before the next socket is read.
const buffer = Buffer.alloc(256 * 1_024)
const END_OF_HEAD = '\r\n\r\n'
const TEXT = 0x1
const CLOSE = 0x8
const PING = 0x9
const PONG = 0xa
const COMPRESSED = 0x40

/** What a member says at once, what it then says to which message of the server, and how that says that the member is in. */
const ENTRANCES = {
  tcp: room => ({ opening: `${room}\n` }),
  websocket: (room, user, extensions) => ({ opening: upgrade(`/rooms/${room}`, extensions) }),
  token: (room, user, extensions) => ({ opening: upgrade(`/rooms/${room}`, extensions), greeting: JSON.stringify({ token: token(user) }) }),
  // 0 is the transport's word that it is open, 40 enters the namespace, and 42 is an event.
  'socket.io': (room, user, extensions) => ({
    opening: upgrade('/socket.io/?EIO=4&transport=websocket', extensions),
    after: '0',
    greeting: `40${JSON.stringify({ room, token: token(user) })}`,
    ready: '42'
  })
}

/** One socket in a room. It speaks by hand: a library would cost more than the server that is measured. */
export class Member {
  /** Resolves once the server has said that the member is in. */
  ready
  socket
  #entrance
  #frames
  #onCount
  #onMessage
  #settle
  /** What has come of the answer to the upgrade. */
  #head
  #in = false
  /** What the server's compression may refer back to. */
  #history = Buffer.alloc(0)

  /** @param onCount told how many messages have come, as soon as the member is in */
  constructor ({ speaks, port, room, user, compress, address, onCount }) {
    this.#entrance = ENTRANCES[speaks](room, user, compress ? 'permessage-deflate; client_max_window_bits' : undefined)
    this.#onCount = onCount
    this.#frames = new FrameWalker((opcode, payload, first) => this.#frame(opcode, payload, first), { showAll: true })
    this.#head = speaks === 'tcp' ? undefined : ''
    this.ready = new Promise((resolve, reject) => { this.#settle = { resolve, reject } })
    this.socket = net.connect({
      port,
      host: '127.0.0.1',
      localAddress: address,
      noDelay: true,
      onread: { buffer, callback: (length, bytes) => this.#read(bytes, length) }
    })
    this.socket.on('error', error => this.#settle.reject(error))
    this.socket.on('close', () => this.#settle.reject(new Error(`refused: ${this.#head}`)))
    this.socket.write(this.#entrance.opening)
  }

  /** Has each message shown, with its first byte on the wire; without a listener they are counted only, which is cheaper. */
  listen (onMessage) {
    this.#onMessage = onMessage
    this.#frames.showAll = onMessage !== undefined
  }

  /** What a message says. Only what follows directly on what was read before can be read when it is compressed. */
  text (payload, first) {
    if ((first & COMPRESSED) === 0) return payload.toString()
    const text = inflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH, ...(this.#history.length > 0 && { dictionary: this.#history }) })
    this.#history = Buffer.concat([this.#history, text]).subarray(-32 * 1_024)
    return text.toString()
  }

  #read (bytes, length) {
    if (this.#in) this.#onCount(this.#frames.walk(bytes, length))
    else if (this.#head === undefined) this.#frames.walk(bytes, length)
    else this.#readHead(bytes.latin1Slice(0, length))
    return true
  }

  #readHead (text) {
    this.#head += text
    const end = this.#head.indexOf(END_OF_HEAD)
    if (end === -1) return
    if (!this.#head.startsWith('HTTP/1.1 101 ')) {
      this.socket.destroy()
      return
    }
    const frames = Buffer.from(this.#head.slice(end + END_OF_HEAD.length), 'latin1')
    this.#head = undefined
    const { greeting, after } = this.#entrance
    if (greeting !== undefined && after === undefined) this.#say(TEXT, greeting)
    this.#frames.walk(frames, frames.length)
  }

  #frame (opcode, payload, first) {
    if (opcode === PING) this.#say(PONG, payload)
    else if (opcode === CLOSE) this.socket.destroy()
    else if (!this.#in) this.#enter(this.text(payload, first))
    else if (payload.length === 1) this.#say(TEXT, '3') // to Socket.IO's ping, which is a 2
    else this.#onMessage?.(payload, first)
  }

  #enter (message) {
    const { after, greeting, ready = '' } = this.#entrance
    if (after !== undefined && message.startsWith(after)) {
      this.#say(TEXT, greeting)
    } else if (message.startsWith(ready)) {
      this.#frames.showAll = false
      this.#in = true
      this.#settle.resolve()
    }
  }

  #say (opcode, payload) {
    this.socket.write(masked(opcode, Buffer.from(payload)))
  }
}

function upgrade (path, extensions) {
  return `GET ${path} HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n' +
    `${extensions === undefined ? '' : `Sec-WebSocket-Extensions: ${extensions}\r\n`}\r\n`
}
