import { Batch } from './batch.js'
import type { RoomConnection } from './connection.js'
import type { Payload } from './wire.js'

/** More than this is not held back until the end of the turn: the kernel can take it meanwhile. */
const SEALED_AT = 64 * 1_024

/** The fan-outs of an application that have something for this turn of the event loop. */
export class Turn {
  #waiting: FanOut[] = []
  /** Called ahead of all that is sent, here or to a socket alone; whom it ends, gets nothing of it. */
  before: (() => void) | undefined
  readonly #flush = (): void => this.flush()

  add (fanOut: FanOut): void {
    if (this.#waiting.push(fanOut) === 1) process.nextTick(this.#flush)
  }

  /**
   * Sends everything that waits. Whatever else is written to a socket calls this first, so that it stands after the
   * messages that were sent before it.
   */
  flush (): void {
    if (this.#waiting.length === 0) this.before?.() // something else is about to be written
    while (this.#waiting.length > 0) {
      const waiting = this.#waiting
      this.#waiting = []
      let next = 0
      try {
        this.before?.()
        while (next < waiting.length) (waiting[next++] as FanOut).write()
      } finally {
        // Where one has failed, the others are not to be silent for good.
        while (next < waiting.length) this.add(waiting[next++] as FanOut)
      }
    }
  }
}

/**
 * One message to all members of a room. In Node the price of a message is the write to each socket, so the messages of
 * one turn share one buffer and one write. Nothing is awaited and nothing is made for a single member; all see the
 * same messages in the same order, and none holds up another.
 */
export class FanOut {
  /** In a room of one, as those of single users are, which is spared a Set. */
  #only: RoomConnection | undefined
  #members: Set<RoomConnection> | undefined
  readonly #room: string
  readonly #turn: Turn
  readonly #compressFrom: number
  readonly #delivered: (count: number) => void
  #payloads: Payload[] | undefined
  #volatile: boolean[] | undefined
  #bytes = 0

  /** @param compressFrom payloads of at least so many bytes are compressed, for those who have agreed to it */
  constructor (room: string, turn: Turn, compressFrom: number, delivered: (count: number) => void) {
    this.#room = room
    this.#turn = turn
    this.#compressFrom = compressFrom
    this.#delivered = delivered
  }

  get size (): number {
    return this.#only !== undefined ? 1 : this.#members?.size ?? 0
  }

  * [Symbol.iterator] (): Iterator<RoomConnection> {
    if (this.#only !== undefined) yield this.#only
    else if (this.#members !== undefined) yield * this.#members
  }

  /** A new member is to see nothing of what was sent before: `flush` comes first. */
  add (member: RoomConnection): void {
    if (this.size === 0) {
      this.#only = member
      return
    }
    this.#members ??= new Set()
    if (this.#only !== undefined) this.#members.add(this.#only)
    this.#only = undefined
    this.#members.add(member)
  }

  delete (member: RoomConnection): void {
    if (this.#only === member) this.#only = undefined
    else this.#members?.delete(member)
  }

  /** @param volatile whether members who are behind in reading may miss it */
  send (payload: Payload, volatile = false): void {
    if (this.size === 0) return
    if (this.#payloads === undefined) {
      this.#payloads = [payload]
      this.#turn.add(this)
    } else {
      this.#payloads.push(payload)
    }
    if (volatile || this.#volatile !== undefined) {
      this.#volatile ??= new Array(this.#payloads.length - 1).fill(false)
      this.#volatile.push(volatile)
    }
    this.#bytes += payload.length // characters, where it is text: near enough
    if (this.#bytes >= SEALED_AT) this.flush()
  }

  /** Sends what waits, with what waits elsewhere: whoever may see no more goes ahead of all that is sent. */
  flush (): void {
    this.#turn.flush()
  }

  /** Writes what waits to all members. Only for the turn, which knows that there is something, and has seen to it who they are. */
  write (): void {
    const batch = new Batch(this.#payloads as Payload[], this.#volatile, this.#compressFrom, this.#room)
    this.#payloads = undefined
    this.#volatile = undefined
    this.#bytes = 0
    let delivered = 0
    if (this.#only !== undefined) delivered = this.#only.deliver(batch)
    else if (this.#members !== undefined) for (const member of this.#members) delivered += member.deliver(batch)
    this.#delivered(delivered)
  }
}
