import type { Cluster } from 'ioredis'
import { Canary } from './canary.js'
import type { RedisLink } from './redis-link.js'
import { SlotOwners, slotOf } from './slots.js'
import type { Subscriptions } from './subscriptions.js'
import type { Watch } from './watch.js'

/** How many names are tried in one tick to find one in the slots of a master; it may have few. */
const TRIES = 2_000

/** Where the canary of a master sits. */
interface Perch {
  readonly owner: string
  readonly canary: Canary
  listening: boolean
}

/** Of a Cluster: each master has a connection of its own to publish, and one to listen that ioredis shows nobody. */
export class ClusterWatch implements Watch {
  readonly #link: RedisLink
  readonly #name: string
  readonly #subscriptions: Subscriptions
  readonly #deaf: () => void
  readonly #owners: SlotOwners
  readonly #perches = new Map<string, Perch>()
  #names = 0

  /** @param name how channels of this process begin */
  constructor (link: RedisLink, name: string, subscriptions: Subscriptions, deaf: () => void) {
    this.#link = link
    this.#name = name
    this.#subscriptions = subscriptions
    this.#deaf = deaf
    this.#owners = new SlotOwners(link.commands as Cluster)
  }

  async start (): Promise<void> {
    this.#owners.changed()
    for (const perch of this.#perches.values()) this.#listen(perch)
  }

  stop (): void {
    for (const perch of this.#perches.values()) perch.listening = false
  }

  /** A Cluster has one client for all, so `start` and `stop` say everything. */
  forget (): void {}

  takes (channel: string, payload: Buffer): boolean {
    if (!channel.startsWith(this.#name)) return false
    this.#perches.get(channel)?.canary.heard(payload)
    return true
  }

  tick (): void {
    this.#follow()
    const without = this.#owners.all()
    for (const [channel, { owner, canary, listening }] of this.#perches) {
      if (this.#owners.of(slotOf(channel)) !== owner) {
        this.#perches.delete(channel)
        this.#link.unsubscribe([channel]).catch(() => {})
        continue
      }
      without.delete(owner)
      if (listening && canary.tick()) {
        this.#deaf()
        return
      }
    }
    for (const owner of without) this.#place(owner)
  }

  /** ioredis takes the subscriptions along with a slot, and does not say whether that went well, or what was missed. */
  #follow (): void {
    const changed = this.#owners.changed()
    if (changed.size === 0) return
    for (const channel of this.#subscriptions.live) if (changed.has(slotOf(channel))) this.#subscriptions.doubt(channel)
  }

  #place (owner: string): void {
    for (let tries = 0; tries < TRIES; tries++) {
      const channel = `${this.#name}:${this.#names++}`
      if (this.#owners.of(slotOf(channel)) !== owner) continue
      const perch = { owner, canary: new Canary(channel, (channel, text) => this.#link.publish(channel, text)), listening: false }
      this.#perches.set(channel, perch)
      this.#listen(perch)
      return
    }
  }

  /** What is refused is tried again with the next connection. */
  #listen (perch: Perch): void {
    perch.listening = false
    perch.canary.forget()
    this.#link.subscribe([perch.canary.channel]).then(() => { perch.listening = true }, () => {})
  }
}
