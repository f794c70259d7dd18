import type { GapEvent, Position } from '../types/index.js'
import type { Address } from './address.js'
import { Batch } from './batch.js'
import { Channel } from './channel.js'
import type { Channels } from './channel.js'
import type { RoomConnection } from './connection.js'
import { inDialect } from './dialect.js'
import { errors } from './errors.js'
import { FanOut } from './fanout.js'
import type { Turn } from './fanout.js'
import type { Histories } from './histories.js'
import { RoomHistory } from './history.js'
import type { Resumed } from './history.js'
import { GONE } from './lifeline.js'
import { NOWHERE, RESYNC_FRAME } from './protocol.js'
import type { Standing } from './protocol.js'
import type { Resyncs } from './resync.js'
import type { Counters } from './stats.js'
import type { Payload } from './wire.js'

/** What all rooms of an application share. */
export interface RoomHost {
  readonly channels: Channels
  readonly counters: Counters
  readonly turn: Turn
  readonly resyncs: Resyncs
  /** Undefined where the broker keeps nothing. */
  readonly histories: Histories | undefined
  /** From how many bytes on messages are compressed for those who have agreed to it; Infinity is never. */
  readonly compressFrom: number
  /** The room has no members any more, and the broker holds nothing for it. */
  idle (room: Room): void
  /** The room has one member more, or one less. */
  changed (room: Room): void
  gap (event: GapEvent): void
  warnSubscription (details: object): void
  warnBroker (details: object): void
}

/** Who wants to be a member. */
export interface Entrant {
  readonly connection: RoomConnection
  /** Whether it still does. */
  readonly wanted: boolean
  /** It is one, from this very turn on. @param degraded whether the broker did not confirm in time */
  announce (standing: Standing, degraded: boolean): void
}

/** Where a member of a room without history stands. */
const ANYWHERE: Resumed = { standing: NOWHERE, missed: [] }

/** A room, here: its members, the broker's channel for it, and what it keeps. */
export class Room {
  readonly address: Address
  readonly members: FanOut
  readonly channel: Channel
  readonly history: RoomHistory | undefined
  readonly #host: RoomHost

  constructor (address: Address, host: RoomHost) {
    this.address = address
    this.#host = host
    this.members = new FanOut(address.room, host.turn, host.compressFrom, count => { host.counters.delivered += count })
    this.channel = new Channel(address.channel, host.channels, {
      // Whoever was a member before this moment may have missed something.
      live: () => this.missed(),
      idle: () => {
        this.history?.close()
        host.idle(this)
      },
      failed: err => host.warnSubscription({ err, channel: address.channel })
    })
    if (address.history === undefined || host.histories === undefined) return
    this.history = new RoomHistory(address, address.history, this.members, host.histories, {
      live: () => this.channel.live,
      filled: messages => this.#gap(messages, true),
      moved: news => {
        this.#gap(0, false)
        host.resyncs.move(this.members, this.#news(news, RESYNC_FRAME))
      },
      resync: news => host.resyncs.move(this.members, this.#batch([news])),
      unreadable: err => {
        host.warnBroker({ err, channel: address.channel })
        for (const member of [...this.members]) member.end('overloaded')
      }
    })
  }

  /**
   * Makes a connection a member once the broker has confirmed the subscription, and announces it in the same turn, so
   * that no message can come before it and none after it is missed. Nothing is left behind when the client goes while
   * the broker is still asked.
   * @param from where a client that comes back says that it stood
   * @throws GONE, FST_ROOMS_HISTORY_UNAVAILABLE
   */
  join (entrant: Entrant, from: Position | undefined): void | Promise<void> {
    this.channel.hold()
    this.members.flush() // which may be the end of whoever wants to be one
    // Where the room is alive already, and keeps nothing, there is nothing to wait for: not for a whole crowd that comes back.
    if (this.channel.live && this.history === undefined && entrant.wanted) this.#admit(entrant, true, from)
    else return this.#prepared(entrant, from)
  }

  async #prepared (entrant: Entrant, from: Position | undefined): Promise<void> {
    const { connection } = entrant
    let live: boolean
    try {
      live = await connection.until(() => this.channel.whenLive())
      if (this.history !== undefined) await this.#prepare(this.history, connection, live, from)
      this.members.flush()
      if (!entrant.wanted) throw GONE
    } catch (error) {
      this.channel.release()
      throw error
    }
    this.#admit(entrant, live, from)
  }

  #admit (entrant: Entrant, live: boolean, from: Position | undefined): void {
    const { connection } = entrant
    this.members.add(connection)
    connection.names.add(this.address.room)
    this.#host.changed(this)
    const { standing, missed } = this.history?.resume(from) ?? ANYWHERE
    entrant.announce(standing, !live)
    if (missed.length > 0) connection.replay(missed)
  }

  leave (connection: RoomConnection): void {
    this.members.delete(connection)
    this.channel.release()
    this.#host.changed(this)
  }

  /** What came from the broker, and was found to be good. @param resync whether it is no message, but the word to look again */
  receive (payload: Payload, volatile: boolean, position: Position | undefined, resync: boolean): void {
    if (this.history !== undefined && position !== undefined) {
      this.history.receive(position, payload, resync)
    } else if (resync) {
      this.#host.resyncs.tell(this.members, this.#news(RESYNC_FRAME))
    } else {
      if (this.history !== undefined && !volatile) this.#host.counters.unnumbered++
      this.members.send(payload, volatile)
    }
  }

  /** Something may have been missed: where it is kept, it is read; elsewhere, members must load anew. */
  missed (): void {
    if (this.history !== undefined) this.history.catchUp()
    else if (this.members.size > 0) {
      this.#gap(0, false)
      this.#host.resyncs.tell(this.members, this.#news(RESYNC_FRAME))
    }
  }

  /** The broker lost all subscriptions. */
  lost (): void {
    this.channel.lost()
    this.history?.lost()
  }

  /** Who cannot be told where it stands would miss messages and not know: better to come again later. */
  async #prepare (history: RoomHistory, connection: RoomConnection, live: boolean, from: Position | undefined): Promise<void> {
    if (!live) throw new errors.FST_ROOMS_HISTORY_UNAVAILABLE()
    try {
      await connection.until(() => history.open())
      if (from !== undefined) await connection.until(() => history.prepare(from))
    } catch (error) {
      throw error === GONE ? error : Object.assign(new errors.FST_ROOMS_HISTORY_UNAVAILABLE(), { cause: error })
    }
  }

  /** Words of the plugin's own, as the members hear them. */
  #news (...frames: string[]): Batch {
    return this.#batch(frames.map(frame => inDialect(this.address.dialect, frame)).filter(frame => frame !== undefined))
  }

  #batch (payloads: Payload[]): Batch {
    return new Batch(payloads, undefined, Infinity, this.address.room)
  }

  #gap (filled: number, complete: boolean): void {
    if (this.members.size === 0) return // and none has missed anything
    const { counters } = this.#host
    counters.gaps++
    counters.filled += filled
    if (!complete) counters.unfilled++
    this.#host.gap({ room: this.address.room, filled, complete })
  }
}
