import type { FastifyRequest } from 'fastify'
import type { Position, Room, RoomContract } from '../types/index.js'
import { causeOf } from './authenticate.js'
import type { Place } from './backlog.js'
import { Bounded } from './bounded.js'
import type { RoomConnection } from './connection.js'
import { nameOf } from './contract.js'
import { errors, isError } from './errors.js'
import { GONE } from './lifeline.js'
import { checkRoomName } from './name.js'
import { authorize, contractOf, policyOf } from './policy.js'
import type { Entry, Route } from './policy.js'
import { labelled, positionOf } from './protocol.js'
import type { Cause, Standing } from './protocol.js'
import { report } from './report.js'
import type { Entrant } from './room.js'
import type { RoomTable } from './rooms.js'
import { SlowReaders } from './slow.js'
import { Snapshots } from './snapshot.js'
import type { SnapshotLimits } from './snapshot.js'

export interface MembershipLimits extends SnapshotLimits {
  authTimeout: number
  maxRooms: number
}

/** What all memberships of an application share. */
export class MembershipHost {
  readonly rooms: RoomTable
  readonly limits: MembershipLimits
  readonly snapshots: Snapshots
  readonly slow = new SlowReaders()
  /** Hooks that decide whether an open socket may enter one more room. */
  readonly hooks: Bounded
  /** `onLeave` that have not settled. */
  readonly leaving = new Set<Promise<void>>()
  draining = false

  constructor (rooms: RoomTable, limits: MembershipLimits) {
    this.rooms = rooms
    this.limits = limits
    this.snapshots = new Snapshots(limits)
    this.hooks = new Bounded(limits.authTimeout, () => new errors.FST_ROOMS_HOOK_TIMEOUT(limits.authTimeout))
  }

  close (): void {
    this.snapshots.close()
    this.hooks.close()
  }
}

/** Tells the client of a new member. */
export interface Announcer {
  announce (member: Membership, standing: Standing, degraded: boolean): void
}

/** One socket in one room, in order: whether it may enter, what it is to see first, who hears of it, until it leaves. */
export class Membership implements Entrant {
  readonly connection: RoomConnection
  readonly room: string
  readonly contract: RoomContract | undefined
  readonly #host: MembershipHost
  readonly #route: Route
  /** Not for longer than it is needed. */
  #request: FastifyRequest | undefined
  #announcer: Announcer | undefined
  /** What its client is told that asks for what it has missed, and does not get it. */
  #reason: string | undefined
  #place: Place | undefined
  #joining: Promise<void> | undefined
  #over = false

  /** @throws FST_ROOMS_INVALID_ROOM, FST_ROOMS_INVALID_OPTION */
  constructor (host: MembershipHost, route: Route, connection: RoomConnection, room: string | Room, request: FastifyRequest) {
    this.room = nameOf(room)
    checkRoomName(this.room)
    this.contract = contractOf(route, room)
    if (this.contract !== undefined) host.rooms.meet(this.contract)
    this.connection = connection
    this.#host = host
    this.#route = route
    this.#request = request
  }

  /** Whether the socket is open, and has not left the room meanwhile. */
  get wanted (): boolean {
    return this.connection.open && !this.#over && !this.#revoked
  }

