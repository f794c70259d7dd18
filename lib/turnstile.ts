import { AsyncResource } from 'node:async_hooks'
import { EventEmitter } from 'node:events'
import type { IncomingMessage, Server as HttpServer } from 'node:http'
import type { Socket } from 'node:net'

/** An upgrade that waits, with what the application has put into its `AsyncLocalStorage` by then. */
interface Waiting {
  readonly request: IncomingMessage
  readonly socket: Socket
  readonly head: Buffer
  readonly context: AsyncResource
}

/** How many upgrades pass in one turn of the event loop, but for the first one of a crowd, where fewer may: less than half a millisecond of work. */
const EACH_TURN = 2
/**
 * More pass where turns are long for other reasons: for this part of what the last one took. That is some hundreds per second
 * where a process has no time to spare; a larger part would have members wait twice for whatever made a turn long.
 */
const SHARE = 1 / 8

/**
 * Stands before @fastify/websocket, which listens here and not to the server. A crowd that comes at once, back from a
 * restart or to do harm, would all be let in, or refused, in one turn of the event loop, which takes as long as that
 * many upgrades; and no member would get a message meanwhile. A few pass in each turn, in the order in which they came.
 */
export class Turnstile extends EventEmitter {
  readonly #most: number
  readonly #waiting: Waiting[] = []
  /** How many have passed in this turn, or have since the last one of which the end was asked for. */
  #passed = 0
  /** When this turn began, as far as it is known; undefined where nobody has asked for its end. In the time of `performance.now()`. */
  #began: number | undefined
  readonly #turn = (): void => this.#open()
  #server!: HttpServer

  /** @param most how many may wait. Where more come, one passes for each of them */
  constructor (most: number) {
    super()
    this.#most = most
  }

  /** How many wait. */
  get size (): number {
    return this.#waiting.length
  }

  watch (server: HttpServer): void {
    this.#server = server
    server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => this.#arrive(request, socket, head))
  }

  /** What @fastify/websocket injects comes in by the server, as all upgrades do: others listen there, too. */
  override emit (event: string | symbol, ...details: unknown[]): boolean {
    return this.#server.emit(event as string, ...details)
  }

  /** All that wait pass at once. */
  flush (): void {
    while (this.#waiting.length > 0) this.#passFirst()
  }

  #arrive (request: IncomingMessage, socket: Socket, head: Buffer): void {
    if (this.#passed < EACH_TURN && this.#waiting.length === 0) {
      // Most turns bring one upgrade or none, and it is enough to ask for the end of every other of these.
      if (++this.#passed === EACH_TURN) this.#begin()
      super.emit('upgrade', request, socket, head)
      return
    }
    // Node has taken its own listener away, and nobody else listens yet.
    socket.on('error', destroyThis)
    this.#waiting.push({ request, socket, head, context: new AsyncResource('fastify-rooms.upgrade') })
    if (this.#waiting.length > this.#most) this.#passFirst()
  }

  #begin (): void {
    if (this.#began !== undefined) return
    this.#began = performance.now()
    setImmediate(this.#turn)
  }

  /** The end of a turn. */
  #open (): void {
    const now = performance.now()
    const until = now + (now - (this.#began as number)) * SHARE
    const left = EACH_TURN - this.#passed
    this.#began = undefined
    this.#passed = 0
    if (this.#waiting.length > 0) this.#begin()
    for (let passed = 0; this.#waiting.length > 0 && (passed < left || performance.now() < until); passed++) this.#passFirst()
  }

  #passFirst (): void {
    const { request, socket, head, context } = this.#waiting.shift() as Waiting
    if (socket.destroyed) return // its error may be still to come, and is listened to
    socket.removeListener('error', destroyThis)
    context.runInAsyncScope(() => super.emit('upgrade', request, socket, head))
  }
}

export function destroyThis (this: Socket): void {
  this.destroy()
}
