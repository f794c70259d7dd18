import type { FastifyBaseLogger } from 'fastify'
import { Channel, Channels } from './channel.js'
import { GONE } from './connection.js'
import type { RoomConnection } from './connection.js'
import { FanOut, Turn } from './fanout.js'
import { isMessage, isResync, isVolatile, RESYNC_FRAME, unsealed } from './protocol.js'
import { Sender } from './sender.js'
import type { SenderSettings } from './sender.js'
import { throttled } from './stats.js'
import type { Counters } from './stats.js'
import { sizeOf } from './wire.js'
import type { Payload } from './wire.js'

export interface RoomsSettings extends SenderSettings {
  /** Whether the broker hands over only what `sendToRoom` made, so that it need not be checked again. */
  trusted: boolean
  subscribeTimeout: number
  linger: number
  /** From how many bytes on messages are compressed for those who have agreed to it; Infinity is never. */
  compressFrom: number
}

interface Room {
  readonly members: FanOut
  readonly channel: Channel
}

/** Who is in which room, here. A room exists while somebody is in it, wants in, or has just left. */
export class RoomTable {
  readonly sender: Sender
  readonly #settings: RoomsSettings
  readonly #counters: Counters
  readonly #log: FastifyBaseLogger
  readonly #channels: Channels
  /** By the name of the broker's channel, which is what arrives with every message. */
  readonly #rooms = new Map<string, Room>()
  readonly #turn = new Turn()
  #closed = false
  readonly #warnMalformed: (details: object) => void
  readonly #warnSubscription: (details: object) => void
  readonly #warnBroker: (details: object) => void

  constructor (settings: RoomsSettings, counters: Counters, log: FastifyBaseLogger) {
    this.#settings = settings
    this.#counters = counters
    this.#log = log
    this.#channels = new Channels(settings.broker, settings)
    this.sender = new Sender(settings, counters, log, channelName => this.#rooms.get(channelName)?.members)
    this.#warnMalformed = throttled(details => log.warn(details, 'skipped a broker payload that is no message'))
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
    return this.#channels.up && !this.sender.owes
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
    const channelName = this.sender.channels.of(name)
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
      const channelName = this.sender.channels.of(name)
      const room = this.#rooms.get(channelName) as Room // there is one for as long as it has a member
      room.members.delete(connection)
      this.#settings.broker.report(channelName, room.members.size)
      room.channel.release()
    }
    connection.rooms.clear()
  }

  async count (name: string): Promise<number> {
    return await this.#settings.broker.count(this.sender.channels.of(name))
  }

  /** Sends what waits for the end of this turn. */
  flush (): void {
    this.#turn.flush()
  }

  /** Resolves when no send is under way, and what was sent has reached the members here. Both are bounded by `publishTimeout`. */
  async settled (): Promise<void> {
    await this.sender.settled()
    await this.#settings.broker.flush().catch(() => {})
  }

  async close (): Promise<void> {
    this.#closed = true
    this.sender.close()
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

  #receive (channelName: string, received: Payload): void {
    this.#counters.received++
    const volatile = isVolatile(received)
    const payload = volatile ? unsealed(received) : received
    if (!this.#settings.trusted && (sizeOf(payload) > this.#settings.maxMessage || !isMessage(payload)) && !isResync(payload)) {
      this.#counters.malformed++
      this.#warnMalformed({ channel: channelName, bytes: sizeOf(received) })
      return
    }
    this.#rooms.get(channelName)?.members.send(payload, volatile)
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
