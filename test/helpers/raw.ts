import { once } from 'node:events'
import net from 'node:net'
import type { Test } from 'tap'

/** A WebSocket client of bytes, for what a well-behaved one would never send, or would not leave unread. */
export class RawClient {
  readonly socket: net.Socket
  readonly closed: Promise<unknown>
  #received = Buffer.alloc(0)
  #wake: () => void = () => {}

  constructor (url: string) {
    const { hostname, port } = new URL(url)
    this.socket = net.connect(Number(port), hostname)
    this.socket.on('error', () => {})
    this.closed = once(this.socket, 'close')
    this.socket.on('data', bytes => {
      this.#received = Buffer.concat([this.#received, bytes])
      this.#wake()
    })
  }

  write (...frames: Buffer[]): void {
    this.socket.write(Buffer.concat(frames))
  }

  /** Waits until this has arrived, as text. */
  async received (text: string): Promise<void> {
    while (!this.#received.includes(text)) {
      await new Promise<void>(resolve => { this.#wake = resolve })
    }
  }

  text (): string {
    return this.#received.toString('latin1')
  }

  /** The code in the server's close frame, as soon as there is one. */
  async closeCode (): Promise<number> {
    for (;;) {
      let at = this.#received.indexOf('\r\n\r\n') + 4
      while (at + 1 < this.#received.length) {
        const length = this.#received.readUInt8(at + 1)
        if (length > 125) throw new Error('a long frame was not expected')
        if ((this.#received.readUInt8(at) & 15) === 8) return this.#received.readUInt16BE(at + 2)
        at += 2 + length
      }
      await new Promise<void>(resolve => { this.#wake = resolve })
    }
  }
}

/** What asks for a WebSocket. */
export function upgradeRequest (url: string): Buffer {
  return Buffer.from(`GET ${new URL(url).pathname} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`)
}

/** Sends bytes to a server; the connection is cut when the test ends. */
export function sendRaw (t: Test, url: string, ...bytes: Buffer[]): RawClient {
  const client = new RawClient(url)
  t.teardown(() => client.socket.destroy())
  client.write(...bytes)
  return client
}

/** Opens a socket; it is cut when the test ends. */
export async function openRaw (t: Test, url: string): Promise<RawClient> {
  const client = sendRaw(t, url, upgradeRequest(url))
  await client.received('\r\n\r\n')
  return client
}

export interface FrameBits {
  opcode?: number
  fin?: boolean
  rsv?: number
  masked?: boolean
}

/** One frame; at most 65,535 bytes. The mask is zero, which is a mask too. */
export function frame (payload: string | Buffer, { opcode = 1, fin = true, rsv = 0, masked = true }: FrameBits = {}): Buffer {
  const data = Buffer.from(payload as string)
  const head = Buffer.from([(fin ? 0x80 : 0) | rsv << 4 | opcode, masked ? 0x80 : 0])
  head.writeUInt8(head.readUInt8(1) | (data.length < 126 ? data.length : 126), 1)
  const long = Buffer.alloc(data.length < 126 ? 0 : 2)
  if (long.length > 0) long.writeUInt16BE(data.length)
  return Buffer.concat([head, long, Buffer.alloc(masked ? 4 : 0), data])
}

export const CLOSE_FRAME = frame(Buffer.from([3, 232]), { opcode: 8 })

/** A member of bytes. */
export async function joinRaw (t: Test, url: string, token: string): Promise<RawClient> {
  const raw = await openRaw(t, url)
  raw.write(frame(JSON.stringify({ token })))
  await raw.received('connected')
  return raw
}
