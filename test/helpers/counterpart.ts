import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { WebSocketServer } from 'ws'
import type { WebSocket } from 'ws'
import type { Frame } from './client.js'

/** The other end of one socket: it says what a test has it say, and keeps what it is told. */
export class Peer {
  readonly socket: WebSocket
  readonly request: IncomingMessage
  readonly closed: Promise<number>
  readonly #frames: Frame[] = []
  #wake = (): void => {}

  constructor (socket: WebSocket, request: IncomingMessage) {
    this.socket = socket
    this.request = request
    this.closed = once(socket, 'close').then(([code]) => code)
    socket.on('message', data => {
      this.#frames.push(JSON.parse(data.toString()))
      this.#wake()
    })
  }

  /** The next frame of the client. */
  async next (): Promise<Frame> {
    while (this.#frames.length === 0) await new Promise<void>(resolve => { this.#wake = resolve })
    return this.#frames.shift() as Frame
  }

  send (frame: unknown): void {
    this.socket.send(typeof frame === 'string' || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame))
  }

  status (status: string, details: object = {}): void {
    this.send({ command: 'WSStatus', data: { status, ...details } })
  }

  /** Lets the client in. */
  admit (rooms: object = { cdr: {} }, details: object = {}): void {
    this.status('connected', { connection: 'x', keepAlive: 25_000, rooms, ...details })
  }
}

/** A server of the protocol that does nothing by itself: what it says, and when, is the test's. The sockets are real. */
export class Counterpart {
  readonly #server: WebSocketServer
  readonly #peers: Peer[] = []
  #wake = (): void => {}
  /** How many have come. */
  count = 0

  constructor (server: WebSocketServer) {
    this.#server = server
    server.on('connection', (socket, request) => {
      this.count++
      this.#peers.push(new Peer(socket, request))
      this.#wake()
    })
  }

  get url (): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}/ws`
  }

  /** The next client that comes. */
  async peer (): Promise<Peer> {
    while (this.#peers.length === 0) await new Promise<void>(resolve => { this.#wake = resolve })
    return this.#peers.shift() as Peer
  }

  /** The next one, let in; and its first frame. */
  async admitted (rooms?: object, details?: object): Promise<{ peer: Peer, hello: Frame }> {
    const peer = await this.peer()
    const hello = await peer.next()
    peer.admit(rooms, details)
    return { peer, hello }
  }
}

export async function startCounterpart (t: Test): Promise<Counterpart> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'rooms.v1' })
  t.teardown(async () => {
    for (const socket of server.clients) socket.terminate()
    await new Promise(resolve => server.close(resolve))
  })
  await once(server, 'listening')
  return new Counterpart(server)
}
