import type { Message } from '../types/index.js'
import { errors } from '../lib/errors.js'
import { BusBroker } from './broker.js'
import { Exchange } from './exchange.js'
import { Trap } from './fault.js'
import type { Fault, FaultOptions, Hold, Target } from './fault.js'
import { Keeping, Reordering } from './keeping.js'
import { contentOf, unanswered } from './traffic.js'
import type { Call, CallKind, Delivery, TestBroker } from './traffic.js'

export interface BusOptions {
  /** The `prefix` of the applications. @default 'rooms:' */
  prefix?: string | undefined
  /** How long an application waits for the bus to answer a call, in milliseconds. @default 2000 */
  answerTimeout?: number | undefined
}

export interface BrokerOptions {
  /** For those who look at `hits`. @default 'broker 1', 'broker 2', … */
  name?: string | undefined
  /** Whether the plugin is to look for missed messages every second, as with a broker that does not notice all losses. @default false */
  polled?: boolean | undefined
}

export interface RefuseOptions extends FaultOptions {
  /** What the calls fail with. @default FST_ROOMS_BROKER_UNAVAILABLE */
  error?: Error | undefined
}

export interface UnconfirmOptions extends FaultOptions {
  /** Whether the messages arrive, though nobody says so. @default true */
  arrive?: boolean | undefined
}

export interface PartitionOptions {
  /** @default false */
  oneSided?: boolean | undefined
}

/**
 * What joins applications in one process, as a Redis joins processes, and what can go wrong with it. Nothing happens by
 * chance, or after a time: a test says what, and when.
 */
export class TestBus {
  readonly #exchange: Exchange
  readonly #brokers: BusBroker[] = []
  #out = false

  constructor ({ prefix = 'rooms:', answerTimeout = 2_000 }: BusOptions = {}) {
    this.#exchange = new Exchange(prefix, answerTimeout)
  }

