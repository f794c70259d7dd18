import type { Position } from '../../types/index.js'
import type { Broker, BrokerEvents, BrokerHistory, BrokerRecords } from './broker.js'
import { MemoryHistories, MemoryHistory } from './memory-history.js'
import { MemoryRecords } from './memory-records.js'

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
  readonly histories = new MemoryHistories()
  readonly records = new MemoryRecords()
}

/** The broker of one process: nothing to install, and nothing that can fail. */
export class MemoryBroker implements Broker {
  readonly history: BrokerHistory
  readonly records: BrokerRecords
  readonly #bus: MemoryBus
  #events: BrokerEvents | undefined

  constructor (bus: MemoryBus = new MemoryBus()) {
    this.#bus = bus
    this.records = bus.records
    this.history = new MemoryHistory(bus.histories, (channel, payload, position) => this.#deliver(channel, payload, position))
  }

  start (events: BrokerEvents): void {
    this.#events = events
    events.up()
  }

  publish (channel: string, text: string): number | Promise<number> {
    return this.#deliver(channel, text)
  }

  async subscribe (channel: string): Promise<void> {
    this.#presence(channel).subscribed = true
  }

  async unsubscribe (channel: string): Promise<void> {
    this.#presence(channel).subscribed = false
    this.#tidy(channel)
  }

  report (channel: string, members: number): void {
    this.#presence(channel).members = members
    if (members === 0) this.#tidy(channel)
  }

  async count (channel: string): Promise<number> {
    let count = 0
    for (const { members } of this.#bus.channels.get(channel) ?? []) count += members
    return count
  }

  async flush (): Promise<void> {}

  async close (): Promise<void> {
    for (const channel of this.#bus.channels.keys()) {
      Object.assign(this.#presence(channel), { subscribed: false, members: 0 })
      this.#tidy(channel)
    }
  }

  #deliver (channel: string, payload: string, position?: Position): number {
    let subscribers = 0
    for (const { broker, subscribed } of this.#bus.channels.get(channel) ?? []) {
      if (!subscribed) continue
      subscribers++
      broker.#events?.message(channel, payload, position)
    }
    return subscribers
  }

  #presence (channel: string): Presence {
    const all = this.#bus.channels.get(channel) ?? []
    for (const presence of all) if (presence.broker === this) return presence
    const own = { broker: this, subscribed: false, members: 0 }
    this.#bus.channels.set(channel, [...all, own])
    return own
  }

  /** Nothing is kept about a channel with which nobody has to do any more. */
  #tidy (channel: string): void {
    const needed = this.#bus.channels.get(channel)?.filter(({ subscribed, members }) => subscribed || members > 0)
    if (needed !== undefined && needed.length > 0) this.#bus.channels.set(channel, needed)
    else this.#bus.channels.delete(channel)
  }
}
