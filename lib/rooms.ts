import type { FastifyBaseLogger } from 'fastify'
import type { GapEvent, History, Position, RoomContract } from '../types/index.js'
import type { Address } from './address.js'
import { Channels } from './channel.js'
import type { RoomConnection } from './connection.js'
import { errors } from './errors.js'
import { Turn } from './fanout.js'
import { Histories } from './histories.js'
import type { HistorySettings } from './histories.js'
import { isAnnounced, isMessage, isResync, isVolatile, unannounced, unsealed } from './protocol.js'
import { Resyncs } from './resync.js'
import { MAX_REVOCATION, revocationIn } from './revocation.js'
import type { Revocation } from './revocation.js'
import { Revocations } from './revocations.js'
import { Revoker } from './revoker.js'
import type { RevocationSettings } from './revoker.js'
import { Room } from './room.js'
import type { Entrant, RoomHost } from './room.js'
import { Sender } from './sender.js'
import type { SenderSettings } from './sender.js'
import { throttled } from './stats.js'
import type { Counters } from './stats.js'
import { sizeOf } from './wire.js'
import type { Payload } from './wire.js'

export interface RoomsSettings extends SenderSettings, HistorySettings, RevocationSettings {
  /** Whether the broker hands over only what `sendToRoom` made, so that it need not be checked again. */
  trusted: boolean
  subscribeTimeout: number
  onGap?: ((event: GapEvent) => void) | undefined
}

/** How often it is looked whether a history is to be looked at, in milliseconds. */
const TICK = 250

/** Who is in which room, here. A room exists while somebody is in it, wants in, or has just left. */
export class RoomTable implements RoomHost {
  readonly sender: Sender
  readonly revocations: Revocations
  readonly revoker: Revoker
  readonly channels: Channels
  readonly counters: Counters
  readonly turn = new Turn()
  readonly resyncs = new Resyncs()
  readonly histories: Histories | undefined
  readonly compressFrom: number
  readonly warnSubscription: (details: object) => void
  readonly warnBroker: (details: object) => void
  readonly #warnMalformed: (details: object) => void
  readonly #settings: RoomsSettings
  readonly #log: FastifyBaseLogger
  /** By the name of the broker's channel, which is what arrives with every message. */
  readonly #rooms = new Map<string, Room>()
  #ticking: NodeJS.Timeout | undefined
  #closed = false

  constructor (settings: RoomsSettings, counters: Counters, log: FastifyBaseLogger) {
    this.#settings = settings
    this.counters = counters
    this.compressFrom = settings.compressFrom
    this.#log = log
    this.channels = new Channels(settings.broker, settings)
    const { history } = settings.broker
    this.histories = history && new Histories(history, settings, counters)
    this.sender = new Sender(settings, counters, log, channelName => this.#rooms.get(channelName)?.members)
    this.revocations = new Revocations()
    this.revoker = new Revoker(settings, this.revocations, this.channels, {
      channelOf: room => settings.addresses.of(room).channel,
      endOf: async room => await this.histories?.end(settings.addresses.of(room))
    }, log)
    this.#warnMalformed = throttled(details => log.warn(details, 'skipped a broker payload that is no message'))
    this.warnSubscription = throttled(details => log.error(details, 'broker refused a subscription, trying again'))
    this.warnBroker = throttled(details => log.error(details, 'broker connection failed'))
  }

  /** @param evict puts out whom a revocation means, and says how many sockets that were */
  start (evict: (revocation: Revocation) => number): void {
    if (this.#closed) return // an application may be closed while it boots
    this.revocations.start(evict)
    this.revoker.start()
    this.#settings.broker.start({
      message: (channel, payload, position) => this.#receive(channel, payload, position),
      up: () => this.#brokerUp(),
      down: () => this.#brokerDown(),
      missed: channel => {
        if (channel === this.revoker.channel.name) this.revoker.load()
        else this.#rooms.get(channel)?.missed()
      },
      error: err => this.warnBroker({ err })
    })
    if (this.histories !== undefined) this.#ticking = setInterval(() => this.#tick(), TICK)
  }

