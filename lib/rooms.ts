import type { FastifyBaseLogger } from 'fastify'
import type { Message, Receipt, SendOptions } from '../types/index.js'
import type { Broker } from './brokers/broker.js'
import { Channel, Channels } from './channel.js'
import { GONE } from './connection.js'
import type { RoomConnection } from './connection.js'
import { isError } from './errors.js'
import { FanOut, Turn } from './fanout.js'
import { nextId } from './id.js'
import { encodeMessage, isMessage, sealed, statusFrame, unsealed } from './protocol.js'
import { checkRoomName } from './room.js'
import { throttled } from './stats.js'
import type { Counters } from './stats.js'

export interface RoomsSettings {
  broker: Broker
  /** Whether the broker hands over only what `sendToRoom` made, so that it need not be checked again. */
  trusted: boolean
  prefix: string
  whenBrokerDown: 'local' | 'reject'
  subscribeTimeout: number
  linger: number
  maxMessage: number
  /** From how many bytes on messages are compressed for those who have agreed to it; Infinity is never. */
  compressFrom: number
}

interface Room {
  readonly members: FanOut
  readonly channel: Channel
}

const RESYNC_FRAME = statusFrame('resync')
/** How long it takes from one try to the next, in milliseconds. */
const TELL_AGAIN = 250
/** What a header may add to a message, in bytes. */
const MAX_SEAL = 64

/** Who is in which room, here. A room exists while somebody is in it, wants in, or has just left. */
export class RoomTable {
  readonly #settings: RoomsSettings
  readonly #counters: Counters
  readonly #log: FastifyBaseLogger
  readonly #channels: Channels
  /** By the name of the broker's channel, which is what arrives with every message. */
  readonly #rooms = new Map<string, Room>()
  readonly #turn = new Turn()
  /** Channels whose room this process has served alone, and whose members elsewhere are to be told. */
  readonly #alone = new Set<string>()
  #telling: NodeJS.Timeout | undefined
  #closed = false
  readonly #sending = new Set<Promise<unknown>>()
  readonly #warnMalformed: (details: object) => void
  readonly #warnDegraded: (details: object) => void
  readonly #warnFailed: (details: object) => void
  readonly #warnSubscription: (details: object) => void
  readonly #warnBroker: (details: object) => void

  constructor (settings: RoomsSettings, counters: Counters, log: FastifyBaseLogger) {
    this.#settings = settings
    this.#counters = counters
    this.#log = log
    this.#channels = new Channels(settings.broker, settings)
    this.#warnMalformed = throttled(details => log.warn(details, 'skipped a broker payload that is no message'))
    this.#warnDegraded = throttled(details => log.warn(details, 'broker unreachable, message served to this process only'))
    this.#warnFailed = throttled(details => log.error(details, 'message could not be sent to the room'))
    this.#warnSubscription = throttled(details => log.error(details, 'broker refused a subscription, trying again'))
    this.#warnBroker = throttled(details => log.error(details, 'broker connection failed'))
  }

