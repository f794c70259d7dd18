import { WebSocket } from 'ws'
import type { ClientOptions } from 'ws'
import type { Test } from 'tap'

export interface Frame {
  command: string
  data?: { status?: string, [key: string]: unknown }
  id?: unknown
  [key: string]: unknown
}

/**
 * A WebSocket client that knows nothing of fastify-rooms: it keeps the frames in the order in which they come, but those
 * that keep it alive. They come when their turn is, which for a second member is after half a second, between any two others.
 */
export class Client {
  readonly socket: WebSocket
  readonly frames: Frame[] = []
  /** How often it was pinged, by frames. */
  pings = 0
  readonly closed: Promise<{ code: number, reason: string }>
  readonly opened: Promise<void>
  readonly #waiting: Array<() => void> = []
  #taken = 0

  constructor (url: string, options: ClientOptions = {}, protocols: string[] = []) {
    this.socket = new WebSocket(url, protocols, options)
    this.opened = new Promise((resolve, reject) => {
      this.socket.once('open', resolve)
      this.socket.once('error', reject)
    })
    this.opened.catch(() => {})
    this.socket.on('error', () => {})
    this.socket.on('message', data => {
      const frame: Frame = JSON.parse(data.toString())
      if (frame.command === 'WSPing') this.pings++
      else this.frames.push(frame)
      for (const wake of this.#waiting.splice(0)) wake()
    })
    this.closed = new Promise(resolve => {
      this.socket.once('close', (code, reason) => {
        resolve({ code, reason: reason.toString() })
        for (const wake of this.#waiting.splice(0)) wake()
      })
    })
  }

  /** The next frame that has not been taken, or that one of them which has this command. */
  async next (command?: string): Promise<Frame> {
    for (;;) {
      while (this.#taken < this.frames.length) {
        const frame = this.frames[this.#taken++] as Frame
        if (command === undefined || frame.command === command) return frame
      }
      if (this.socket.readyState === WebSocket.CLOSED) throw new Error(`closed while waiting for ${command ?? 'a frame'}`)
      await this.#more()
    }
  }

  /** Waits for the next ping that a page can see. */
  async pinged (): Promise<void> {
    const { pings } = this
    while (this.pings === pings) {
      if (this.socket.readyState === WebSocket.CLOSED) throw new Error('closed while waiting for a ping')
      await this.#more()
    }
  }

  send (frame: unknown): void {
    this.socket.send(typeof frame === 'string' || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame))
  }

  /** Resolves when anything has come, or the socket has closed. */
  async #more (): Promise<void> {
    await new Promise<void>(resolve => { this.#waiting.push(resolve) })
  }
}

/** Opens a socket; it is cut when the test ends. */
export async function open (t: Test, url: string, options?: ClientOptions): Promise<Client> {
  const client = new Client(url, options)
  t.teardown(() => client.socket.terminate())
  await client.opened
  return client
}

/** Opens a socket, sends the token, and waits for `connected`. */
export async function join (t: Test, url: string, token: string): Promise<Client> {
  const client = await open(t, url)
  client.send({ token })
  const { data } = await client.next('WSStatus')
  if (data?.status !== 'connected') throw new Error(`not connected: ${data?.status}`)
  return client
}

export interface Ending {
  frames: Frame[]
  code: number
  reason: string
}

/** All that a client saw until its socket was closed. */
export async function endingOf (client: Client): Promise<Ending> {
  const { code, reason } = await client.closed
  return { frames: client.frames, code, reason }
}

/** Opens a socket, sends one frame, and sees how it ends. */
export async function refusalOf (t: Test, url: string, frame: unknown): Promise<Ending> {
  const client = await open(t, url)
  client.send(frame)
  await Promise.race([client.closed, client.next('WSStatus').then(({ data }) => {
    if (data?.status === 'connected') throw new Error('was let in')
  })])
  return await endingOf(client)
}

export const status = (name: string): Frame => ({ command: 'WSStatus', data: { status: name } })

/** What a client sees whose token is no good, whatever is wrong with it. */
export const INVALID_TOKEN: Ending = { frames: [status('invalid_token')], code: 4401, reason: '' }
