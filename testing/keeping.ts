import { Trap } from './fault.js'
import type { FaultOptions, Hold, Target } from './fault.js'
import type { Delivery, TestBroker } from './traffic.js'

export class Keeping<T extends object> extends Trap<T> implements Hold<T> {
  #kept: Array<{ item: T, go: () => void }> = []

  get held (): number {
    return this.#kept.length
  }

  /** @param go what happens when it is let go */
  keep (item: T, go: () => void): void {
    this.#kept.push({ item, go })
  }

  release (count?: number): void {
    if (count === undefined) this.stop()
    for (const { go } of this.#kept.splice(0, count ?? Infinity)) go()
  }

  override keeps (selects: (item: T) => boolean): boolean {
    return this.#kept.some(({ item }) => selects(item))
  }

  /** Takes some of what it keeps out of it. */
  protected take (selects: (item: T) => boolean): Array<() => void> {
    const taken = this.#kept.filter(({ item }) => selects(item))
    this.#kept = this.#kept.filter(({ item }) => !selects(item))
    return taken.map(({ go }) => go)
  }
}

/** Keeps the next few messages to each application, and lets them go last first. */
export class Reordering extends Keeping<Delivery> {
  readonly #count: number
  readonly #met = new Map<TestBroker, number>()

  constructor (target: Target<Delivery> | undefined, { times = 2 }: FaultOptions = {}) {
    super(typeof target === 'number' ? {} : target)
    this.#count = typeof target === 'number' ? target : times
  }

  override meets (delivery: Delivery, unit: object): boolean {
    const met = this.#met.get(delivery.to) ?? 0
    if (met === this.#count || !super.meets(delivery, unit)) return false
    this.#met.set(delivery.to, met + 1)
    return true
  }

  override keep (delivery: Delivery, go: () => void): void {
    super.keep(delivery, go)
    if (this.#met.get(delivery.to) === this.#count) this.#letGo(delivery.to)
  }

  /** What waits for others that do not come any more is not lost. */
  override stop (): void {
    super.stop()
    for (const to of this.#met.keys()) this.#letGo(to)
  }

  #letGo (to: TestBroker): void {
    for (const go of this.take(delivery => delivery.to === to).reverse()) go()
  }
}
