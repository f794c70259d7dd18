import type { FastifyBaseLogger } from 'fastify'
import type { Position, RevokeOptions, Revoked, User } from '../types/index.js'
import type { Broker, BrokerRecords } from './brokers/broker.js'
import { Channel } from './channel.js'
import type { Channels } from './channel.js'
import { errors, isError } from './errors.js'
import { nextId } from './id.js'
import { announced } from './protocol.js'
import { revocationIn, textOf } from './revocation.js'
import type { Revocation } from './revocation.js'
import { isBeyond } from './tail.js'

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
}

/** A revocation, and until when it holds in the time of `performance.now()`. */
interface Known {
  readonly revocation: Revocation
  readonly until: number
}

/** What is asked about: a socket's owner. */
interface Bearer {
  readonly user: User | null
  readonly userId: string | undefined
  /** Of its token, in seconds since 1970. */
  readonly issuedAt: number | undefined
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
/** How many one process holds. More are only acted upon: whoever publishes so many has no good in mind. */
const MAX_KNOWN = 100_000
const PURGE = 60_000

/**
 * Access that was taken away. What is published reaches only those who listen; so each revocation is kept by the broker as
 * well, for as long as the tokens that it means may live, and each process holds all of them: it reads them whenever it
 * begins to listen, or begins anew, and the door asks nobody else.
 */
export class Revocations {
  readonly channel: Channel
  readonly #broker: Broker
  readonly #settings: RevocationSettings
  readonly #places: Places
  readonly #log: FastifyBaseLogger
  readonly #known = new Map<string, Known>()
  readonly #untold: Untold[] = []
  /** Puts out whom a revocation means. @returns how many sockets that were */
  #evict: (revocation: Revocation) => number = () => 0
  #ready: true | Promise<true>
  #loaded: (() => void) | undefined
  #waiting: NodeJS.Timeout | undefined
  #retry: NodeJS.Timeout | undefined
  #reload: NodeJS.Timeout | undefined
  #purged = performance.now()
  #closed = false

  constructor (settings: RevocationSettings, channels: Channels, places: Places, log: FastifyBaseLogger) {
    this.#settings = settings
    this.#broker = settings.broker
    this.#places = places
    this.#log = log
    this.channel = new Channel(`${settings.prefix}!revoked`, channels, { // no room is called so
      live: () => this.load(),
      idle: () => {},
      failed: err => log.error({ err }, 'broker refused a subscription, and what is revoked elsewhere is not heard of: trying again')
    })
    this.#ready = this.#broker.records === undefined || new Promise(resolve => { this.#loaded = () => resolve(true) })
  }

  /** How many this process knows of. */
  get size (): number {
    return this.#known.size
  }

  /** Whether there are some that other processes do not know of yet. */
  get owes (): boolean {
    return this.#untold.length > 0
  }

