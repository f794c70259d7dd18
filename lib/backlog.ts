import type { Batch } from './batch.js'
import { sizeOf } from './wire.js'

/** So many bytes may wait for a client to read while it is sent what has waited for it; a longer message waits alone. */
const PACE = 64 * 1_024

/** A place that is kept in the line until it is known what stands there. What comes after it waits. */
export class Place {
  /** Undefined where it is kept for no room of its own. */
  readonly room: string | undefined
  settled = false
  frame = ''

  constructor (room: string | undefined) {
    this.room = room
  }
}

/**
 * What waits for one member, in one line for all its rooms: behind a snapshot that is taken, and behind all that it has
 * missed, which is sent no faster than it reads. Messages are the same for all members, so what waits is mostly
 * references.
 */
export class Backlog {
  #waiting: Array<Batch | Place> = []
  readonly #compressed: boolean
  #limit: number
  #bytes = 0
  /** Whether it goes on when the client has read. */
  paced = false

  /** @param limit bytes of messages that come meanwhile */
  constructor (limit: number, compressed: boolean) {
    this.#limit = limit
    this.#compressed = compressed
  }

  get empty (): boolean {
    return this.#waiting.length === 0
  }

  /** Whether it is not known yet what comes next. */
  get blocked (): boolean {
    const [next] = this.#waiting
    return next instanceof Place && !next.settled
  }

  hold (place: Place): void {
    this.#waiting.push(place)
  }

  /** What a client has missed has limits of its own. */
  replay (missed: readonly Batch[]): void {
    for (const batch of missed) {
      this.#limit += this.#held(batch)
      this.push(batch)
    }
  }

  /** @returns whether that was not too much */
  push (batch: Batch): boolean {
    this.#waiting.push(batch)
    this.#bytes += this.#held(batch)
    return this.#bytes <= this.#limit
  }

  /** What may be sent next, if anything may. @param unread bytes that the client has been sent and has not read */
  take (unread: number, maxBuffered: number): Batch | Place | undefined {
    const [next] = this.#waiting
    if (next === undefined || this.blocked) return undefined
    const bytes = this.#sizeOf(next)
    if (unread > 0 && unread + bytes > Math.min(PACE, maxBuffered)) return undefined
    this.#waiting.shift()
    if (!(next instanceof Place)) this.#bytes -= this.#held(next)
    return next
  }

  /** The member has left a room, and is sent nothing of it any more. */
  forget (room: string): void {
    const [kept, gone]: [Array<Batch | Place>, Array<Batch | Place>] = [[], []]
    for (const waiting of this.#waiting) (waiting.room === room ? gone : kept).push(waiting)
    for (const waiting of gone) if (!(waiting instanceof Place)) this.#bytes -= this.#held(waiting)
    this.#waiting = kept
  }

  /** In memory: what is compressed for the wire is kept as it was, too. */
  #held (batch: Batch): number {
    return this.#compressed ? Math.max(batch.held, this.#sizeOf(batch)) : this.#sizeOf(batch)
  }

  /** On the wire. */
  #sizeOf (waiting: Batch | Place): number {
    return waiting instanceof Place ? sizeOf(waiting.frame) : waiting.bytes(this.#compressed, false).length
  }
}
