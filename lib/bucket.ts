/** How much of something may be spent each second on average, and how much at once. */
export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

/** What is left of a rate. It begins full. */
export class Bucket {
  readonly #rate: Rate
  #left: number
  #at = performance.now()

  constructor (rate: Rate) {
    this.#rate = rate
    this.#left = rate.burst
  }

  /** Takes so much out of it, unless there is less in it. @returns whether there was enough */
  spend (amount = 1): boolean {
    const now = performance.now()
    this.#left = Math.min(this.#rate.burst, this.#left + (now - this.#at) / 1_000 * this.#rate.perSecond)
    this.#at = now
    if (this.#left < amount) return false
    this.#left -= amount
    return true
  }
}
