import type { Position } from '../types/index.js'
import type { BrokerEvents, BrokerHistory, BrokerRecords } from '../lib/brokers/broker.js'
import { MemoryBroker } from '../lib/brokers/memory.js'
import { errors } from '../lib/errors.js'
import type { Payload } from '../lib/wire.js'
import { within } from './clock.js'
import type { Exchange } from './exchange.js'
import { contentOf, unanswered } from './traffic.js'
import type { Call, CallKind, TestBroker } from './traffic.js'

/** `mute`: what is sent arrives, and nothing comes back. */
export type LinkState = 'up' | 'down' | 'mute'

/** One connection to the bus. Whatever is under way on it ends with it. */
class Link {
  readonly state: LinkState
  readonly lost: Promise<void>
  lose!: () => void

  constructor (state: LinkState) {
    this.state = state
    this.lost = new Promise(resolve => { this.lose = resolve })
  }
}

/** A broker in memory that can be cut off from the others. */
export class BusBroker implements TestBroker {
  readonly name: string
  readonly history: BrokerHistory
  readonly records: BrokerRecords
  readonly #exchange: Exchange
  readonly #memory: MemoryBroker
  /** What is delivered late may find that the subscription which it was for is gone. */
  readonly #subscriptions = new Map<string, object>()
  /** What others are to know as soon as they can be told. */
  readonly #reports = new Map<string, number>()
  #events: BrokerEvents | undefined
  #link: Link
  /** The latest send that has not been carried out. */
  #unsent: Promise<unknown> | undefined

  constructor (exchange: Exchange, name: string, polled: boolean, state: LinkState) {
    this.name = name
    this.#exchange = exchange
    this.#memory = new MemoryBroker(exchange.memory)
    this.#link = new Link(state)
    const { history, records } = this.#memory
    this.records = {
      clock: () => this.#ask('records', undefined, () => records.clock()),
      keep: (text, lifetime) => this.#ask('records', undefined, () => records.keep(text, lifetime)),
      list: () => this.#ask('records', undefined, () => records.list())
    }
    this.history = {
      polled,
      append: (channel, text, mid, bounds) => this.#send(channel, text, mid, () => history.append(channel, text, mid, bounds)),
      read: (channel, from, bounds, limit) => this.#ask('read', channel, () => history.read(channel, from, bounds, limit)),
      tail: (channel, limit, bytes) => this.#ask('read', channel, () => history.tail(channel, limit, bytes))
    }
  }

  start (events: BrokerEvents): void {
    this.#events = events
    this.#memory.start({ ...events, up: () => {}, message: (channel, payload, position) => this.hear(this.#exchange.handing, channel, payload, position) })
    if (this.#link.state === 'up') events.up()
  }

  publish (channel: string, text: string, id: string): Promise<number> {
    return this.#send(channel, text, id, () => this.#memory.publish(channel, text))
  }

  subscribe (channel: string): Promise<void> {
    return this.#ask('subscribe', channel, () => {
      if (!this.#subscriptions.has(channel)) this.#subscriptions.set(channel, {})
      return this.#memory.subscribe(channel)
    })
  }

