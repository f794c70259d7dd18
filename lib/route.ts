import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import type { RawData, WebSocket } from 'ws'
import type { Rate } from './bucket.js'
import { CommandHost, Commands } from './commands.js'
import type { CommandLimits } from './commands.js'
import { GONE, RoomConnection } from './connection.js'
import type { ConnectionHost, ConnectionLimits } from './connection.js'
import { Crowd } from './crowd.js'
import { errors } from './errors.js'
import { evict } from './eviction.js'
import { Expiry } from './expiry.js'
import { Handshakes, Refusal } from './handshake.js'
import type { HandshakeLimits } from './handshake.js'
import { KeepAlive } from './keepalive.js'
import type { ParseUntrusted } from './json.js'
import { causeAtDoor, Membership, MembershipHost } from './membership.js'
import type { MembershipLimits } from './membership.js'
import { Memberships } from './memberships.js'
import type { Route } from './policy.js'
import { BURST_SECONDS } from './options.js'
import { connectedFrame, errorFrame, objectIn, PONG_FRAME } from './protocol.js'
import type { Standing } from './protocol.js'
import { report } from './report.js'
import type { Revocation } from './revocation.js'
import type { RoomTable } from './rooms.js'
import type { Serializers } from './serializers.js'
import { Session } from './session.js'
import type { SessionHost } from './session.js'
import { throttled } from './stats.js'
import type { Counters, End } from './stats.js'

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

/** What a frame takes in memory beside its bytes, which may be none. */
const FRAME_COST = 64

const kConnection = Symbol('fastify-rooms.connection')
type OwnSocket = WebSocket & { [kConnection]: RoomConnection }

/** The sockets of an application, each from its upgrade to its end. */
export class Sockets implements ConnectionHost {
  readonly connections = new Set<RoomConnection>()
  readonly handshakes: Handshakes
  readonly limits: ConnectionLimits
  readonly messageRate: Rate
  readonly byteRate: Rate
  readonly counters: Counters
  readonly serializers: Serializers
  readonly #rooms: RoomTable
  readonly #keepAlive: KeepAlive
  readonly #expiry: Expiry
  readonly #sessions: SessionHost
  readonly #members: MembershipHost
  readonly #users: Crowd<RoomConnection> | undefined
  readonly #interval: number
  readonly #maxEarly: number
  #emptied: (() => void) | undefined
  readonly #commands: CommandHost
  readonly #parse: ParseUntrusted
  readonly #warnSlow: (details: object) => void

  constructor (rooms: RoomTable, counters: Counters, settings: SocketSettings, log: FastifyBaseLogger, serializers: Serializers, parse: ParseUntrusted) {
    this.#parse = parse
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
    this.#sessions = { expiry: this.#expiry, revocations: rooms.revocations, hooks: this.#members.hooks }
    rooms.turn.before = () => this.#expiry.check()
    this.#commands = new CommandHost(settings, serializers)
    this.#interval = settings.keepAlive
    this.#maxEarly = settings.maxAuthPayload
    this.#warnSlow = throttled(details => log.warn(details, 'client is too far behind in reading and was cut off'))
  }

