import type { Cluster, Redis } from 'ioredis'
import { Deadlines } from '../deadlines.js'
import { unavailable } from './redis-errors.js'

/** The commands of one turn that Redis owes answers to. They leave together, so they share a deadline. */
interface Owed {
  readonly expire: Array<() => void>
  answers: number
}

/** What Redis is asked by one connection, and must answer within `publishTimeout` and before the connection ends. */
export class Answers {
  readonly #client: Redis | Cluster
  readonly #owed: Deadlines<Owed>
  #turn: Owed | undefined

  constructor (client: Redis | Cluster, publishTimeout: number) {
    this.#client = client
    this.#owed = new Deadlines(publishTimeout, ({ expire }) => { for (const one of expire) one() })
  }

  start (): void {
    // What was under way may have been carried out or not, and ioredis would never say.
    this.#client.on('close', () => this.#owed.expireAll())
  }

  /**
   * @param failed makes the error, of what the work failed with, or of nothing when no answer came in time
   * @param answered is told the answer first
   */
  bounded<T> (work: () => Promise<T>, failed: (cause?: unknown) => Error, answered?: (value: T) => void): Promise<T> {
    if (this.#client.status !== 'ready') return Promise.reject(unavailable())
    return new Promise((resolve, reject) => {
      const owed = this.#thisTurn()
      owed.expire.push(() => reject(failed())) // which is nothing any more for one that is settled
      work().then(value => {
        this.#answered(owed)
        answered?.(value)
        resolve(value)
      }, cause => {
        this.#answered(owed)
        reject(failed(cause))
      })
    })
  }

  close (): void {
    this.#owed.expireAll()
    this.#owed.close()
  }

  #thisTurn (): Owed {
    if (this.#turn === undefined) {
      this.#turn = { expire: [], answers: 0 }
      this.#owed.add(this.#turn)
      process.nextTick(() => { this.#turn = undefined })
    }
    return this.#turn
  }

  #answered (owed: Owed): void {
    if (++owed.answers === owed.expire.length && owed !== this.#turn) this.#owed.delete(owed)
  }
}
