import type { Batch } from './batch.js'

/** So many bytes may wait for a client to read while it is sent what has waited for it; a longer message waits alone. */
const PACE = 64 * 1_024

/**
 * Messages of rooms that wait for one member: behind a snapshot that is taken, and behind all that it has missed, which
 * is sent no faster than it reads. They are the same for all members, so what waits is mostly references.
 */
export class Backlog {
  readonly #waiting: Batch[]
  readonly #compressed: boolean
  readonly #limit: number
  #bytes = 0

  /**
   * @param missed what comes first, and has limits of its own
   * @param limit bytes of what comes meanwhile
   */
  constructor (missed: readonly Batch[], limit: number, compressed: boolean) {
    this.#waiting = [...missed]
    this.#compressed = compressed
    for (const batch of missed) this.#bytes += this.#sizeOf(batch)
    this.#limit = limit + this.#bytes
  }

  get empty (): boolean {
    return this.#waiting.length === 0
  }

  /** @returns whether that was not too much */
  push (batch: Batch): boolean {
    this.#waiting.push(batch)
    this.#bytes += this.#sizeOf(batch)
    return this.#bytes <= this.#limit
  }

  /** What may be sent next, if anything may. @param unread bytes that the client has been sent and has not read */
  take (unread: number, maxBuffered: number): Batch | undefined {
    const [batch] = this.#waiting
    if (batch === undefined) return undefined
    const bytes = this.#sizeOf(batch)
    if (unread > 0 && unread + bytes > Math.min(PACE, maxBuffered)) return undefined
    this.#waiting.shift()
    this.#bytes -= bytes
    return batch
  }

  #sizeOf (batch: Batch): number {
    return batch.bytes(this.#compressed, false).length
  }
}
