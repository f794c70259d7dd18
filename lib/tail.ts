import type { Position } from '../types/index.js'
import { Batch } from './batch.js'
import { sizeOf } from './wire.js'
import type { Payload } from './wire.js'

export interface TailLimits {
  maxRecovery: number
  maxRecoveryBytes: number
  compressFrom: number
}

/** Why a client that comes back cannot be given what it has missed. */
export type Unrecovered = 'trimmed' | 'limit' | 'epoch'

interface TailEntry extends Position {
  /** Undefined for an entry that is no message, and was never passed on. */
  readonly payload: Payload | undefined
  readonly bytes: number
  /** Made once for all who come back. */
  batch: Batch | undefined
}

/**
 * The last messages of a room, at hand while clients come back: when a process has died, all the clients of its rooms
 * come at once, and one reading of the history serves the clients of a room. It ends where the members of the room are,
 * so who is let in with what it has does not miss anything, and sees nothing twice.
 */
export class Tail {
  readonly #room: string
  readonly #limits: TailLimits
  readonly #entries: TailEntry[] = []
  #bytes = 0
  #cut: boolean

  /** @param cut whether there is more, and it was left out because of the limits */
  constructor (room: string, limits: TailLimits, cut = false) {
    this.#room = room
    this.#limits = limits
    this.#cut = cut
  }

  push ({ epoch, seq, mid }: Position, payload: Payload | undefined): void {
    const bytes = payload === undefined ? 0 : sizeOf(payload)
    this.#entries.push({ epoch, seq, mid, payload, bytes, batch: undefined })
    this.#bytes += bytes
    // The entry that a client names is one more than what it is sent.
    while (this.#entries.length > this.#limits.maxRecovery + 1 || this.#bytes - (this.#entries[0] as TailEntry).bytes > this.#limits.maxRecoveryBytes) {
      this.#bytes -= (this.#entries.shift() as TailEntry).bytes
      this.#cut = true
    }
  }

  /** Everything that was recorded from a moment on comes after what had been there before. */
  append (later: Tail): void {
    for (const entry of later.#entries) this.push(entry, entry.payload)
  }

  /** What came after a position. */
  after (position: Position): Batch[] | Unrecovered {
    const at = this.#entries.findLastIndex(entry => isSame(entry, position))
    if (at === -1) return this.#whyNot(position)
    const missed: Batch[] = []
    for (const entry of this.#entries.slice(at + 1)) {
      if (entry.payload !== undefined) missed.push(entry.batch ??= new Batch([entry.payload], undefined, this.#limits.compressFrom, this.#room))
    }
    return missed
  }

  #whyNot (position: Position): Unrecovered {
    const [first] = this.#entries
    if (first?.epoch !== position.epoch || position.seq > first.seq) return 'epoch'
    return this.#cut ? 'limit' : 'trimmed'
  }
}

export function isSame (one: Position, other: Position): boolean {
  return one.epoch === other.epoch && one.seq === other.seq && one.mid === other.mid
}

/** Whether one position is beyond another. Epochs are numbers, each greater than the one before. */
export function isBeyond (one: Pick<Position, 'epoch' | 'seq'>, other: Pick<Position, 'epoch' | 'seq'>): boolean {
  return one.epoch === other.epoch ? one.seq > other.seq : Number(one.epoch) > Number(other.epoch)
}
