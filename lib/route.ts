import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import type { Rate } from './bucket.js'
import { CommandHost, Commands } from './commands.js'
import type { CommandLimits } from './commands.js'
import { RoomConnection } from './connection.js'
import type { ConnectionHost, ConnectionLimits } from './connection.js'
import { Crowd } from './crowd.js'
import { evict } from './eviction.js'
import { Expiry } from './expiry.js'
import { Handshakes, Refusal } from './handshake.js'
import type { HandshakeLimits } from './handshake.js'
import { Inbound } from './inbound.js'
import type { ParseUntrusted } from './json.js'
import { KeepAlive } from './keepalive.js'
import { GONE } from './lifeline.js'
import { listen } from './listeners.js'
import { causeAtDoor, Membership, MembershipHost } from './membership.js'
import type { Announcer, MembershipLimits } from './membership.js'
import { Memberships } from './memberships.js'
import type { Route } from './policy.js'
import { BURST_SECONDS } from './options.js'
import { connectedFrame } from './protocol.js'
import type { Standing, Standings } from './protocol.js'
import { report } from './report.js'
import type { Revocation } from './revocation.js'
import type { RoomTable } from './rooms.js'
import type { Serializers } from './serializers.js'
import { Session } from './session.js'
import type { SessionHost } from './session.js'
import { throttled } from './stats.js'
import type { Counters, End } from './stats.js'
import { isThenable } from './thenable.js'

export interface SocketSettings extends ConnectionLimits, HandshakeLimits, MembershipLimits, CommandLimits {
  keepAlive: number
  pongTimeout: number
  refreshWindow: number
  messageRate: number
  byteRate: number
  maxConnectionsPerUser?: number
}

/** Ends that nothing else has a line in the log for. */
const TOLD: ReadonlySet<End> = new Set(['auth_timeout', 'bad_frame', 'expired_token', 'overloaded', 'rate_limited', 'silent'])

/** The sockets of an application, each from its upgrade to its end. */
export class Sockets implements ConnectionHost, Announcer {
  readonly connections = new Set<RoomConnection>()
  readonly handshakes: Handshakes
  readonly limits: ConnectionLimits
  readonly messageRate: Rate
  readonly byteRate: Rate
  readonly counters: Counters
  readonly serializers: Serializers
  readonly inbound: Inbound
  readonly #rooms: RoomTable
  readonly #keepAlive: KeepAlive
  readonly #expiry: Expiry
  readonly #sessions: SessionHost
  readonly #members: MembershipHost
  readonly #users: Crowd<RoomConnection> | undefined
  readonly #interval: number
  #emptied: (() => void) | undefined
  readonly #commands: CommandHost
  readonly #warnSlow: (details: object) => void
  readonly #enterNext = (newcomer: Session, frame: Buffer | null): void => { this.#enter(newcomer, frame) }

  constructor (rooms: RoomTable, counters: Counters, settings: SocketSettings, log: FastifyBaseLogger, serializers: Serializers, parse: ParseUntrusted) {
    this.serializers = serializers
    this.#rooms = rooms
    this.counters = counters
    this.limits = settings
    this.messageRate = { perSecond: settings.messageRate, burst: settings.messageRate * BURST_SECONDS }
    this.byteRate = { perSecond: settings.byteRate, burst: settings.byteRate * BURST_SECONDS }
    this.#users = settings.maxConnectionsPerUser === undefined ? undefined : new Crowd(settings.maxConnectionsPerUser)
    this.handshakes = new Handshakes(settings)
    this.#keepAlive = new KeepAlive(settings)
    this.#members = new MembershipHost(rooms, settings)
    this.#expiry = new Expiry(settings.refreshWindow)
    this.#sessions = { expiry: this.#expiry, revocations: rooms.revocations, hooks: this.#members.hooks, aliases: [] }
    rooms.turn.before = () => this.#expiry.check()
    this.#interval = settings.keepAlive
    this.inbound = new Inbound(parse, counters, settings.maxAuthPayload)
    this.#commands = new CommandHost(settings, serializers, (connection, frame) => this.inbound.reread(connection, frame))
    this.#warnSlow = throttled(details => log.warn(details, 'client is too far behind in reading and was cut off'))
  }

