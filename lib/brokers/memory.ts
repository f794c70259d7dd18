import type { Broker, BrokerEvents } from './broker.js'

/** What brokers of one process share. Give the same bus to several applications, and they are one system. */
export class MemoryBus {
  readonly subscribers = new Map<string, Set<MemoryBroker>>()
  readonly members = new Map<string, Map<MemoryBroker, number>>()
}

/** The broker of one process: nothing to install, and nothing that can fail. */
export class MemoryBroker implements Broker {
  readonly #bus: MemoryBus
  readonly #channels = new Set<string>()
  #events: BrokerEvents | undefined

  constructor (bus: MemoryBus = new MemoryBus()) {
    this.#bus = bus
  }

  start (events: BrokerEvents): void {
    this.#events = events
    events.up()
  }

  publish (channel: string, text: string): number | Promise<number> {
    const subscribers = this.#bus.subscribers.get(channel)
    if (subscribers === undefined) return 0
    for (const broker of subscribers) broker.#events?.message(channel, text)
    return subscribers.size
  }

  async subscribe (channel: string): Promise<void> {
    this.#channels.add(channel)
    const subscribers = this.#bus.subscribers.get(channel)
    if (subscribers === undefined) {
      this.#bus.subscribers.set(channel, new Set([this]))
    } else {
      subscribers.add(this)
    }
  }

  async unsubscribe (channel: string): Promise<void> {
    this.#channels.delete(channel)
    const subscribers = this.#bus.subscribers.get(channel)
    subscribers?.delete(this)
    if (subscribers?.size === 0) this.#bus.subscribers.delete(channel)
  }

  report (channel: string, members: number): void {
    const reports = this.#bus.members.get(channel)
    if (members > 0) {
      if (reports === undefined) this.#bus.members.set(channel, new Map([[this, members]]))
      else reports.set(this, members)
    } else if (reports?.delete(this) === true && reports.size === 0) {
      this.#bus.members.delete(channel)
    }
  }

  async count (channel: string): Promise<number> {
    let count = 0
    for (const members of this.#bus.members.get(channel)?.values() ?? []) count += members
    return count
  }

  async flush (): Promise<void> {}

  async close (): Promise<void> {
    for (const channel of [...this.#channels]) await this.unsubscribe(channel)
    for (const channel of [...this.#bus.members.keys()]) this.report(channel, 0)
  }
}
