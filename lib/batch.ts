import { labelled } from './protocol.js'
import { frames, sizeOf } from './wire.js'
import type { Payload } from './wire.js'

/** Messages that go to each member in one write. Their bytes are made when they are first needed, and then shared. */
export class Batch {
  /** Of which room they are; undefined for what is meant for one socket alone. */
  readonly room: string | undefined
  readonly #payloads: readonly Payload[]
  readonly #volatile: readonly boolean[] | undefined
  /** Without what is worth nothing late; the same where there is nothing of the kind. */
  readonly #lasting: readonly Payload[]
  readonly #compressFrom: number
  #plain: Buffer | undefined
  #plainLasting: Buffer | undefined
  #compressed: Buffer | undefined
  #compressedLasting: Buffer | undefined
  #labelled: Batch | undefined
  #held: number | undefined

  constructor (payloads: readonly Payload[], volatile: readonly boolean[] | undefined, compressFrom: number, room?: string) {
    this.room = room
    this.#payloads = payloads
    this.#volatile = volatile
    this.#lasting = volatile === undefined ? payloads : payloads.filter((_, index) => volatile[index] === false)
    this.#compressFrom = compressFrom
  }

  /** The same for members who may be in several rooms: it says which. Made once, where there is such a member. */
  get labelled (): Batch {
    const { room } = this
    if (room === undefined) return this
    this.#labelled ??= new Batch(this.#payloads.map(payload => labelled(payload, room)), this.#volatile, this.#compressFrom, room)
    return this.#labelled
  }

  /** What it takes in memory for as long as it waits, in bytes: its messages are kept beside what is made of them. */
  get held (): number {
    this.#held ??= this.#payloads.reduce((sum, payload) => sum + sizeOf(payload), 0)
    return this.#held
  }

  /** @param behind whether the member is behind in reading */
  payloads (behind: boolean): readonly Payload[] {
    return behind ? this.#lasting : this.#payloads
  }

  /** All frames for a member. */
  bytes (compressed: boolean, behind: boolean): Buffer {
    if (behind && this.#lasting !== this.#payloads) {
      if (compressed) this.#compressedLasting ??= frames(this.#lasting, this.#compressFrom)
      else this.#plainLasting ??= frames(this.#lasting)
      return (compressed ? this.#compressedLasting : this.#plainLasting) as Buffer
    }
    if (compressed) this.#compressed ??= frames(this.#payloads, this.#compressFrom)
    else this.#plain ??= frames(this.#payloads)
    return (compressed ? this.#compressed : this.#plain) as Buffer
  }
}
