import type { FastifyBaseLogger } from 'fastify'
import type { Position, RevokeOptions, Revoked } from '../types/index.js'
import type { Broker, BrokerRecords } from './brokers/broker.js'
import { Channel } from './channel.js'
import type { Channels } from './channel.js'
import { errors, isError } from './errors.js'
import { nextId } from './id.js'
import { announced } from './protocol.js'
import { revocationIn, textOf } from './revocation.js'
import type { Revocation } from './revocation.js'
import type { Revocations } from './revocations.js'

export interface RevocationSettings {
  broker: Broker
  prefix: string
  subscribeTimeout: number
  revocationLifetime: number
}

/** Whose access is taken away: a user's, to everything or to one room; or everyone's, to a room. */
interface Target {
  readonly user?: string | undefined
  readonly room?: string | undefined
}

/** What has been taken away, and cannot be told to others yet. */
interface Untold {
  readonly target: Target
  readonly lifetime: number
  /** In the time of `performance.now()`. */
  readonly since: number
  /** In milliseconds since 1970 by the broker's clock, as soon as that was heard: each try tells of the same revocation. */
  at: number | undefined
}

/** What a room knows of itself that a revocation needs. */
export interface Places {
  /** The broker's channel of a room. */
  channelOf (room: string): string
  /** Where its history ends; undefined where it has none. */
  endOf (room: string): Promise<Position | undefined>
}

/** How long it takes from one try to the next, in milliseconds. */
const AGAIN = 500
/** How many wait for the broker. */
const MAX_UNTOLD = 1_000

/**
 * Takes access away, and hears of what others have taken. What is published reaches only those who listen; so each
 * revocation is kept by the broker as well, for as long as the tokens that it means may live, and each process holds all of
 * them: it reads them whenever it begins to listen, or begins anew.
 */
export class Revoker {
  readonly channel: Channel
  readonly #revocations: Revocations
  readonly #broker: Broker
  readonly #settings: RevocationSettings
  readonly #places: Places
  readonly #log: FastifyBaseLogger
  readonly #untold = new Set<Untold>()
  #waiting: NodeJS.Timeout | undefined
  #retry: NodeJS.Timeout | undefined
  #reload: NodeJS.Timeout | undefined
  #closed = false

  constructor (settings: RevocationSettings, revocations: Revocations, channels: Channels, places: Places, log: FastifyBaseLogger) {
    this.#settings = settings
    this.#revocations = revocations
    this.#broker = settings.broker
    this.#places = places
    this.#log = log
    this.channel = new Channel(`${settings.prefix}!revoked`, channels, { // no room is called so
      live: () => this.load(),
      idle: () => {},
      failed: err => log.error({ err }, 'broker refused a subscription, and what is revoked elsewhere is not heard of: trying again')
    })
  }

  /** Whether there are some that other processes do not know of yet. */
  get owes (): boolean {
    return this.#untold.size > 0
  }

