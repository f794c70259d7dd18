/** For how long it is remembered who was too slow, in milliseconds, and of how many. */
const MEMORY = 60_000
const REMEMBERED = 10_000

/**
 * Who was cut off for reading too slowly. A client that is sent all that it has missed, cannot take it, is cut off, and
 * comes back to be sent the same and more, would do so for ever: after the second time it gets no more than what is new.
 */
export class SlowReaders {
  /** When each was cut off, the time before last and the last time. */
  readonly #times = new Map<string, readonly [number, number]>()

  add (user: string | undefined): void {
    if (user === undefined) return
    const [, last] = this.#times.get(user) ?? [-Infinity, -Infinity]
    this.#times.delete(user)
    this.#times.set(user, [last, performance.now()])
    if (this.#times.size > REMEMBERED) this.#times.delete(this.#times.keys().next().value as string)
  }

  /** Whether it has happened twice within a minute. */
  has (user: string | undefined): boolean {
    const [first] = (user !== undefined && this.#times.get(user)) || [-Infinity]
    return performance.now() - first < MEMORY
  }
}
