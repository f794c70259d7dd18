/**
 * Things that must happen within one and the same time: tokens, hooks, confirmations. As the time is the same for
 * all, whoever came first expires first, so one Set in order and one timer serve any number of them.
 */
export class Deadlines<T extends object> {
  readonly #ms: number
  readonly #expire: (item: T) => void
  readonly #due = new Map<T, number>()
  #timer: NodeJS.Timeout | undefined

  /** @param ms how long each item has, in milliseconds */
  constructor (ms: number, expire: (item: T) => void) {
    this.#ms = ms
    this.#expire = expire
  }

  get size (): number {
    return this.#due.size
  }

  /** Starts the time of an item, or starts it again. */
  add (item: T): void {
    this.#due.delete(item)
    this.#due.set(item, performance.now() + this.#ms)
    this.#timer ??= this.#arm(this.#ms)
  }

  /** Whether it was still waiting. */
  delete (item: T): boolean {
    return this.#due.delete(item)
  }

  /** Everything that waits, now, as if its time were over. */
  expireAll (): void {
    for (const item of this.#due.keys()) {
      this.#due.delete(item)
      this.#expire(item)
    }
  }

  close (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#due.clear()
  }

  #arm (ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#sweep(), ms)
  }

  #sweep (): void {
    this.#timer = undefined
    const now = performance.now()
    for (const [item, due] of this.#due) {
      // A timer may fire a fraction of a millisecond early.
      if (due - now >= 1) {
        this.#timer = this.#arm(due - now)
        return
      }
      this.#due.delete(item)
      this.#expire(item)
    }
  }
}