  /**
   * The story of one socket, in order. Listeners are attached in the turn of the upgrade: a frame that comes while the
   * handler waits for something would be lost otherwise.
   */
  serve (route: Route, socket: WebSocket, request: FastifyRequest, reply: FastifyReply): void {
    const connection = new RoomConnection(socket, request.log, this, route.several, route.dialect())
    if (!route.several) connection.contract = route.contracts[0]
    listen(socket, connection)
    this.connections.add(connection)
    if (this.#members.draining) connection.end('restarting')
    else if (this.handshakes.full) connection.end('overloaded')
    else this.#meet(new Session(this.#sessions, route, connection, request, reply))
  }

  /** A token comes with the first frame, unless the upgrade has said whose the socket is, or nobody asks. */
  #meet (session: Session): void {
    const { route, connection } = session
    try {
      // Thousands may wait for their tokens, and what hooks do not need need not wait with them.
      if (!session.hooked) session.releaseReply()
    } catch (error) {
      this.#refuse(route, connection, undefined, error) // of who listens to the reply
      return
    }
    if (tellsByFrame(route)) this.handshakes.greet(connection, session)
    else this.#enter(session)
  }

  /**
   * In the next tick: what has come in one piece with the token was sent before its client could know that it is in, and is
   * not taken for a command just because all of this was fast enough.
   */
  greeted (newcomer: Session, frame: Buffer | null): void {
    process.nextTick(this.#enterNext, newcomer, frame)
  }

  /**
   * Waits only where there is something to wait for: in a crowd that comes back, each would wait for all the others.
   * Never rejects: whatever goes wrong ends this socket, and nothing else.
   * @param frame the first one, where the token is in it; null where it is binary
   */
  async #enter (session: Session, frame: Buffer | null = null): Promise<void> {
    const { route, connection, request } = session
    let room: string | undefined
    try {
      const first = tellsByFrame(route) ? this.handshakes.read(connection, frame) : undefined
      if (route.authenticate !== false) {
        const opening = session.open(first?.token)
        if (opening !== undefined) await this.handshakes.within(connection, opening)
        this.#admit(session, connection)
      }

      const several = route.several ? new Memberships(this.#members, route, connection, request) : undefined
      connection.memberships = several
      const members: Membership[] = []
      for (const destination of route.destinations) {
        const sought = typeof destination === 'function' ? connection.ask(destination, request) : destination
        const found = isThenable(sought) ? await this.handshakes.within(connection, sought) : sought
        const member = several === undefined ? new Membership(this.#members, route, connection, found, request) : several.add(found)
        if (member === undefined) continue // two of them have led to one room
        room = member.room
        const asked = member.authorize()
        if (asked !== undefined) await this.handshakes.within(connection, asked)
        members.push(member)
      }
      this.handshakes.finish(connection)

      connection.stay = several ?? (route.onLeave === undefined ? undefined : members[0])
      const entering = this.#letIn(connection, members, first?.recover)
      if (entering !== undefined) await entering
      if (route.takers.length > 0 && connection.open) this.#takeCommands(route, connection, request)
      if (session.hooked) session.releaseReply()
      this.inbound.takeEarly(connection)
      const settling = this.#settle(connection, members)
      if (settling !== undefined) await settling
      // Of a socket that has ended, hooks may still be at work.
      if (several === undefined && route.takers.length === 0 && connection.open) connection.session?.release()
    } catch (error) {
      this.#refuse(route, connection, room, error)
    }
  }

  /** @throws GONE, Refusal where the user has too many sockets here */
  #admit (session: Session, connection: RoomConnection): void {
    if (session.renewable) connection.session = session
    if (!connection.open) throw GONE
    const { userId } = connection
    if (userId === undefined || this.#users?.add(userId, connection) !== false) return
    this.counters.refuse('user')
    throw new Refusal('overloaded', 'the user has maxConnectionsPerUser sockets')
  }

  /** In all rooms or in none. What the first ones bring waits until the client can be told of all. */
  #letIn (connection: RoomConnection, members: readonly Membership[], recovering: unknown): void | Promise<unknown> {
    const [only] = members
    if (only === undefined) return this.#welcome(connection, [], false)
    if (members.length === 1) return only.enter(recovering, this)

    const place = connection.hold(undefined)
    const rooms = new Map<string, Standing>()
    let anyDegraded = false
    const announce = ({ room }: Membership, standing: Standing, degraded: boolean): void => {
      rooms.set(room, standing)
      anyDegraded ||= degraded
      if (rooms.size < members.length) return
      for (const room of rooms.keys()) if (!connection.names.has(room)) rooms.delete(room) // it was taken away meanwhile
      this.#welcome(connection, rooms, anyDegraded)
      connection.settle(place)
    }
    return Promise.all(members.map(async member => await member.enter(recovering, { announce })))
  }

  /** The only room of a socket. */
  announce ({ connection, room }: Membership, standing: Standing, degraded: boolean): void {
    this.#welcome(connection, [[room, standing]], degraded)
  }

  /** The word that the token was good and that messages arrive from now on. */
  #welcome (connection: RoomConnection, rooms: Standings, degraded: boolean): void {
    this.#expiry.add(connection)
    if (!connection.open) return
    this.#keepAlive.add(connection)
    connection.enter()
    connection.say(connectedFrame(connection.id, this.#interval, rooms, degraded))
  }

  #takeCommands (route: Route, connection: RoomConnection, request: FastifyRequest): void {
    connection.commands = new Commands(this.#commands, route.takers, connection, request, (room, error) => {
      report(route, connection.log, connection, room, error, 'command failed')
    })
  }