  unsubscribe (channel: string): Promise<void> {
    return this.#ask('unsubscribe', channel, () => {
      this.#subscriptions.delete(channel)
      return this.#memory.unsubscribe(channel)
    })
  }

  report (channel: string, members: number): void {
    if (this.#link.state === 'up') this.#memory.report(channel, members)
    else this.#reports.set(channel, members)
  }

  count (channel: string): Promise<number> {
    return this.#ask('count', channel, () => this.#memory.count(channel))
  }

  flush (): Promise<void> {
    return this.#ask('flush', undefined, async () => {
      // What the test keeps back may come at any time, or never.
      if (this.#exchange.deliveries.keep(({ to }) => to === this)) throw new errors.FST_ROOMS_BROKER_UNAVAILABLE()
    })
  }

  async close (): Promise<void> {
    this.#events = undefined
    this.#relink('down')
    await this.#memory.close()
  }

  hears (channel: string): boolean {
    return this.#subscriptions.has(channel)
  }

  /** Something is on its way to this application. */
  hear (call: Call, channel: string, payload: Payload, position?: Position): void {
    const subscription = this.#subscriptions.get(channel)
    const delivery = { room: this.#exchange.roomOf(channel), from: call.by, to: this, ...contentOf(payload) }
    this.#exchange.deliveries.pass(delivery, call, () => {
      if (this.#subscriptions.get(channel) === subscription) this.#events?.message(channel, payload, position)
    })
  }

  missed (channel: string): void {
    if (this.#subscriptions.has(channel)) this.#events?.missed(channel)
  }

  cut (state: Exclude<LinkState, 'up'>): void {
    const wasUp = this.#link.state === 'up'
    this.#relink(state)
    if (wasUp) this.#events?.down()
  }

  restore (): void {
    if (this.#link.state === 'up') return
    this.#relink('up')
    for (const [channel, members] of this.#reports) this.#memory.report(channel, members)
    this.#reports.clear()
    this.#events?.up()
  }

  #relink (state: LinkState): void {
    this.#link.lose()
    this.#link = new Link(state)
    this.#unsent = undefined
    for (const channel of this.#subscriptions.keys()) this.#memory.unsubscribe(channel)
    this.#subscriptions.clear()
  }

  #send<T> (channel: string, text: string, id: string, work: () => T | Promise<T>): Promise<T> {
    const call: Call = { kind: 'send', by: this, room: this.#exchange.roomOf(channel), id, ...contentOf(text) }
    return this.#exchange.run(call, () => this.#do(call, () => this.#exchange.hand(call, work)))
  }

  #ask<T> (kind: Exclude<CallKind, 'send'>, channel: string | undefined, work: () => Promise<T>): Promise<T> {
    const room = channel === undefined ? undefined : this.#exchange.roomOf(channel)
    // What is listened to beside rooms is about records, and no test that counts subscriptions to rooms should see it.
    const call: Call = room?.startsWith('!') === true
      ? { kind: 'records', by: this, room: undefined, id: undefined, command: undefined, data: undefined }
      : { kind, by: this, room, id: undefined, command: undefined, data: undefined }
    return this.#exchange.run(call, () => this.#do(call, work))
  }

  /** In the turn of the call, as far as nothing is in its way. */
  async #do<T> (call: Call, work: () => T | Promise<T>): Promise<T> {
    const link = this.#link
    if (link.state === 'down' || (link.state === 'mute' && call.kind !== 'send')) throw new errors.FST_ROOMS_BROKER_UNAVAILABLE()
    let over = false
    const carryOut = async (): Promise<T> => {
      if (over || link !== this.#link) throw unanswered(call) // nobody waits for it any more: it is as good as lost
      return await work()
    }
    const pass = (): Promise<T> => this.#exchange.calls.pass(call, call, carryOut) as Promise<T>
    const before = call.kind === 'send' ? this.#unsent : undefined
    const answer = before === undefined ? pass() : this.#exchange.wait(call, before).then(pass)
    const answered = within(this.#exchange.answerTimeout, Promise.race([answer.then(value => ({ value })), link.lost]))
    if (call.kind === 'send' && this.#exchange.waits(call)) this.#haveWait(answered)
    try {
      const result = await answered
      if (result === undefined || link.state === 'mute') throw unanswered(call)
      return result.value
    } finally {
      over = true
    }
  }

  /** Sends wait for this one, which is not carried out yet: of one sender, they keep their order. */
  #haveWait (answered: Promise<unknown>): void {
    const waiting = answered.then(() => {}, () => {}).then(() => {
      if (this.#unsent === waiting) this.#unsent = undefined
    })
    this.#unsent = waiting
  }
}
