import type { FastifyBaseLogger } from 'fastify'
import type { HistoryBounds, Message, Receipt, Room, SendOptions } from '../types/index.js'
import type { Appended, Broker, BrokerHistory } from './brokers/broker.js'
import { isError } from './errors.js'
import type { FanOut } from './fanout.js'
import { nextId } from './id.js'
import { isRoom, nameOf } from './contract.js'
import { checkSize, encodeMessage, RESYNC_FRAME, sealed } from './protocol.js'
import type { Serializers } from './serializers.js'
import type { Address, Addresses } from './address.js'
import { throttled } from './stats.js'
import type { Counters } from './stats.js'

export interface SenderSettings {
  broker: Broker
  addresses: Addresses
  serializers: Serializers
  whenBrokerDown: 'local' | 'reject'
  maxMessage: number
}

/** How long it takes from one try to reach the broker to the next, in milliseconds. */
const TELL_AGAIN = 250

/** What goes from handlers to the broker, and what becomes of it when the broker cannot be reached. */
export class Sender {
  readonly #settings: SenderSettings
  readonly #counters: Counters
  /** The members of a channel's room in this process, if there are any. */
  readonly #membersOf: (channelName: string) => FanOut | undefined
  readonly #warnDegraded: (details: object) => void
  readonly #warnFailed: (details: object) => void
  /** By their channels, the rooms whose members have missed something that only this process knows of, and are to be told. */
  readonly #untold = new Map<string, Address>()
  #telling: NodeJS.Timeout | undefined
  #sending = 0
  #settled: (() => void) | undefined
  #closed = false

  constructor (settings: SenderSettings, counters: Counters, log: FastifyBaseLogger, membersOf: (channelName: string) => FanOut | undefined) {
    this.#settings = settings
    this.#counters = counters
    this.#membersOf = membersOf
    this.#warnDegraded = throttled(details => log.warn(details, 'broker unreachable, message served to this process only'))
    this.#warnFailed = throttled(details => log.error(details, 'message could not be sent to the room'))
  }

  /** Whether there are members who do not know yet that they have missed something. */
  get owes (): boolean {
    return this.#untold.size > 0
  }

  /** @throws FST_ROOMS_INVALID_ROOM, FST_ROOMS_INVALID_MESSAGE, FST_ROOMS_MESSAGE_TOO_LARGE */
  encode (room: string | Room, message: Message): string {
    const { addresses, serializers, maxMessage } = this.#settings
    if (isRoom(room)) addresses.meet(room.contract)
    const { dialect, history } = addresses.of(nameOf(room))
    const text = isRoom(room) ? serializers.encode(room.contract, (message ?? {}) as Message) : encodeMessage(message, maxMessage)
    if (isRoom(room)) checkSize(text, maxMessage)
    return dialect === undefined ? text : dialect.encode(text, history !== undefined)
  }

  /** When nobody awaits the promise, a rejection is logged and ends nothing. */
  send (room: string | Room, message: Message, options?: SendOptions): Promise<Receipt> {
    try {
      return this.sendEncoded(nameOf(room), this.encode(room, message), options?.volatile === true)
    } catch (error) {
      this.#counters.sent++
      const failing = Promise.reject(error)
      this.#failed(failing, error, nameOf(room), undefined)
      return failing
    }
  }

  sendEncoded (room: string, text: string, volatile: boolean): Promise<Receipt> {
    const id = nextId()
    const address = this.#settings.addresses.of(room)
    const { channel: channelName, history } = address
    this.#counters.sent++
    if (history !== undefined && !volatile) return this.#keep(channelName, history, text, room, id)
    const published = this.#publish(channelName, volatile ? sealed(text) : text, id)
    if (typeof published === 'number') return Promise.resolve({ id, subscribers: published })
    this.#sending++
    const sending: Promise<Receipt> = published.then(subscribers => {
      this.#done()
      return { id, subscribers }
    }, error => {
      this.#done()
      if (this.#settings.whenBrokerDown === 'local' && isError(error, 'FST_ROOMS_BROKER_UNAVAILABLE')) {
        this.#warnDegraded({ err: error, room, id })
        return this.#serveAlone(address, text, volatile, id)
      }
      this.#failed(sending, error, room, id)
      throw error
    })
    return sending
  }

