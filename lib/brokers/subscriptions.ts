import { Deadlines } from '../deadlines.js'
import { isReply, redacted } from './redis-errors.js'
import type { RedisLink } from './redis-link.js'

/** How long it takes until a channel is looked after again for the same reason, in milliseconds: members must not reload at every message. */
const PATIENCE = 1_000

interface Request {
  readonly channel: string
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** A channel on which Redis has counted nobody, though this process should be among them. */
interface Doubt {
  readonly channel: string
  again: boolean
}

/** What this process is subscribed to. */
export class Subscriptions {
  readonly #link: RedisLink
  readonly #missed: (channel: string) => void
  readonly #subscribes: Request[] = []
  readonly #unsubscribes: Request[] = []
  readonly #live = new Set<string>()
  readonly #doubts = new Map<string, Doubt>()
  readonly #doubted = new Deadlines<Doubt>(PATIENCE, doubt => {
    this.#doubts.delete(doubt.channel)
    if (doubt.again) this.doubt(doubt.channel)
  })

  /** @param missed is told of a channel of which something may have been missed though it is subscribed to */
  constructor (link: RedisLink, missed: (channel: string) => void) {
    this.#link = link
    this.#missed = missed
  }

  get live (): Iterable<string> {
    return this.#live
  }

  /** Whether the subscription was confirmed and is wanted. */
  has (channel: string): boolean {
    return this.#live.has(channel)
  }

  async subscribe (channel: string): Promise<void> {
    await this.#batch(this.#subscribes, channel, channels => this.#link.subscribe(channels))
    this.#live.add(channel)
  }

  async unsubscribe (channel: string): Promise<void> {
    this.#live.delete(channel)
    await this.#batch(this.#unsubscribes, channel, channels => this.#link.unsubscribe(channels))
  }

  /** All are gone. */
  lost (): void {
    this.#live.clear()
  }

  /** Subscribes again, and then says that something was missed, if the channel is subscribed to at all. */
  doubt (channel: string): void {
    if (!this.#live.has(channel)) return
    const known = this.#doubts.get(channel)
    if (known !== undefined) {
      known.again = true
      return
    }
    const doubt = { channel, again: false }
    this.#doubts.set(channel, doubt)
    this.#doubted.add(doubt)
    const told = (): void => { if (this.#live.has(channel)) this.#missed(channel) }
    this.#batch(this.#subscribes, channel, channels => this.#link.subscribe(channels)).then(told, told)
  }

  close (): void {
    this.#live.clear()
    this.#doubted.close()
  }

  /** Requests of one turn go out as one command: after a reconnection, there may be thousands. */
  async #batch (requests: Request[], channel: string, send: (channels: string[]) => Promise<unknown>): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      requests.push({ channel, resolve, reject })
      if (requests.length > 1) return
      queueMicrotask(() => {
        while (requests.length > 0) sendTogether(requests.splice(0, this.#link.batch), send)
      })
    })
  }
}

function sendTogether (requests: Request[], send: (channels: string[]) => Promise<unknown>): void {
  send(requests.map(({ channel }) => channel)).then(() => {
    for (const { resolve } of requests) resolve()
  }, error => {
    // One channel that is refused must not keep the others from being heard.
    if (requests.length > 1 && isReply(error)) for (const request of requests) sendTogether([request], send)
    else for (const { reject } of requests) reject(redacted(error))
  })
}
