import type { HistoryBounds } from '../../types/index.js'
import { Deadlines } from '../deadlines.js'
import type { Appended } from './broker.js'
import { unavailable, unknown } from './redis-errors.js'

/** What may wait for a connection. Who sends more than that into an outage is better told at once than after a while. */
const OUTAGE = { messages: 1_000, characters: 8 * 1_024 * 1_024 }
/** What may wait while Redis answers: a burst that it will hardly have taken before the deadline. */
const BURST = { messages: 100_000, characters: 64 * 1_024 * 1_024 }

/** A message on its way into a history. */
export interface Append {
  readonly channel: string
  readonly text: string
  readonly mid: string
  readonly bounds: HistoryBounds
  readonly turn: Turn
  readonly resolve: (appended: Appended) => void
  readonly reject: (error: Error) => void
  /** Whether Redis may have it, and whether its sender has been told. */
  state: 'waiting' | 'sent' | 'settled'
}

/** The appends of one turn share a deadline. */
interface Turn {
  readonly appends: Append[]
  settled: number
}

/** The appends that are not settled. Each will be by its deadline, with the truth about what may still arrive. */
export class Appends {
  readonly #turns: Deadlines<Turn>
  #turn: Turn | undefined
  #waiting = 0
  #characters = 0

  /** @param abandoned is told of those that waited in vain */
  constructor (publishTimeout: number, abandoned: (append: Append) => void) {
    this.#turns = new Deadlines(publishTimeout, ({ appends }) => {
      for (const append of appends) {
        const { state, mid } = append
        if (state === 'waiting') abandoned(append)
        this.reject(append, () => state === 'waiting' ? unavailable() : unknown(mid))
      }
    })
  }

  /** Whether another must not wait. @param open whether there is a connection */
  full (open: boolean, text: string): boolean {
    const { messages, characters } = open ? BURST : OUTAGE
    return this.#waiting >= messages || this.#characters + text.length > characters
  }

  add (append: Omit<Append, 'turn' | 'state'>): Append {
    const turn = this.#thisTurn()
    const { channel, text, mid, bounds, resolve, reject } = append
    const added: Append = { channel, text, mid, bounds, turn, resolve, reject, state: 'waiting' }
    turn.appends.push(added)
    this.#count(added, 1)
    return added
  }

  sent (append: Append): void {
    append.state = 'sent'
    this.#count(append, -1)
  }

  /** It was certainly not carried out, and waits again. */
  returned (append: Append): void {
    append.state = 'waiting'
    this.#count(append, 1)
  }

  resolve (append: Append, appended: Appended): void {
    if (this.#settle(append)) append.resolve(appended)
  }

  reject (append: Append, why: () => Error): void {
    if (this.#settle(append)) append.reject(why())
  }

  close (): void {
    this.#turns.expireAll()
    this.#turns.close()
  }

  #settle (append: Append): boolean {
    if (append.state === 'settled') return false
    if (append.state === 'waiting') this.#count(append, -1)
    append.state = 'settled'
    const { turn } = append
    if (++turn.settled === turn.appends.length && turn !== this.#turn) this.#turns.delete(turn)
    return true
  }

  #count ({ text }: Append, by: 1 | -1): void {
    this.#waiting += by
    this.#characters += by * text.length
  }

  #thisTurn (): Turn {
    if (this.#turn === undefined) {
      this.#turn = { appends: [], settled: 0 }
      this.#turns.add(this.#turn)
      process.nextTick(() => { this.#turn = undefined })
    }
    return this.#turn
  }
}