  /** What is to be kept must be numbered, and nobody but the broker can do that: there is no serving alone. */
  #keep (channelName: string, bounds: HistoryBounds, text: string, room: string, id: string): Promise<Receipt> {
    this.#sending++
    const sending: Promise<Receipt> = this.#append(channelName, text, id, bounds).then(({ seq, subscribers }) => {
      this.#done()
      return { id, seq, subscribers }
    }, error => {
      this.#done()
      this.#failed(sending, error, room, id)
      throw error
    })
    return sending
  }

  async #append (channelName: string, text: string, id: string, bounds: HistoryBounds): Promise<Appended> {
    // At boot it was checked that a broker has a history, if any room is to have one.
    return await (this.#settings.broker.history as BrokerHistory).append(channelName, text, id, bounds)
  }

  /** What a reply has announced was not sent, or perhaps not, and nobody will send it again: members must look for themselves. */
  tellOf (room: string, error: unknown): void {
    if (isError(error, 'FST_ROOMS_BROKER_UNAVAILABLE') || isError(error, 'FST_ROOMS_SEND_UNKNOWN')) this.#tellLater(this.#settings.addresses.of(room))
  }

  /** Resolves when no send is under way. Each is bounded by `publishTimeout`. */
  async settled (): Promise<void> {
    while (this.#sending > 0) await new Promise<void>(resolve => { this.#settled = resolve })
  }

  close (): void {
    this.#closed = true
    clearTimeout(this.#telling)
  }

  /** A broker that throws at once has rejected: the request that sends must not fail of it. */
  #publish (channelName: string, text: string, id: string): number | Promise<number> {
    try {
      return this.#settings.broker.publish(channelName, text, id)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #done (): void {
    if (--this.#sending === 0) this.#settled?.()
  }

  #failed (failing: Promise<unknown>, err: unknown, room: string, id: string | undefined): void {
    failing.catch(() => {}) // the caller may not listen, and the log does
    this.#counters.failed++
    this.#warnFailed({ err, room, id })
  }

  #serveAlone (address: Address, text: string, volatile: boolean, id: string): Receipt {
    this.#counters.degraded++
    const members = this.#membersOf(address.channel)
    const frame = address.dialect === undefined ? text : address.dialect.show(text)
    if (frame !== undefined) members?.send(frame, volatile)
    this.#tellLater(address)
    return { id, subscribers: members !== undefined && members.size > 0 ? 1 : 0, degraded: true }
  }

  /**
   * Members elsewhere were never cut off from the broker, and yet have missed what only this process's members saw, or
   * nobody. As soon as something can be sent again, everyone in the room is told to look again.
   */
  #tellLater (address: Address): void {
    this.#untold.set(address.channel, address)
    if (!this.#closed) this.#telling ??= setTimeout(() => this.#tell(), TELL_AGAIN)
  }

  async #tell (): Promise<void> {
    for (const address of this.#untold.values()) {
      // One that nobody confirmed may have told them. To tell them twice does no harm.
      const told = await this.#tellNow(address).then(() => true, () => false)
      if (!told) break
      this.#untold.delete(address.channel)
    }
    this.#telling = undefined
    const [next] = this.#untold.values()
    if (next !== undefined) this.#tellLater(next)
  }

  /** In a room with history, also who is away now must be told when it comes back: there, it is kept like a message. */
  async #tellNow ({ channel, history }: Address): Promise<unknown> {
    const id = nextId()
    if (history !== undefined) return await this.#append(channel, RESYNC_FRAME, id, history)
    return await this.#publish(channel, RESYNC_FRAME, id)
  }
}
