import type { FastifyBaseLogger } from 'fastify'
import type { Message, Receipt, SendOptions } from '../types/index.js'
import type { Broker } from './brokers/broker.js'
import { isError } from './errors.js'
import type { FanOut } from './fanout.js'
import { nextId } from './id.js'
import { encodeMessage, RESYNC_FRAME, sealed } from './protocol.js'
import { ChannelNames } from './room.js'
import { throttled } from './stats.js'
import type { Counters } from './stats.js'

export interface SenderSettings {
  broker: Broker
  prefix: string
  whenBrokerDown: 'local' | 'reject'
  maxMessage: number
}

/** How long it takes from one try to reach the broker to the next, in milliseconds. */
const TELL_AGAIN = 250

/** What goes from handlers to the broker, and what becomes of it when the broker cannot be reached. */
export class Sender {
  readonly channels: ChannelNames
  readonly #settings: SenderSettings
  readonly #counters: Counters
  /** The members of a channel's room in this process, if there are any. */
  readonly #membersOf: (channelName: string) => FanOut | undefined
  readonly #warnDegraded: (details: object) => void
  readonly #warnFailed: (details: object) => void
  /** Channels whose room this process has served alone, and whose members elsewhere are to be told. */
  readonly #alone = new Set<string>()
  #telling: NodeJS.Timeout | undefined
  #sending = 0
  #settled: (() => void) | undefined
  #closed = false

  constructor (settings: SenderSettings, counters: Counters, log: FastifyBaseLogger, membersOf: (channelName: string) => FanOut | undefined) {
    this.#settings = settings
    this.channels = new ChannelNames(settings.prefix)
    this.#counters = counters
    this.#membersOf = membersOf
    this.#warnDegraded = throttled(details => log.warn(details, 'broker unreachable, message served to this process only'))
    this.#warnFailed = throttled(details => log.error(details, 'message could not be sent to the room'))
  }

  /** Whether there are members elsewhere who do not know yet what they have missed. */
  get owes (): boolean {
    return this.#alone.size > 0
  }

  /** @throws FST_ROOMS_INVALID_ROOM, FST_ROOMS_INVALID_MESSAGE, FST_ROOMS_MESSAGE_TOO_LARGE */
  encode (room: string, message: Message): string {
    this.channels.of(room)
    return encodeMessage(message, this.#settings.maxMessage)
  }

  /** When nobody awaits the promise, a rejection is logged and ends nothing. */
  send (room: string, message: Message, options?: SendOptions): Promise<Receipt> {
    try {
      return this.sendEncoded(room, encodeMessage(message, this.#settings.maxMessage), options?.volatile === true)
    } catch (error) {
      this.#counters.sent++
      const failing = Promise.reject(error)
      this.#failed(failing, error, room, undefined)
      return failing
    }
  }

  sendEncoded (room: string, text: string, volatile: boolean): Promise<Receipt> {
    const id = nextId()
    const channelName = this.channels.of(room)
    this.#counters.sent++
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
        return this.#serveAlone(channelName, text, volatile, id)
      }
      this.#failed(sending, error, room, id)
      throw error
    })
    return sending
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

  #serveAlone (channelName: string, text: string, volatile: boolean, id: string): Receipt {
    this.#counters.degraded++
    const members = this.#membersOf(channelName)
    members?.send(text, volatile)
    this.#tellLater(channelName)
    return { id, subscribers: members !== undefined && members.size > 0 ? 1 : 0, degraded: true }
  }

  /**
   * Members elsewhere were never cut off from the broker, and yet have missed what only this process's members saw.
   * As soon as something can be sent again, everyone in the room is told to look again.
   */
  #tellLater (channelName: string): void {
    this.#alone.add(channelName)
    if (!this.#closed) this.#telling ??= setTimeout(() => this.#tell(), TELL_AGAIN)
  }

  async #tell (): Promise<void> {
    for (const channelName of this.#alone) {
      // One that nobody confirmed may have told them. To tell them twice does no harm.
      const told = await Promise.resolve(this.#publish(channelName, RESYNC_FRAME, nextId())).then(() => true, () => false)
      if (!told) break
      this.#alone.delete(channelName)
    }
    this.#telling = undefined
    const [next] = this.#alone
    if (next !== undefined) this.#tellLater(next)
  }
}
