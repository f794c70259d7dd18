import type { FastifyRequest } from 'fastify'
import type { JoinOptions, Room, RoomContract } from '../types/index.js'
import type { RoomConnection } from './connection.js'
import { nameOf } from './contract.js'
import { errors } from './errors.js'
import { GONE } from './lifeline.js'
import { causeAtDoor, Membership } from './membership.js'
import type { Announcer, MembershipHost } from './membership.js'
import type { Route } from './policy.js'
import { joinedFrame, leftFrame } from './protocol.js'
import type { Standing } from './protocol.js'
import { report } from './report.js'

/** The rooms of one socket that may be in several: those that it came for, and those that handlers have it join and leave. */
export class Memberships implements Announcer {
  readonly #host: MembershipHost
  readonly #route: Route
  readonly #connection: RoomConnection
  readonly #request: FastifyRequest
  /** By their rooms, also those that are still to be decided. */
  readonly #members = new Map<string, Membership>()
  readonly #joining = new Map<string, Promise<boolean>>()
  /** Each `onLeave` of a room, so that it is over before the next `onJoin`. */
  readonly #leaving = new Map<string, Promise<unknown>>()

  constructor (host: MembershipHost, route: Route, connection: RoomConnection, request: FastifyRequest) {
    this.#host = host
    this.#route = route
    this.#connection = connection
    this.#request = request
  }

  /** Also of those that are still to be decided. */
  get names (): Iterable<string> {
    return this.#members.keys()
  }

  /** The contract of a room that the socket is in. */
  contractOf (room: string): RoomContract | undefined {
    return this.#members.get(room)?.contract
  }

  /**
   * One more, of which nothing is decided yet; none where it is there already.
   * @throws FST_ROOMS_INVALID_ROOM, FST_ROOMS_TOO_MANY_ROOMS
   */
  add (room: string | Room): Membership | undefined {
    const { maxRooms } = this.#host.limits
    const membership = new Membership(this.#host, this.#route, this.#connection, room, this.#request)
    if (this.#members.has(membership.room)) return undefined
    if (this.#members.size >= maxRooms) throw new errors.FST_ROOMS_TOO_MANY_ROOMS(maxRooms)
    this.#members.set(membership.room, membership)
    return membership
  }

  /** `connection.join`. Who asks twice, while it is not decided, gets the same answer. */
  async join (room: string | Room, options: JoinOptions = {}): Promise<boolean> {
    const name = nameOf(room)
    // A room that it is in is not waited for: `onJoin` itself may ask.
    if (this.#connection.names.has(name)) return true
    if (!this.#connection.open || this.#host.draining) return false
    const membership = this.#ask(room)
    if (membership === undefined) return await (this.#joining.get(name) as Promise<boolean>)
    const joining = this.#join(membership, options).finally(() => {
      if (this.#joining.get(name) === joining) this.#joining.delete(name)
    })
    this.#joining.set(name, joining)
    return await joining
  }

  /** `connection.leave`. Not waiting for `onLeave`: it waits for `onJoin`, which may be the one that leaves. */
  async leave (room: string | Room): Promise<boolean> {
    const membership = this.#members.get(nameOf(room))
    if (membership === undefined || !this.#connection.open) return false
    this.#remove(membership)
    return true
  }

  /** It has no access to the room any more. */
  putOut (room: string, reason: 'forbidden' | 'closed'): void {
    const membership = this.#members.get(room)
    if (membership !== undefined) this.#remove(membership, reason)
  }

  /** The socket has ended, and is in no room any more. */
  end (): void {
    for (const membership of this.#members.values()) membership.end()
    this.#members.clear()
  }

  announce ({ room }: Membership, standing: Standing, degraded: boolean): void {
    this.#connection.write(joinedFrame(room, standing, degraded))
  }

  #ask (room: string | Room): Membership | undefined {
    try {
      return this.add(room)
    } catch (error) {
      this.#refuse(nameOf(room), error)
      throw error
    }
  }

  async #join (membership: Membership, { recover }: JoinOptions): Promise<boolean> {
    const { room } = membership
    try {
      await this.#host.hooks.run(() => membership.authorize())
      await membership.enter(recover === undefined ? undefined : { [room]: recover }, this)
    } catch (error) {
      if (this.#members.get(room) === membership) this.#members.delete(room)
      if (error === GONE) return false
      this.#refuse(room, error)
      throw error
    }
    try {
      await membership.arrive(this.#leaving.get(room))
    } catch (error) {
      if (error === GONE) return false
      if (membership.wanted) this.#remove(membership)
      throw error
    }
    return true
  }

  #remove (membership: Membership, reason?: string): void {
    const { room } = membership
    const connection = this.#connection
    this.#members.delete(room)
    if (connection.names.has(room)) {
      this.#host.rooms.leave(room, connection)
      connection.forget(room)
      if (connection.entered) connection.write(leftFrame(room, reason))
    }
    const leaving = Promise.all([this.#leaving.get(room), membership.end()]).finally(() => {
      if (this.#leaving.get(room) === leaving) this.#leaving.delete(room)
    })
    this.#leaving.set(room, leaving)
  }

  /** The caller is told; the log tells a refusal from a fault, as it does at the door. */
  #refuse (room: string, error: unknown): void {
    const { log } = this.#connection
    const cause = causeAtDoor(error)
    if (cause === 'unavailable') report(this.#route, log, this.#connection, room, error, 'room could not be joined')
    else log.info({ cause, code: (error as { code?: unknown }).code, room }, 'room refused')
  }
}