  get #revoked (): boolean {
    return this.#host.rooms.revocations.bars(this.connection, this.room)
  }

  /** @throws GONE, FST_ROOMS_FORBIDDEN, what the hook throws */
  authorize (): void | Promise<void> {
    if (policyOf(this.#route, this.contract, 'authorize') === undefined) this.#checkRevoked()
    else return this.#ask()
  }

  async #ask (): Promise<void> {
    await this.connection.until(() => authorize(this.#route, this.contract, this.#entry()))
    this.#checkRevoked()
  }

  /**
   * Becomes a member, and has it announced in the same turn.
   * @param recover where the client says that it stood, by the names of rooms
   * @throws GONE, FST_ROOMS_HISTORY_UNAVAILABLE
   */
  enter (recover: unknown, announcer: Announcer): void | Promise<void> {
    const from = positionOf(recover, this.room)
    const denied = from === undefined ? undefined : this.#denial(from)
    if (from !== undefined) this.#reason = denied ?? 'no_history'
    this.#announcer = announcer
    return this.#host.rooms.join(this.room, this, denied === undefined ? from ?? undefined : undefined)?.catch(error => {
      if (error === GONE && this.connection.open) this.#checkRevoked() // it was taken away while the broker was asked
      throw error
    })
  }

  /** Why nothing is replayed of what came after a position, if anything speaks against it. */
  #denial (from: Position | null): string | undefined {
    const { rooms: { revocations }, slow } = this.#host
    const { userId } = this.connection
    if (from === null) return 'invalid'
    if (slow.has(userId)) return 'slow'
    return revocations.hides(from, userId, this.room) ? 'removed' : undefined
  }

  #checkRevoked (): void {
    if (this.#revoked) throw new errors.FST_ROOMS_REVOKED()
  }

  announce (standing: Standing, degraded: boolean): void {
    this.#announcer?.announce(this, answered(standing, this.#reason), degraded)
    this.#announcer = undefined
    // Who has all that it missed needs no snapshot.
    if (standing.recovered !== true && policyOf(this.#route, this.contract, 'snapshot') !== undefined) this.#place = this.connection.hold(this.room)
  }

  /**
   * What comes of being in: the snapshot, and `onJoin`.
   * @param before is waited for ahead of `onJoin`
   * @returns undefined where the route has nothing of that. Rejects with GONE, or with what has been reported
   */
  arrive (before?: Promise<unknown>): void | Promise<void> {
    const { onJoin, onLeave } = this.#route
    const nothing = before === undefined && this.#place === undefined && onJoin === undefined && onLeave === undefined
    if (!nothing || !this.wanted) return this.#arrive(before)
    this.#request = undefined
  }

  async #arrive (before: Promise<unknown> | undefined): Promise<void> {
    const place = this.#place
    this.#place = undefined // it has the snapshot
    if (place !== undefined) await this.#attempt('snapshot failed', () => this.#show(place))
    if (before !== undefined) await this.connection.until(() => before)
    if (!this.wanted) throw GONE
    this.#joining = this.#join()
    await this.#joining
  }

  /**
   * The socket has left, or has ended. `onLeave` follows each `onJoin` that was called, and waits for it.
   * @returns when that is over
   */
  end (): Promise<void> {
    this.#over = true
    const { connection, room } = this
    const { onLeave } = this.#route
    if (this.#joining === undefined || onLeave === undefined) return Promise.resolve()
    const leaving = this.#joining.catch(() => {}).then(() => onLeave({ connection, room })).catch(error => {
      report(this.#route, connection.log, connection, room, error, 'onLeave failed')
    }).finally(() => this.#host.leaving.delete(leaving))
    this.#host.leaving.add(leaving)
    return leaving
  }

  /** What the room looks like comes after the word that the socket is in, and before all that has happened in it since. */
  async #show (place: Place): Promise<void> {
    const { connection, room } = this
    const entry = this.#entry()
    const frame = await this.#host.snapshots.take(connection, () => {
      if (!this.wanted) throw GONE // it has left while others were shown theirs
      return policyOf(this.#route, this.contract, 'snapshot')?.(entry)
    })
    connection.settle(place, frame !== undefined && connection.labelled ? labelled(frame, room) : frame)
  }

  async #join (): Promise<void> {
    await null // onJoin may end the socket at once, and onLeave must be waiting for it by then
    const { connection, room } = this
    const request = this.#request as FastifyRequest
    try {
      // Not a refusal, whatever its status: the client has been told that it is in.
      await this.#attempt('onJoin failed', () => this.#route.onJoin?.({ connection, room, request }))
    } finally {
      this.#request = undefined
    }
  }

  async #attempt (failure: string, work: () => unknown): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (error !== GONE) report(this.#route, this.connection.log, this.connection, this.room, error, failure)
      throw error
    }
  }

  #entry (): Entry {
    const { room, connection: { user } } = this
    const request = this.#request as FastifyRequest
    return { user, room, params: request.params, request }
  }
}

/** A client that asks for what it missed is always told whether it gets that. */
function answered (standing: Standing, reason: string | undefined): Standing {
  if (reason === undefined || standing.recovered !== undefined) return standing
  return { ...standing, recovered: false, reason }
}

/** What an error means that kept a socket out of a room. */
export function causeAtDoor (error: unknown): Cause {
  if (isError(error, 'FST_ROOMS_INVALID_ROOM')) return 'forbidden'
  return isError(error, 'FST_ROOMS_HISTORY_UNAVAILABLE') ? 'overloaded' : causeOf(error)
}
