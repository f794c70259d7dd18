import type { Broker, BrokerEvents } from './broker.js'

/** What one broker has to do with a channel. */
interface Presence {
  readonly broker: MemoryBroker
  subscribed: boolean
  members: number
}

/** What brokers of one process share. Give the same bus to several applications, and they are one system. */
export class MemoryBus {
  /** The arrays are replaced and never changed: a message may be on its way through one. */
  readonly channels = new Map<string, readonly Presence[]>()
}

/** The broker of one process: nothing to install, and nothing that can fail. */
export class MemoryBroker implements Broker {
  readonly #bus: MemoryBus
  #events: BrokerEvents | undefined

  constructor (bus: MemoryBus = new MemoryBus()) {
    this.#bus = bus
  }

  start (events: BrokerEvents): void {
    this.#events = events
    events.up()
  }

  publish (channel: string, text: string): number | Promise<number> {
    let subscribers = 0
    for (const { broker, subscribed } of this.#bus.channels.get(channel) ?? []) {
      if (!subscribed) continue
      subscribers++
      broker.#events?.message(channel, text)
    }
    return subscribers
  }

  async subscribe (channel: string): Promise<void> {
    this.#update(channel, { subscribed: true })
  }

  async unsubscribe (channel: string): Promise<void> {
    this.#update(channel, { subscribed: false })
  }

  report (channel: string, members: number): void {
    this.#update(channel, { members })
  }

  async count (channel: string): Promise<number> {
    let count = 0
    for (const { members } of this.#bus.channels.get(channel) ?? []) count += members
    return count
  }

  async flush (): Promise<void> {}

  async close (): Promise<void> {
    for (const channel of this.#bus.channels.keys()) this.#update(channel, { subscribed: false, members: 0 })
  }

  /** There is nothing about a channel that nobody has to do with. */
  #update (channel: string, change: Partial<Presence>): void {
    const all = this.#bus.channels.get(channel) ?? []
    const known = all.find(({ broker }) => broker === this)
    const own = Object.assign(known ?? { broker: this, subscribed: false, members: 0 }, change)
    const needed = own.subscribed || own.members > 0
    if (needed === (known !== undefined)) return
    const others = needed ? [...all, own] : all.filter(presence => presence !== own)
    if (others.length > 0) this.#bus.channels.set(channel, others)
    else this.#bus.channels.delete(channel)
  }
}