  start (evict: (revocation: Revocation) => number): void {
    this.#evict = evict
    if (this.#broker.records === undefined) return
    this.channel.hold()
    // Whoever cannot be told by then is let in, and put out as soon as it is known.
    this.#waiting = setTimeout(() => this.#open(), this.#settings.subscribeTimeout)
  }

  /** Resolves when the revocations are known that there were when this process began, or cannot be had. */
  ready (): true | Promise<true> {
    return this.#ready
  }

  /** Whether a token is too old: for everything, or for one room. Who is a guest has none. */
  bars ({ user, userId, issuedAt }: Bearer, room?: string): boolean {
    if (this.#known.size === 0 || user === null) return false
    const reaches = ({ at }: Revocation): boolean => issuedAt === undefined || issuedAt <= Math.floor(at / 1_000)
    return this.#meaning(userId, room).some(reaches)
  }

  /** Whether what came after a position may not be replayed, because its owner had no access to some of it. */
  hides (from: Position, userId: string | undefined, room: string): boolean {
    if (this.#known.size === 0) return false
    return this.#meaning(userId, room).some(({ floor }) => floor === undefined || !isBeyond(from, floor))
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
    const untold: Untold = { target, lifetime, since: performance.now() }
    let connections = 0
    try {
      await this.#tell(untold, records, put => { connections = put })
      return { connections }
    } catch (error) {
      if (!isLater(error)) throw error
      if (this.#untold.length >= MAX_UNTOLD) throw error
      connections += this.learn(revocationOf(untold, Date.now()))
      this.#untold.push(untold)
      this.#tryAgain()
      return { connections, degraded: true }
    }
  }

  /** What was heard, or read. @param remaining for how long it holds from now on @returns how many sockets it has ended here */
  learn (revocation: Revocation, remaining: number = revocation.lifetime): number {
    this.#purge()
    const key = keyOf(revocation.room, revocation.user)
    const known = this.#known.get(key)?.revocation
    const until = performance.now() + remaining
    if (known !== undefined && known.at > revocation.at) return 0
    if (known?.at === revocation.at) {
      if (known.floor === undefined && revocation.floor !== undefined) this.#known.set(key, { revocation, until })
      return 0
    }
    if (this.#known.size < MAX_KNOWN) this.#known.set(key, { revocation, until })
    return this.#evict(revocation)
  }

  /** Reads all that are kept: this process may have missed some. And one that has lost its data is told what this process knows. */
  async load (): Promise<void> {
    const records = this.#broker.records as BrokerRecords
    try {
      const kept = await records.list()
      if (this.#closed) return
      const texts = new Set<string>()
      for (const { text, remaining } of kept) {
        const revocation = revocationIn(text)
        texts.add(text)
        if (revocation !== undefined && remaining > 0) this.learn(revocation, remaining)
      }
      this.#open()
      const now = performance.now()
      for (const { revocation, until } of this.#known.values()) {
        const text = textOf(revocation)
        if (until > now && !texts.has(text)) await records.keep(text, Math.ceil(until - now))
      }
    } catch (err) {
      if (this.#closed || !this.channel.live) return // it is called again when that has changed
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
  async #tell ({ target, lifetime, since }: Untold, records: BrokerRecords, put: (connections: number) => void): Promise<void> {
    const at = await records.clock() - Math.round(performance.now() - since)
    const revocation = revocationOf({ target, lifetime }, at)
    put(this.learn(revocation))
    await this.#write(revocation, records)
    const { room } = target
    if (room === undefined) return
    // Only now is it certain that nobody was shown more as a member.
    const floor = await this.#places.endOf(room).catch(() => undefined)
    if (floor === undefined) return
    const floored = { ...revocation, floor }
    this.learn(floored)
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

  async #tellAll (): Promise<void> {
    for (let [untold] = this.#untold; untold !== undefined; [untold] = this.#untold) {
      try {
        await this.#tell(untold, this.#broker.records as BrokerRecords, () => {})
      } catch (err) {
        if (isLater(err)) return
        this.#log.error({ err }, 'a revocation cannot be told to other processes')
      }
      this.#untold.shift()
    }
  }

  #open (): void {
    clearTimeout(this.#waiting)
    this.#ready = true
    this.#loaded?.()
  }

  #meaning (userId: string | undefined, room: string | undefined): Revocation[] {
    const keys = room === undefined ? [] : [keyOf(room, undefined)]
    if (userId !== undefined) keys.push(keyOf(room, userId))
    const now = performance.now()
    return keys.map(key => this.#known.get(key)).filter(known => known !== undefined && known.until > now).map(known => (known as Known).revocation)
  }

  #purge (): void {
    const now = performance.now()
    if (now - this.#purged < PURGE) return
    this.#purged = now
    for (const [key, { until }] of this.#known) if (until <= now) this.#known.delete(key)
  }
}

function revocationOf ({ target: { user, room }, lifetime }: Pick<Untold, 'target' | 'lifetime'>, at: number): Revocation {
  return { at, lifetime, user, room, floor: undefined }
}

/** No name of a room has a space in it. */
function keyOf (room: string | undefined, user: string | undefined): string {
  return user === undefined ? `${room}` : `${room ?? ''} ${user}`
}

/** Whether what failed may be tried again: the broker is away, or has not said that it did it. */
function isLater (error: unknown): boolean {
  return isError(error, 'FST_ROOMS_BROKER_UNAVAILABLE') || isError(error, 'FST_ROOMS_SEND_UNKNOWN')
}