  start (): void {
    if (this.#broker.records === undefined) return
    this.begin()
    this.channel.hold()
  }

  /** Has the door wait until they have been read, or cannot be: whoever is let in then is put out as soon as it is known. */
  begin (): void {
    if (this.#broker.records === undefined || this.#closed) return
    clearTimeout(this.#waiting)
    this.#revocations.shut()
    this.#waiting = setTimeout(() => this.#open(), this.#settings.subscribeTimeout)
  }

  /**
   * Takes access away, here at once and everywhere as soon as the broker can be reached.
   * @throws FST_ROOMS_NO_RECORDS, FST_ROOMS_INVALID_ROOM, FST_ROOMS_INVALID_LIFETIME, FST_ROOMS_TOO_MANY_REVOCATIONS, FST_ROOMS_BROKER_UNAVAILABLE
   * when too many wait for it
   */
  async revoke (target: Target, { lifetime = this.#settings.revocationLifetime }: RevokeOptions = {}): Promise<Revoked> {
    const { records } = this.#broker
    if (records === undefined) throw new errors.FST_ROOMS_NO_RECORDS()
    if (target.room !== undefined) this.#places.channelOf(target.room) // throws where there can be no such room
    if (!Number.isInteger(lifetime) || lifetime < 1 || lifetime > 2 ** 31 - 1) throw new errors.FST_ROOMS_INVALID_LIFETIME()
    const untold: Untold = { target, lifetime, since: performance.now(), at: undefined }
    let connections = 0
    try {
      await this.#tell(untold, records, put => { connections = put })
      return { connections }
    } catch (error) {
      if (!isLater(error)) throw error
      if (this.#untold.size >= MAX_UNTOLD) throw error
      connections += this.#revocations.learn(revocationOf(untold, untold.at ?? Date.now()))
      this.#untold.add(untold)
      this.#tryAgain()
      return { connections, degraded: true }
    }
  }

  /** Reads all that are kept: this process may have missed some. And one that has lost its data is told what this process knows. */
  async load (): Promise<void> {
    const records = this.#broker.records as BrokerRecords
    try {
      const kept = await records.list()
      const texts = new Set<string>()
      for (const { text, remaining } of kept) {
        const revocation = revocationIn(text)
        texts.add(text)
        if (revocation !== undefined && remaining > 0) this.#revocations.learn(revocation, remaining)
      }
      this.#open()
      const now = performance.now()
      for (const { revocation, until } of this.#revocations.all) {
        const text = textOf(revocation)
        if (until > now && !texts.has(text)) await records.keep(text, Math.ceil(until - now))
      }
    } catch (err) {
      if (this.#closed || !this.channel.live) return // it is called again when that has changed
      if (isError(err, 'FST_ROOMS_TOO_MANY_REVOCATIONS')) {
        this.#log.error({ err }, 'the broker has no room for all revocations that this process knows of')
        return // nor would it have any a moment later
      }
      this.#log.error({ err }, 'revocations cannot be read: trying again')
      clearTimeout(this.#reload)
      this.#reload = setTimeout(() => this.load(), AGAIN)
    }
  }

  /** Whoever is to be told yet is told now, if that is possible. */
  async close (): Promise<void> {
    this.#closed = true
    clearTimeout(this.#waiting)
    clearTimeout(this.#retry)
    clearTimeout(this.#reload)
    this.channel.stop()
    this.#open()
    if (this.owes) await this.#tellAll()
  }

  /** First kept, then told: who begins to listen in between reads it. */
  async #tell (untold: Untold, records: BrokerRecords, put: (connections: number) => void): Promise<void> {
    untold.at ??= await records.clock() - Math.round(performance.now() - untold.since)
    const revocation = revocationOf(untold, untold.at)
    put(this.#revocations.learn(revocation))
    await this.#write(revocation, records)
    const { room } = untold.target
    if (room === undefined) return
    // Only now is it certain that nobody was shown more as a member.
    const floor = await this.#places.endOf(room).catch(() => undefined)
    if (floor === undefined) return
    const floored = { ...revocation, floor }
    this.#revocations.learn(floored)
    await this.#write(floored, records)
  }

  async #write (revocation: Revocation, records: BrokerRecords): Promise<void> {
    const text = textOf(revocation)
    const writes: Array<unknown> = [records.keep(text, revocation.lifetime)]
    // In the room's own channel, so that no later message of the room overtakes it.
    if (revocation.room !== undefined) writes.push(this.#broker.publish(this.#places.channelOf(revocation.room), announced(text), nextId()))
    writes.push(this.#broker.publish(this.channel.name, announced(text), nextId()))
    await Promise.all(writes)
  }

  #tryAgain (): void {
    if (this.#closed) return
    this.#retry ??= setTimeout(async () => {
      await this.#tellAll()
      this.#retry = undefined
      if (this.owes) this.#tryAgain()
    }, AGAIN)
  }

  /** Together, so that one which cannot be told has no other wait for it. */
  async #tellAll (): Promise<void> {
    const records = this.#broker.records as BrokerRecords
    if (await records.clock().then(() => false, isLater)) return
    await Promise.all([...this.#untold].map(async untold => {
      try {
        await this.#tell(untold, records, () => {})
      } catch (err) {
        if (isLater(err)) return
        this.#log.error({ err }, 'a revocation cannot be told to other processes')
      }
      this.#untold.delete(untold)
    }))
  }

  #open (): void {
    clearTimeout(this.#waiting)
    this.#revocations.open()
  }
}

function revocationOf ({ target: { user, room }, lifetime }: Pick<Untold, 'target' | 'lifetime'>, at: number): Revocation {
  return { at, lifetime, user, room, floor: undefined }
}

/** Whether what failed may be tried again: the broker is away, or has not said that it did it. */
function isLater (error: unknown): boolean {
  return isError(error, 'FST_ROOMS_BROKER_UNAVAILABLE') || isError(error, 'FST_ROOMS_SEND_UNKNOWN')
}