  /**
   * The story of one socket, in order. Listeners are attached in the turn of the upgrade: a frame that comes while the
   * handler waits for something would be lost otherwise.
   */
  serve (route: Route, socket: WebSocket, request: FastifyRequest, reply: FastifyReply): void {
    const connection = new RoomConnection(socket, request.log, this, route.several, route.dialect())
    if (!route.several) connection.contract = route.contracts[0]
    listen(socket as OwnSocket, connection)
    this.connections.add(connection)
    if (this.#members.draining) connection.end('restarting')
    else if (this.handshakes.full) connection.end('overloaded')
    else this.#enter(route, connection, request, reply)
  }

  /** Never rejects: whatever goes wrong ends this socket, and nothing else. */
  async #enter (route: Route, connection: RoomConnection, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    let room: string | undefined
    let recovering: unknown
    try {
      if (route.authenticate === false) {
        this.handshakes.startHooks(connection)
      } else if (route.authenticate === 'upgrade') {
        this.handshakes.startHooks(connection)
        await this.#identify(new Session(this.#sessions, route, connection, request, reply), connection, undefined)
      } else {
        const { token, recover } = await this.handshakes.firstFrame(connection)
        this.handshakes.startHooks(connection)
        recovering = recover
        await this.#identify(new Session(this.#sessions, route, connection, request, reply), connection, token)
      }

      const several = route.several ? new Memberships(this.#members, route, connection, request) : undefined
      connection.memberships = several
      const members: Membership[] = []
      for (const destination of route.destinations) {
        const found = typeof destination === 'function' ? await connection.until(() => destination(request)) : destination
        const member = several === undefined ? new Membership(this.#members, route, connection, found, request) : several.add(found)
        if (member === undefined) continue // two of them have led to one room
        room = member.room
        await member.authorize()
        members.push(member)
      }
      this.handshakes.finish(connection)

      connection.stay = several ?? (route.onLeave === undefined ? undefined : members[0])
      await this.#letIn(connection, members, recovering)
      if (route.takers.length > 0 && connection.open) this.#takeCommands(route, connection, request)
      else if (several === undefined) connection.session?.release()
      release(reply)
      this.#takeEarly(connection)
      await this.#settle(connection, members)
    } catch (error) {
      this.#refuse(route, connection, room, error)
    }
  }

  /** @throws Refusal where the user has too many sockets here */
  async #identify (session: Session, connection: RoomConnection, token: string | undefined): Promise<void> {
    await session.open(token)
    if (session.renewable) connection.session = session
    const { userId } = connection
    if (userId === undefined || await connection.until(() => this.#users?.add(userId, connection) !== false)) return
    this.counters.refuse('user')
    throw new Refusal('overloaded', 'the user has maxConnectionsPerUser sockets')
  }

  /** In all rooms or in none. What the first ones bring waits until the client can be told of all. */
  async #letIn (connection: RoomConnection, members: readonly Membership[], recovering: unknown): Promise<void> {
    const place = members.length === 1 ? undefined : connection.hold(undefined)
    const rooms = new Map<string, Standing>()
    let anyDegraded = false
    const announce = (): void => {
      if (rooms.size < members.length) return
      this.#announce(connection, rooms, anyDegraded)
      if (place !== undefined) connection.settle(place)
    }
    await Promise.all(members.map(async member => await member.enter(recovering, ({ degraded, ...standing }) => {
      rooms.set(member.room, standing)
      anyDegraded ||= degraded
      announce()
    })))
    if (members.length === 0) announce()
  }

  /** The word that the token was good and that messages arrive from now on. */
  #announce (connection: RoomConnection, rooms: ReadonlyMap<string, Standing>, degraded: boolean): void {
    this.#expiry.add(connection)
    if (!connection.open) return
    this.#keepAlive.add(connection)
    connection.enter()
    connection.say(connectedFrame(connection.id, this.#interval, rooms, degraded))
  }

  /** Who is not told `connected` in words that it knows speaks as soon as it can, and that is not lost. */
  #takeEarly (connection: RoomConnection): void {
    const { early } = connection
    connection.early = undefined
    for (const { data, isBinary } of early?.frames ?? []) this.#take(connection, data, isBinary)
  }

  #takeCommands (route: Route, connection: RoomConnection, request: FastifyRequest): void {
    connection.commands = new Commands(this.#commands, route.takers, connection, request, (room, error) => {
      report(route, connection.log, connection, room, error, 'command failed')
    })
  }

  /** Faults here have been reported already, and are no refusals: the client has been told that it is in. */
  async #settle (connection: RoomConnection, members: readonly Membership[]): Promise<void> {
    try {
      await Promise.all(members.map(async member => await member.arrive()))
    } catch (error) {
      if (error !== GONE) connection.end('unavailable')
    }
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

