import type { Position } from '../../types/index.js'

/** How many channels the end of the history is remembered for. A channel that was forgotten costs Redis one look. */
const CAPACITY = 10_000

/** Where histories ended when Redis last said so. Nothing is decided by them alone: they are only a lower bound. */
export class Positions {
  readonly #known = new Map<string, Position>()

  get (channel: string): Position | undefined {
    return this.#known.get(channel)
  }

  /** Answers of two connections may come in the other order, so within an epoch only what is later counts. */
  learn (channel: string, { epoch, seq, mid }: Position): void {
    const known = this.#known.get(channel)
    if (known !== undefined) {
      if (known.epoch === epoch && known.seq >= seq) return
      this.#known.delete(channel)
    } else if (this.#known.size >= CAPACITY) {
      const [oldest] = this.#known.keys()
      this.#known.delete(oldest as string)
    }
    this.#known.set(channel, { epoch, seq, mid })
  }
}