  /** Faults here have been reported already, and are no refusals: the client has been told that it is in. */
  #settle (connection: RoomConnection, members: readonly Membership[]): void | Promise<unknown> {
    const [only] = members
    if (members.length === 1 && only !== undefined) return this.#arrive(connection, only)
    return Promise.all(members.map(async member => await this.#arrive(connection, member)))
  }

  #arrive (connection: RoomConnection, member: Membership): void | Promise<void> {
    return member.arrive()?.catch(error => {
      if (error !== GONE) connection.end('unavailable')
    })
  }

  /** An end before or at the door. Refusals are the client's affair; faults are ours, and are logged and reported. */
  #refuse (route: Route, connection: RoomConnection, room: string | undefined, error: unknown): void {
    this.handshakes.finish(connection)
    if (error === GONE) return
    const cause = error instanceof Refusal ? error.end : causeAtDoor(error)
    if (cause === 'unavailable') report(route, connection.log, connection, room, error, 'socket could not be served')
    // The error may quote what the client sent, so the log gets only its code.
    else connection.log.info({ cause, code: (error as { code?: unknown }).code, why: error instanceof Refusal ? error.message : undefined, room }, 'socket refused')
    connection.end(cause)
  }

  flush (): void {
    this.#rooms.flush()
  }

  /** Puts out whom a revocation means. @returns how many sockets that were */
  evict (revocation: Revocation): number {
    return evict(revocation, this.connections, this.#rooms)
  }

  /** Nothing holds a connection that has ended: no room, no subscription, no timer. */
  ended (connection: RoomConnection, cause: End): void {
    if (cause === 'too_slow') {
      this.#warnSlow({ user: connection.userId, maxBuffered: this.limits.maxBuffered })
      this.#members.slow.add(connection.userId)
    } else if (!connection.entered && TOLD.has(cause)) connection.log.info({ cause, user: connection.userId }, 'socket ended')
    this.handshakes.finish(connection)
    if (connection.userId !== undefined) this.#users?.delete(connection.userId, connection)
    this.#keepAlive.delete(connection)
    this.#expiry.delete(connection)
    this.#rooms.leaveAll(connection)
  }

  closed (connection: RoomConnection): void {
    this.connections.delete(connection)
    if (this.connections.size === 0) this.#emptied?.()
  }

  /** From now on, nobody is let in. */
  drain (): void {
    this.#members.draining = true
  }

  /** Resolves when no socket is left and every `onLeave` has settled: what the application closes next, it may still use. */
  async empty (): Promise<void> {
    if (this.connections.size > 0) await new Promise<void>(resolve => { this.#emptied = resolve })
    await Promise.all(this.#members.leaving)
  }

  close (): void {
    this.handshakes.close()
    this.#members.close()
    this.#commands.close()
    this.#keepAlive.close()
    this.#expiry.close()
  }
}

/** Whether a socket says with its first frame whose it is, and not with its upgrade, or not at all. */
function tellsByFrame ({ authenticate }: Route): boolean {
  return authenticate !== false && authenticate !== 'upgrade'
}
