/** How many ticks a message that Redis has taken may be on its way, and how many one may be that it has not. */
const TICKS = 2
const UNCONFIRMED = 4

/**
 * Publishes where this process listens itself. A connection that answers pings may still be one that nothing is heard on:
 * the publisher's may lead to another server than the subscriber's, or a subscription may be gone and nobody said so.
 */
export class Canary {
  readonly channel: string
  readonly #publish: (channel: string, text: string) => Promise<number>
  #notes = 0
  /** What was sung and not heard yet. */
  #song: { note: string, confirmed: boolean, ticks: number } | undefined

  constructor (channel: string, publish: (channel: string, text: string) => Promise<number>) {
    this.channel = channel
    this.#publish = publish
  }

  heard (payload: Buffer): void {
    if (payload.toString() === this.#song?.note) this.#song = undefined
  }

  /** Connections were lost or made: what is on its way means nothing any more. */
  forget (): void {
    this.#song = undefined
  }

  /** Called at regular times, unless this process was not running. @returns whether nothing is heard */
  tick (): boolean {
    if (this.#song !== undefined) {
      const { confirmed } = this.#song
      const ticks = ++this.#song.ticks
      if (!confirmed && ticks >= UNCONFIRMED) this.forget()
      return confirmed && ticks >= TICKS
    }
    const song = { note: String(this.#notes++), confirmed: false, ticks: 0 }
    this.#song = song
    this.#publish(this.channel, song.note).then(() => { song.confirmed = true }, () => {})
    return false
  }
}
