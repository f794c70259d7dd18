import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { WebSocketServer } from 'ws'
import type { RoomConnection } from './connection.js'
import { Deadlines } from './deadlines.js'
import type { Requests } from './reply.js'
import type { RoomTable } from './rooms.js'
import type { Sockets } from './route.js'
import { destroyThis } from './turnstile.js'
import type { Turnstile } from './turnstile.js'

export interface DrainSettings {
  drainTimeout: number
  closeTimeout: number
}

/** Sockets that are sent away together, and the time from then until the next are, in milliseconds. */
const SHARE = 30
const STEP = 20

/**
 * The end of the sockets when the application closes. Handlers that are still at work come first, with what they send;
 * then everyone is told to come back, elsewhere; whoever does not answer is cut off when the time is over. `onLeave` has
 * the rest of the time. Only then may the server close: it waits for every connection, and would wait for a frozen
 * client for ever.
 */
export async function drain (
  { drainTimeout, closeTimeout }: DrainSettings, sockets: Sockets, requests: Requests, rooms: RoomTable, upgrades: Upgrades, turnstile: Turnstile
): Promise<void> {
  const end = performance.now() + drainTimeout
  sockets.drain()
  upgrades.drain()
  turnstile.flush()
  await within(Math.max(0, drainTimeout - closeTimeout), requests.settled().then(() => rooms.settled()))
  await sendAway([...sockets.connections], end - closeTimeout - performance.now())
  await within(end - performance.now(), upgrades.settled().then(() => sockets.empty()))
  for (const connection of sockets.connections) connection.terminate()
  upgrades.close()
}

/**
 * Whoever is sent away comes back at once, to processes that have others to serve: 2,000 take more than a second, so that
 * no tenth of a second sees more than a tenth of them. More of them go faster, to be gone in time.
 * @param ms how long it may take
 */
async function sendAway (connections: readonly RoomConnection[], ms: number): Promise<void> {
  const share = Math.max(SHARE, Math.ceil(connections.length / Math.max(1, Math.floor(ms / STEP))))
  for (let from = 0; from < connections.length; from += share) {
    if (from > 0) await sleep(STEP)
    for (const connection of connections.slice(from, from + share)) connection.end('restarting')
  }
}

/**
 * How far an upgrade has come. On its request, which goes: a socket lives for hours. A class, since V8 makes literals old
 * from the start once a crowd of them has survived, and whatever old ones hold outlives its use: of a flood that is refused,
 * each socket with all that is around it.
 */
class Upgrading {
  readonly socket: Socket
  /** What the socket had written when it came, so that an answer is noticed. */
  readonly written: number
  done = false

  constructor (socket: Socket) {
    this.socket = socket
    this.written = socket.bytesWritten
  }
}

const kUpgrading = Symbol('fastify-rooms.upgrading')
type UpgradingRequest = IncomingMessage & { [kUpgrading]: Upgrading }

/**
 * The raw sockets of upgrades that are under way, or were refused. What Fastify answers before any hook runs, to a bad
 * URL or while it closes, leaves its socket open; an upgrade that was pipelined behind another request is never
 * answered at all. Anyone could collect such sockets, and the server would wait for each of them when it closes.
 */
export class Upgrades {
  readonly #waiting: Deadlines<Socket>
  #draining = false
  #emptied: (() => void) | undefined

  /** @param timeout how long hooks may keep an upgrade waiting, in milliseconds */
  constructor (timeout: number) {
    this.#waiting = new Deadlines(timeout, destroy)
  }

  watch (turnstile: Turnstile, websockets: WebSocketServer): void {
    turnstile.prependListener('upgrade', (request: UpgradingRequest, socket: Socket) => {
      request[kUpgrading] = new Upgrading(socket)
    })
    websockets.on('connection', (_socket, { [kUpgrading]: upgrading }: Partial<UpgradingRequest>) => {
      if (upgrading === undefined) return // the application has upgraded it, for another server
      upgrading.done = true
      this.#gone(upgrading.socket)
    })
    turnstile.on('upgrade', ({ [kUpgrading]: { done, written } }: UpgradingRequest, socket: Socket) => {
      if (done) return
      // Node has taken its own listener away, and nobody else listens for as long as this socket may live.
      socket.on('error', destroyThis)
      if (socket.bytesWritten > written) {
        socket.end(() => socket.destroy())
      } else if (this.#draining) {
        // @fastify/websocket no longer listens by now, or the server is slow to refuse: nobody answers but us.
        socket.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n', () => socket.destroy())
      } else {
        this.#waiting.add(socket)
        socket.once('close', () => this.#gone(socket))
      }
    })
  }

  /** From now on, what nobody answers is refused. */
  drain (): void {
    this.#draining = true
  }

  /** Resolves when no upgrade is under way. */
  async settled (): Promise<void> {
    if (this.#waiting.size > 0) await new Promise<void>(resolve => { this.#emptied = resolve })
  }

  /** Ends those that still are. */
  close (): void {
    this.#waiting.expireAll()
    this.#waiting.close()
  }

  #gone (socket: Socket): void {
    if (this.#waiting.delete(socket) && this.#waiting.size === 0) this.#emptied?.()
  }
}

/** The connection of an upgrade. The request itself has none where it was injected. */
export function upgradingSocket (request: IncomingMessage): Socket {
  return (request as UpgradingRequest)[kUpgrading].socket
}

function destroy (socket: Socket): void {
  socket.destroy()
}

async function within (ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  await Promise.race([work, new Promise<void>(resolve => { timer = setTimeout(resolve, ms) })])
  clearTimeout(timer)
}