  /** A broker for one application. */
  broker ({ name = `broker ${this.#brokers.length + 1}`, polled = false }: BrokerOptions = {}): TestBroker {
    const broker = new BusBroker(this.#exchange, name, polled, this.#out ? 'down' : 'up')
    this.#brokers.push(broker)
    return broker
  }

  /**
   * Has another program publish to a room: a message, or any text or bytes, be they a message or not.
   * @returns how many applications are subscribed
   */
  publish (room: string, payload: Message | string | Buffer): number {
    const text = typeof payload === 'string' || Buffer.isBuffer(payload) ? payload : JSON.stringify(payload)
    const call: Call = { kind: 'send', by: undefined, room, id: undefined, ...contentOf(text) }
    const channel = this.#exchange.channelOf(room)
    const subscribed = this.#brokers.filter(broker => broker.hears(channel))
    for (const broker of subscribed) broker.hear(call, channel, text)
    return subscribed.length
  }

  // Messages on their way to applications. Their sender has been told that they were sent.

  /** Messages are lost. */
  drop (target?: Target<Delivery>, options?: FaultOptions): Fault<Delivery> {
    return this.#exchange.deliveries.add(new Trap(target, options), () => {})
  }

  /** Messages are late: they wait until they are released, and others overtake them. */
  hold (target?: Target<Delivery>, options?: FaultOptions): Hold<Delivery> {
    const hold = new Keeping(target, options)
    return this.#exchange.deliveries.add(hold, (delivery, arrive) => hold.keep(delivery, arrive))
  }

  /** Messages arrive twice. */
  duplicate (target?: Target<Delivery>, options?: FaultOptions): Fault<Delivery> {
    return this.#exchange.deliveries.add(new Trap(target, options), (_, arrive) => {
      arrive()
      arrive()
    })
  }

  /**
   * The next messages to each application arrive in the opposite order, once all of them are there.
   * @param options.times how many @default 2
   */
  reorder (target?: Target<Delivery>, options?: FaultOptions): Fault<Delivery> {
    const reordering = new Reordering(target, options)
    return this.#exchange.deliveries.add(reordering, (delivery, arrive) => reordering.keep(delivery, arrive))
  }

  // What applications ask of the bus.

  /** Calls fail, and nothing is done. */
  refuse (kind: CallKind, target?: Target<Call>, { error, ...options }: RefuseOptions = {}): Fault<Call> {
    return this.#exchange.calls.add(new Trap(...ofKind(kind, target, options)), async () => {
      throw error ?? new errors.FST_ROOMS_BROKER_UNAVAILABLE()
    })
  }

  /** Nobody says whether a message was sent: sends fail with FST_ROOMS_SEND_UNKNOWN. */
  unconfirm (target?: Target<Call>, { arrive = true, ...options }: UnconfirmOptions = {}): Fault<Call> {
    return this.#exchange.calls.add(new Trap(...ofKind('send', target, options)), async (call, carryOut) => {
      if (arrive) await carryOut()
      throw unanswered(call)
    })
  }

  /**
   * Calls wait until they are released, and messages behind those of the same sender, too. After `answerTimeout` they fail
   * as calls do that nobody answers.
   */
  stall (kind: CallKind, target?: Target<Call>, options?: FaultOptions): Hold<Call> {
    const hold = new Keeping(...ofKind(kind, target, options))
    return this.#exchange.calls.add(hold, async (call, carryOut) => {
      await this.#exchange.wait(call, new Promise<void>(resolve => hold.keep(call, resolve)))
      return await carryOut()
    })
  }

  /** Nothing goes wrong: the calls are only remembered. */
  watch (kind: CallKind, target?: Target<Call>, options?: FaultOptions): Fault<Call> {
    return this.#exchange.calls.add(new Trap(...ofKind(kind, target, options)))
  }

  // The connections, and what the bus keeps.

  /** Nobody reaches the bus, until `restore`; not even applications that are made meanwhile. What it keeps is kept. */
  outage (): void {
    this.#out = true
    for (const broker of this.#brokers) broker.cut('down')
  }

  /**
   * Cuts applications off from the bus, and so from the others, until `restore`. They know it: their brokers are down.
   * @param options.oneSided what they send arrives, and no answer comes back: FST_ROOMS_SEND_UNKNOWN
   */
  partition (brokers: TestBroker | readonly TestBroker[], { oneSided = false }: PartitionOptions = {}): void {
    for (const broker of this.#own(brokers)) broker.cut(oneSided ? 'mute' : 'down')
  }

  /** Ends outages and partitions, of all or of these. Applications subscribe again, and tell their members `resync`. */
  restore (brokers?: TestBroker | readonly TestBroker[]): void {
    if (brokers === undefined) this.#out = false
    for (const broker of brokers === undefined ? this.#brokers : this.#own(brokers)) broker.restore()
  }

  /** Tells the applications that messages of a room may have been missed, though their subscriptions stand. */
  missed (room: string): void {
    for (const broker of this.#brokers) broker.missed(this.#exchange.channelOf(room))
  }

  /** Loses the history of a room, or all that it keeps, as a Redis that starts anew: what comes next begins a new epoch. */
  forget (room?: string): void {
    if (room === undefined) this.#exchange.memory.records.forget()
    this.#exchange.memory.histories.forget(room === undefined ? undefined : this.#exchange.channelOf(room))
  }

  /** Loses the last messages of a history, as a replica has not got them that takes over. Their numbers are given again. */
  rollBack (room: string, messages = 1): void {
    const { histories } = this.#exchange.memory
    const channel = this.#exchange.channelOf(room)
    let entries = 0
    let left = messages
    for (const { text } of histories.tail(channel, Infinity).toReversed()) {
      if (left === 0) break
      if (text !== '') left-- // an epoch that has begun since is lost with them
      entries++
    }
    histories.rollBack(channel, entries)
  }

  /**
   * Resolves when everything that was sent has been handed to the applications, and what they have made of it to their
   * clients, but for what is held or stalled. It knows nothing of timers, and of what handlers still do.
   */
  async settled (): Promise<void> {
    await this.#exchange.settled()
  }

  #own (brokers: TestBroker | readonly TestBroker[]): BusBroker[] {
    return [brokers].flat().map(given => {
      const own = this.#brokers.find(broker => broker === given)
      if (own === undefined) throw new TypeError(`${given?.name ?? 'This'} is no broker of this bus: give what bus.broker() has returned, and what the application was given.`)
      return own
    })
  }
}

function ofKind (kind: CallKind, target: Target<Call> = {}, options?: FaultOptions): [Target<Call>, FaultOptions | undefined] {
  if (typeof target === 'number') return [{ kind }, { times: target }]
  if (typeof target === 'function') return [call => call.kind === kind && target(call), options]
  return [{ ...target, kind }, options]
}
