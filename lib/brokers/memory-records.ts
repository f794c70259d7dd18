import type { BrokerRecords, Kept } from './broker.js'

/** What is over is looked for when there are so many, and then whenever they have doubled. */
const PURGE_AT = 1_000

/** What all brokers of a bus must know. */
export class MemoryRecords implements BrokerRecords {
  readonly #expires = new Map<string, number>()
  #purgeAt = PURGE_AT

  async clock (): Promise<number> {
    return Date.now()
  }

  async keep (text: string, lifetime: number): Promise<void> {
    if (this.#expires.size >= this.#purgeAt) this.#purge(performance.now())
    this.#expires.set(text, performance.now() + lifetime)
  }

  async list (): Promise<readonly Kept[]> {
    const now = performance.now()
    this.#purge(now)
    return [...this.#expires].map(([text, expires]) => ({ text, remaining: expires - now }))
  }

  /** What a Redis does that loses its data. */
  forget (): void {
    this.#expires.clear()
  }

  #purge (now: number): void {
    for (const [text, expires] of this.#expires) if (expires <= now) this.#expires.delete(text)
    this.#purgeAt = Math.max(PURGE_AT, 2 * this.#expires.size)
  }
}