  /** Every frame of a client but the first. A route that takes no commands ignores what it does not know. */
  frame (connection: RoomConnection, data: Buffer, isBinary: boolean): void {
    if (!connection.open) return
    if (!connection.spend(data.length)) return
    // The first frame that a client gets is the verdict on its token; nothing is answered before.
    if (connection.entered) this.#take(connection, data, isBinary)
    else if (connection.dialect === undefined || !keep(connection, data, isBinary, this.#maxEarly)) this.counters.ignored++
  }

  #take (connection: RoomConnection, data: Buffer, isBinary: boolean): void {
    if (!connection.open) return
    const { dialect } = connection
    let frame: Record<string, unknown> | undefined
    try {
      if (dialect !== undefined) frame = dialect.command(data, isBinary)
      else frame = isBinary ? undefined : objectIn(this.#parse(data))
    } catch (error) {
      if (connection.commands === undefined) this.counters.ignored++
      else connection.say(errorFrame(new errors.FST_ROOMS_INVALID_COMMAND((error as Error).message), undefined))
      return
    }
    const id = frame?.id
    if (frame === undefined || !isId(id)) return connection.end('bad_frame')
    if (frame.command === 'WSPing') {
      connection.say(PONG_FRAME)
    } else if (frame.command === 'WSPong') {
      // A sign of life, which it has given by now.
    } else if (frame.command === undefined && Object.hasOwn(frame, 'token') && connection.session !== undefined) {
      this.#refresh(connection.session, connection, frame.token, data.length, id)
    } else if (connection.commands !== undefined) {
      connection.commands.receive({ command: frame.command, data: frame.data, id, room: frame.room })
    } else {
      this.counters.ignored++
      if (id !== undefined) connection.say(errorFrame(new errors.FST_ROOMS_NO_COMMANDS(), id))
    }
  }

  /** A new token is held to what the first one was. */
  #refresh (session: Session, connection: RoomConnection, token: unknown, bytes: number, id: string | number | undefined): void {
    if (bytes > this.#maxEarly) connection.end('too_big')
    else if (typeof token !== 'string' || token === '') connection.end('invalid_token')
    else session.refresh(token, id)
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

/** A socket's connection, if it is one of ours. */
export function connectionOf (socket: WebSocket): RoomConnection | undefined {
  return (socket as Partial<OwnSocket>)[kConnection]
}

/** Has a frame wait for the verdict. @returns whether there is room for it */
function keep (connection: RoomConnection, data: Buffer, isBinary: boolean, most: number): boolean {
  const early = connection.early ??= { frames: [], bytes: 0 }
  if (early.bytes + data.length > most) return false
  early.bytes += data.length + FRAME_COST
  early.frames.push({ data, isBinary })
  return true
}

/** An id comes back in the answer, so it must be small and plain, and a number that JSON can write: 1e999 is none. */
function isId (id: unknown): id is string | number | undefined {
  return id === undefined || Number.isFinite(id) || (typeof id === 'string' && id.length <= 128)
}

/**
 * A socket lives for hours, and needs nothing of its upgrade any more. Node's response holds on to both, and would only
 * say that it is closed when the socket is; whoever counts requests by that is told now.
 */
function release ({ raw }: FastifyReply): void {
  if (raw.socket === null) return
  raw.detachSocket(raw.socket)
  raw.emit('close')
}

function listen (socket: OwnSocket, connection: RoomConnection): void {
  socket[kConnection] = connection
  // @fastify/websocket's listener keeps request and reply for as long as the socket lives. If others listen, it stays.
  const [theirs, ...others] = socket.listeners('error')
  if (theirs !== undefined && others.length === 0) socket.on('error', onError).off('error', theirs as () => void)
  socket.on('message', onMessage)
  socket.on('ping', onSign)
  socket.on('pong', onSign)
  socket.on('close', onClose)
}

/** Shared by all sockets: a listener of its own for each would be four closures more per member. */
function onMessage (this: WebSocket, data: RawData, isBinary: boolean): void {
  connectionOf(this)?.receive(data as Buffer, isBinary)
}

function onSign (this: WebSocket, data: Buffer): void {
  connectionOf(this)?.receiveSign(data)
}

/** `ws` has answered a bad frame with the right code already; to terminate, as @fastify/websocket does, would hide it. */
export function onError (this: WebSocket, error: Error & { code?: unknown }): void {
  connectionOf(this)?.log.info({ code: error.code }, 'socket sent a bad frame')
}

function onClose (this: WebSocket, code: number): void {
  connectionOf(this)?.closed(code)
}