  start (): void {
    if (this.#closed) return // an application may be closed while it boots
    this.#settings.broker.start({
      message: (channel, payload) => this.#receive(channel, payload),
      up: () => this.#brokerUp(),
      down: () => this.#brokerDown(),
      error: err => this.#warnBroker({ err })
    })
  }

  /** Whether messages arrive and can be sent, as far as is known. */
  get healthy (): boolean {
    return this.#channels.up && this.#alone.size === 0
  }

  /** Rooms with members here, and the members of all of them together. */
  totals (): { rooms: number, members: number } {
    let rooms = 0
    let members = 0
    for (const room of this.#rooms.values()) {
      if (room.members.size > 0) rooms++
      members += room.members.size
    }
    return { rooms, members }
  }

  /**
   * Makes a connection a member once the broker has confirmed the subscription, and calls `announce` in the same turn,
   * so that no message can come before it and none after it is missed. Nothing is left behind when the client goes
   * while the broker is still asked.
   * @param announce is told whether the broker did not confirm in time
   */
  async join (name: string, connection: RoomConnection, announce: (degraded: boolean) => void): Promise<void> {
    const channelName = this.#settings.prefix + name
    const room = this.#open(channelName)
    room.channel.hold()
    let live: boolean
    try {
      live = await connection.until(() => room.channel.whenLive())
      if (!connection.open) throw GONE
    } catch (error) {
      room.channel.release()
      throw error
    }
    room.members.add(connection)
    connection.rooms.add(name)
    this.#settings.broker.report(channelName, room.members.size)
    announce(!live)
  }

  /** Takes a connection out of all its rooms. */
  leaveAll (connection: RoomConnection): void {
    for (const name of connection.rooms) {
      const channelName = this.#settings.prefix + name
      const room = this.#rooms.get(channelName) as Room // there is one for as long as it has a member
      room.members.delete(connection)
      this.#settings.broker.report(channelName, room.members.size)
      room.channel.release()
    }
    connection.rooms.clear()
  }

  encode (message: Message): Buffer {
    return encodeMessage(message, this.#settings.maxMessage)
  }

  /** The promise is watched: when nobody awaits it, a rejection is logged and ends nothing. */
  send (name: string, message: Message, options: SendOptions = {}): Promise<Receipt> {
    const id = nextId()
    return this.#watch(name, id, this.#encodeAndPublish(name, message, options, id))
  }

  /** The same for a message that was encoded before. */
  sendEncoded (name: string, payload: Buffer, options: SendOptions): Promise<Receipt> {
    const id = nextId()
    return this.#watch(name, id, this.#publish(name, payload, options, id))
  }

  async count (name: string): Promise<number> {
    checkRoomName(name)
    return await this.#settings.broker.count(this.#settings.prefix + name)
  }

  /** Sends what waits for the end of this turn. */
  flush (): void {
    this.#turn.flush()
  }

  /** Resolves when no send is under way, and what was sent has reached the members here. Both are bounded by `publishTimeout`. */
  async settled (): Promise<void> {
    while (this.#sending.size > 0) await Promise.allSettled(this.#sending)
    await this.#settings.broker.flush().catch(() => {})
  }

  async close (): Promise<void> {
    this.#closed = true
    clearTimeout(this.#telling)
    await this.settled()
    this.#channels.close()
    for (const { channel } of this.#rooms.values()) channel.stop()
    await this.#settings.broker.close()
  }

  #open (channelName: string): Room {
    const known = this.#rooms.get(channelName)
    if (known !== undefined) return known
    const members = new FanOut(this.#turn, this.#settings.compressFrom, count => { this.#counters.delivered += count })
    const channel = new Channel(channelName, this.#channels, {
      // Whoever was a member before this moment may have missed something, and should look again.
      live: () => members.send(RESYNC_FRAME),
      idle: () => { this.#rooms.delete(channelName) },
      failed: err => this.#warnSubscription({ err, channel: channelName })
    })
    const room = { members, channel }
    this.#rooms.set(channelName, room)
    return room
  }

  #receive (channelName: string, received: Buffer): void {
    this.#counters.received++
    const message = received.length <= this.#settings.maxMessage + MAX_SEAL ? unsealed(received) : undefined
    if (message?.payload.equals(RESYNC_FRAME) === true) {
      this.#rooms.get(channelName)?.members.send(RESYNC_FRAME)
      return
    }
    if (message === undefined || (!this.#settings.trusted && (message.payload.length > this.#settings.maxMessage || !isMessage(message.payload)))) {
      this.#counters.malformed++
      this.#warnMalformed({ channel: channelName, bytes: received.length })
      return
    }
    this.#rooms.get(channelName)?.members.send(message.payload, message.volatile)
  }

  async #encodeAndPublish (name: string, message: Message, options: SendOptions, id: string): Promise<Receipt> {
    checkRoomName(name)
    return await this.#publish(name, this.encode(message), options, id)
  }

  async #publish (name: string, payload: Buffer, { volatile = false }: SendOptions, id: string): Promise<Receipt> {
    const channelName = this.#settings.prefix + name
    try {
      return { id, subscribers: await this.#settings.broker.publish(channelName, sealed(payload, volatile), id) }
    } catch (error) {
      if (this.#settings.whenBrokerDown === 'reject' || !isError(error, 'FST_ROOMS_BROKER_UNAVAILABLE')) throw error
      this.#counters.degraded++
      this.#warnDegraded({ err: error, room: name, id })
      const members = this.#rooms.get(channelName)?.members
      members?.send(payload, volatile)
      this.#servedAlone(channelName)
      return { id, subscribers: members !== undefined && members.size > 0 ? 1 : 0, degraded: true }
    }
  }

  /**
   * Members elsewhere were never cut off from the broker, and yet have missed what only this process's members saw.
   * As soon as something can be sent again, everyone in the room is told to look again.
   */
  #servedAlone (channelName: string): void {
    this.#alone.add(channelName)
    this.#telling ??= setTimeout(async () => {
      for (const channel of this.#alone) {
        // A send that nobody confirmed may have told them. To tell them twice does no harm.
        const told = await this.#settings.broker.publish(channel, RESYNC_FRAME, nextId()).then(() => true, () => false)
        if (!told) break
        this.#alone.delete(channel)
      }
      this.#telling = undefined
      const [next] = this.#alone
      if (next !== undefined && !this.#closed) this.#servedAlone(next)
    }, TELL_AGAIN)
  }

  #watch (room: string, id: string, sending: Promise<Receipt>): Promise<Receipt> {
    this.#counters.sent++
    this.#sending.add(sending)
    sending.then(() => {
      this.#sending.delete(sending)
    }, err => {
      this.#sending.delete(sending)
      this.#counters.failed++
      this.#warnFailed({ err, room, id })
    })
    return sending
  }

  #brokerUp (): void {
    this.#channels.up = true
    // In memory there is nothing that could be down, and nobody wants to hear of it.
    if (!this.#settings.trusted) this.#log.info('broker is up')
    for (const { channel } of this.#rooms.values()) channel.reconcile()
  }

  #brokerDown (): void {
    this.#channels.up = false
    this.#log.warn('broker is down, subscriptions will be made again when it is back')
    for (const { channel } of this.#rooms.values()) channel.lost()
  }
}
