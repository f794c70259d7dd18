import type { BrokerRecords, Kept } from './broker.js'

/** What all brokers of a bus must know. */
export class MemoryRecords implements BrokerRecords {
  readonly #expires = new Map<string, number>()

  async clock (): Promise<number> {
    return Date.now()
  }

  async keep (text: string, lifetime: number): Promise<void> {
    this.#expires.set(text, performance.now() + lifetime)
  }

  async list (): Promise<readonly Kept[]> {
    const now = performance.now()
    const kept: Kept[] = []
    for (const [text, expires] of this.#expires) {
      if (expires > now) kept.push({ text, remaining: expires - now })
      else this.#expires.delete(text)
    }
    return kept
  }

  /** What a Redis does that loses its data. */
  forget (): void {
    this.#expires.clear()
  }
}
