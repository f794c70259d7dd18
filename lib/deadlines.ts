const kDue = Symbol('fastify-rooms.due')

/** A place among those that wait. A class, for the reason that `Upgrading` in lib/drain.ts is one. */
class Due<T extends object> {
  readonly item: T & Timed<T>
  readonly owner: Deadlines<T>
  /** In the time of `performance.now()`. */
  readonly at: number
  previous: Due<T>
  next: Due<T>

  constructor (item: T & Timed<T>, owner: Deadlines<T>, at: number, previous: Due<T> | undefined, next: Due<T> | undefined) {
    this.item = item
    this.owner = owner
    this.at = at
    this.previous = previous ?? this
    this.next = next ?? this
  }
}

/** Knows its place, so that it is not looked up: a Map would be copied over and over while a crowd passes through it. */
interface Timed<T extends object> {
  [kDue]?: Due<T> | undefined
}

/**
 * Things that must happen within one and the same time: tokens, hooks, confirmations. As the time is the same for
 * all, whoever came first expires first, so one ring in order and one timer serve any number of them. Nothing has more
 * than one deadline at a time.
 */
export class Deadlines<T extends object> {
  readonly #ms: number
  readonly #expire: (item: T) => void
  /** Stands between the last one and the first. */
  readonly #ring: Due<T>
  #size = 0
  #timer: NodeJS.Timeout | undefined

  /** @param ms how long each item has, in milliseconds */
  constructor (ms: number, expire: (item: T) => void) {
    this.#ms = ms
    this.#expire = expire
    this.#ring = new Due({} as T, this, Infinity, undefined, undefined)
  }

  get size (): number {
    return this.#size
  }

  /** Starts the time of an item, or starts it again. */
  add (item: T): void {
    const timed = item as T & Timed<T>
    timed[kDue]?.owner.delete(timed)
    const { previous: last } = this.#ring
    timed[kDue] = this.#ring.previous = last.next = new Due(timed, this, performance.now() + this.#ms, last, this.#ring)
    this.#size++
    this.#timer ??= this.#arm(this.#ms)
  }

  has (item: T): boolean {
    return (item as Timed<T>)[kDue]?.owner === this
  }

  /** @returns whether it was still waiting */
  delete (item: T): boolean {
    const { [kDue]: due } = item as Timed<T>
    if (due?.owner !== this) return false
    due.item[kDue] = undefined
    due.previous.next = due.next
    due.next.previous = due.previous
    due.previous = due.next = due // what is garbage, and not collected yet, would hold those that came after it
    this.#size--
    return true
  }

  /** Everything that waits, now, as if its time were over. */
  expireAll (): void {
    while (this.#size > 0) this.#expireFirst()
  }

  close (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    while (this.#size > 0) this.delete(this.#ring.next.item)
  }

  #arm (ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#sweep(), ms)
  }

  #sweep (): void {
    this.#timer = undefined
    const now = performance.now()
    while (this.#size > 0) {
      const { at } = this.#ring.next
      // A timer may fire a fraction of a millisecond early.
      if (at - now >= 1) {
        clearTimeout(this.#timer) // what has expired may have been added again, and have begun one
        this.#timer = this.#arm(at - now)
        return
      }
      this.#expireFirst()
    }
  }

  #expireFirst (): void {
    const { item } = this.#ring.next
    this.delete(item)
    this.#expire(item)
  }
}
