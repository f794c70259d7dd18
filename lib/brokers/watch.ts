import { Canary } from './canary.js'
import type { RedisLink } from './redis-link.js'

/** Looks whether what is published arrives. */
export interface Watch {
  /** There are subscriptions to be made: its own come before all others. Rejects when they are refused. */
  start (): Promise<void>
  /** The subscriptions are lost. */
  stop (): void
  /** There is another connection to publish on. */
  forget (): void
  /** Whether a message was the watch's own. */
  takes (channel: string, payload: Buffer): boolean
  /** Called at regular times. */
  tick (): void
}

/** Of one server, with one connection to publish and one to listen. */
export class SingleWatch implements Watch {
  readonly #link: RedisLink
  readonly #canary: Canary
  readonly #deaf: () => void
  #listening = false

  /** @param name a channel of this process alone */
  constructor (link: RedisLink, name: string, deaf: () => void) {
    this.#link = link
    this.#canary = new Canary(name, (channel, text) => link.publish(channel, text))
    this.#deaf = deaf
  }

  async start (): Promise<void> {
    await this.#link.subscribe([this.#canary.channel])
    this.#listening = true
  }

  stop (): void {
    this.#listening = false
    this.#canary.forget()
  }

  forget (): void {
    this.#canary.forget()
  }

  takes (channel: string, payload: Buffer): boolean {
    if (channel !== this.#canary.channel) return false
    this.#canary.heard(payload)
    return true
  }

  tick (): void {
    if (this.#listening && this.#canary.tick()) this.#deaf()
  }
}
