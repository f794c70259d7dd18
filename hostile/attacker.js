import net from 'node:net'
import { CLOSE, frame, framesIn, PING, PONG, TEXT } from './frames.js'

const END_OF_HEAD = '\r\n\r\n'

/** What was heard last is kept, and no more: some attackers are sent a great deal. */
const MOST_HEARD = 1_000

/** One TCP connection that sends whatever bytes it likes, answers nothing by itself, and writes down how it was ended. */
export class Attacker {
  socket
  /** The status of the answer to the upgrade, once there is one. */
  status
  /** The answer's head, as text. */
  head
  /** Texts, as they came. */
  heard = []
  pongs = 0
  /** How it was ended: a close code, `HTTP 431`, or `cut`. Undefined while it is open. */
  ended
  /** Whether the server has let go of the connection. */
  gone = false
  #bytes = Buffer.alloc(0)
  #waiting = new Set()

  /** @param address of its own, such as 127.0.0.9 */
  constructor (port, address) {
    this.socket = net.connect({ port, host: '127.0.0.1', localAddress: address, noDelay: true })
    this.socket.on('error', () => {})
    this.socket.on('data', bytes => this.#read(bytes))
    this.socket.on('close', () => {
      this.gone = true
      this.ended ??= this.status === undefined || this.status === 101 ? 'cut' : `HTTP ${this.status}`
      this.#wake()
    })
    this.socket.on('connect', () => this.#wake())
  }

  /** Connected, and nothing said. */
  static async connect (port, address) {
    const attacker = new Attacker(port, address)
    await attacker.until(() => attacker.connected || attacker.gone)
    return attacker
  }

  /** With an answer to its upgrade, whatever that is. */
  static async upgrade (port, { path, headers, address } = {}) {
    const attacker = new Attacker(port, address)
    attacker.write(upgradeRequest(path, headers))
    await attacker.until(() => attacker.status !== undefined || attacker.gone)
    return attacker
  }

  get connected () {
    return this.socket.readyState === 'open'
  }

  write (...bytes) {
    if (this.socket.writable) this.socket.write(Buffer.concat(bytes))
  }

  text (text) {
    this.write(frame(text))
  }

  /** Waits for something that only this connection can bring about, or until it is gone. */
  async until (condition) {
    while (!this.gone && !condition()) await new Promise(resolve => { this.#waiting.add(resolve) })
  }

  /** Waits until the server has ended it. */
  async end () {
    await this.until(() => this.ended !== undefined)
    return this.ended
  }

  /** Waits until the server has read all that was sent so far, or has ended it: frames are answered in their order. */
  async read () {
    const before = this.pongs
    this.write(frame('', { opcode: PING }))
    await this.until(() => this.ended !== undefined || this.pongs > before)
  }

  leave () {
    this.socket.destroy()
  }

  #read (bytes) {
    this.#bytes = Buffer.concat([this.#bytes, bytes])
    if (this.head === undefined) this.#readHead()
    if (this.status === 101) this.#readFrames()
    this.#wake()
  }

  #readHead () {
    const end = this.#bytes.indexOf(END_OF_HEAD)
    if (end === -1) return
    this.head = this.#bytes.toString('latin1', 0, end)
    this.status = Number(this.head.split(' ')[1])
    this.#bytes = this.#bytes.subarray(end + END_OF_HEAD.length)
  }

  #readFrames () {
    const { frames, rest } = framesIn(this.#bytes)
    this.#bytes = rest
    for (const { opcode, payload } of frames) {
      if (opcode === TEXT) this.heard.push(payload.toString())
      else if (opcode === PONG) this.pongs++
      else if (opcode === CLOSE) this.ended ??= payload.length < 2 ? 1005 : payload.readUInt16BE()
    }
    if (this.heard.length > MOST_HEARD) this.heard.splice(0, this.heard.length - MOST_HEARD)
  }

  #wake () {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }
}

/** @param headers lines, as they are sent */
export function upgradeRequest (path, headers = []) {
  const lines = [
    `GET ${path} HTTP/1.1`, 'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==', ...headers
  ]
  return Buffer.from(`${lines.join('\r\n')}${END_OF_HEAD}`, 'latin1')
}

/** How many were ended in which way; those that were not are `open`. */
export function endings (attackers) {
  const counts = {}
  for (const { ended = 'open' } of attackers) counts[ended] = (counts[ended] ?? 0) + 1
  return counts
}