  /** Whether messages arrive and can be sent, as far as is known. */
  get healthy (): boolean {
    return this.channels.up && !this.sender.owes && !this.revoker.owes
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
   * Makes a connection a member, and announces it in the same turn.
   * @param from where a client that comes back says that it stood
   * @throws GONE, FST_ROOMS_INVALID_ROOM, FST_ROOMS_HISTORY_UNAVAILABLE, FST_ROOMS_OTHER_CODEC
   */
  join (name: string, entrant: Entrant, from: Position | undefined): void | Promise<void> {
    const address = this.#settings.addresses.of(name)
    if (address.dialect !== entrant.connection.dialect) throw new errors.FST_ROOMS_OTHER_CODEC(name)
    return this.#open(address).join(entrant, from)
  }

  /** Takes a connection out of one of its rooms: what was sent before still comes. */
  leave (name: string, connection: RoomConnection): void {
    const room = this.#roomOf(name)
    room.members.flush()
    if (connection.names.delete(name)) room.leave(connection) // it may have been too slow for that, and has left them all
  }

  /** The members of a room in this process, as they are now. */
  membersOf (name: string): RoomConnection[] {
    return [...this.#rooms.get(this.#settings.addresses.of(name).channel)?.members ?? []]
  }

  /** Takes a connection out of all its rooms. */
  leaveAll (connection: RoomConnection): void {
    for (const name of connection.names.clear()) this.#roomOf(name).leave(connection)
  }

  /** What the rooms of a contract keep, also where none of this application's routes has told. */
  meet (contract: RoomContract): void {
    this.#settings.addresses.meet(contract)
  }

  async count (name: string): Promise<number> {
    return await this.#settings.broker.count(this.#settings.addresses.of(name).channel)
  }

  async history (name: string, since: Pick<Position, 'epoch' | 'seq'> | undefined, limit: number | undefined): Promise<History> {
    const address = this.#settings.addresses.of(name)
    if (address.history === undefined || this.histories === undefined) throw new errors.FST_ROOMS_NO_HISTORY(name)
    return await this.histories.list(address, since, limit ?? address.history.size)
  }

  /** Sends what waits for the end of this turn. */
  flush (): void {
    this.turn.flush()
  }

  /** Resolves when no send is under way, and what was sent has reached the members here. Both are bounded by `publishTimeout`. */
  async settled (): Promise<void> {
    await this.sender.settled()
    await this.#settings.broker.flush().catch(() => {})
  }

  async close (): Promise<void> {
    this.#closed = true
    clearInterval(this.#ticking)
    this.resyncs.close()
    this.histories?.close()
    this.sender.close()
    await this.settled()
    await this.revoker.close()
    this.channels.close()
    for (const { channel } of this.#rooms.values()) channel.stop()
    await this.#settings.broker.close()
  }

  idle ({ address }: Room): void {
    this.#rooms.delete(address.channel)
  }

  changed ({ address, members }: Room): void {
    this.#settings.broker.report(address.channel, members.size)
  }

  gap (event: GapEvent): void {
    try {
      this.#settings.onGap?.(event)
    } catch (err) {
      this.#log.error({ err, room: event.room }, 'onGap failed')
    }
  }

  #open (address: Address): Room {
    const known = this.#rooms.get(address.channel)
    if (known !== undefined) return known
    const room = new Room(address, this)
    this.#rooms.set(address.channel, room)
    return room
  }

  #roomOf (name: string): Room {
    const { channel } = this.#settings.addresses.of(name)
    return this.#rooms.get(channel) as Room // there is one for as long as it has a member
  }

  /** What comes from a broker is not trusted: it is looked at once, here, and not for each member. */
  #receive (channelName: string, received: Payload, position: Position | undefined): void {
    this.counters.received++
    if (isAnnounced(received)) {
      this.#heed(received, channelName)
      return
    }
    const volatile = isVolatile(received)
    const payload = volatile ? unsealed(received) : received
    const room = this.#rooms.get(channelName)
    const resync = !volatile && isResync(payload, position)
    const frame = resync ? payload : this.#shown(room, payload, position)
    if (frame === undefined) {
      this.#skip(channelName, received)
      return
    }
    room?.receive(frame, volatile, position, resync)
  }

  #heed (received: Payload, channelName: string): void {
    const revocation = sizeOf(received) > MAX_REVOCATION ? undefined : revocationIn(unannounced(received))
    if (revocation === undefined) this.#skip(channelName, received)
    else this.revocations.learn(revocation)
  }

  #skip (channelName: string, received: Payload): void {
    this.counters.malformed++
    this.#warnMalformed({ channel: channelName, bytes: sizeOf(received) })
  }

  /** What members get of what has come; undefined where it is no message. */
  #shown (room: Room | undefined, payload: Payload, position: Position | undefined): Payload | undefined {
    const { trusted, maxMessage } = this.#settings
    const dialect = room?.address.dialect
    if (dialect !== undefined) return dialect.received(payload, position)
    return trusted || (sizeOf(payload) <= maxMessage && isMessage(payload)) ? payload : undefined
  }

  #brokerUp (): void {
    this.channels.up = true
    // In memory there is nothing that could be down, and nobody wants to hear of it.
    if (!this.#settings.trusted) this.#log.info('broker is up')
    this.revoker.begin()
    this.revoker.channel.reconcile()
    for (const { channel } of this.#rooms.values()) channel.reconcile()
  }

  #brokerDown (): void {
    this.channels.up = false
    this.#log.warn('broker is down, subscriptions will be made again when it is back')
    this.revoker.channel.lost()
    for (const room of this.#rooms.values()) room.lost()
  }

  #tick (): void {
    const now = performance.now()
    for (const { history, members } of this.#rooms.values()) if (members.size > 0) history?.tick(now)
  }
}
