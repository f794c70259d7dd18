import { WebSocket } from 'ws'
import type { Test } from 'tap'

/** Comes when its turn is, between any two others. */
const PING = '{"command":"WSPing"}'

/** A client that knows nothing of any protocol: it keeps the texts in the order in which they come, but the protocol's pings. */
export class TextClient {
  readonly socket: WebSocket
  readonly texts: string[] = []
  readonly closed: Promise<number>
  readonly opened: Promise<void>
  readonly #waiting: Array<() => void> = []
  #taken = 0

  /** @param pings whether it keeps them, too */
  constructor (url: string, pings = false) {
    this.socket = new WebSocket(url)
    this.socket.on('error', () => {})
    this.opened = new Promise(resolve => this.socket.once('open', resolve))
    this.socket.on('message', data => {
      const text = data.toString()
      if (text === PING && !pings) return
      this.texts.push(text)
      this.#wake()
    })
    this.closed = new Promise(resolve => {
      this.socket.once('close', code => {
        resolve(code)
        this.#wake()
      })
    })
  }

  /** The next text that has not been taken. */
  async next (): Promise<string> {
    while (this.#taken === this.texts.length) {
      if (this.socket.readyState === WebSocket.CLOSED) throw new Error('closed while waiting for a text')
      await new Promise<void>(resolve => { this.#waiting.push(resolve) })
    }
    return this.texts[this.#taken++] as string
  }

  /** All that came and was not taken, once everything has arrived that was sent before the answer to a ping. */
  async rest (): Promise<string[]> {
    await new Promise(resolve => setImmediate(resolve)) // messages of a turn leave at its end
    await new Promise(resolve => {
      this.socket.once('pong', resolve)
      this.socket.ping()
    })
    const rest = this.texts.slice(this.#taken)
    this.#taken = this.texts.length
    return rest
  }

  send (data: string | Buffer): void {
    this.socket.send(data)
  }

  #wake (): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }
}

/** Opens a socket; it is cut when the test ends. @param first is sent as soon as it is open @param pings whether those of the protocol are kept */
export async function openText (t: Test, url: string, first?: string, pings?: boolean): Promise<TextClient> {
  const client = new TextClient(url, pings)
  t.teardown(() => client.socket.terminate())
  await client.opened
  if (first !== undefined) client.send(first)
  return client
}
