import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import type { RawData, WebSocket } from 'ws'
import type { RoomContract, RoomOf, RoomRouteOptions } from '../types/index.js'
import { causeOf } from './authenticate.js'
import { CommandHost, Commands } from './commands.js'
import type { CommandLimits } from './commands.js'
import { nameOf } from './contract.js'
import type { DefaultAuthenticate } from './authenticate.js'
import { GONE, RoomConnection } from './connection.js'
import type { ConnectionHost, ConnectionLimits } from './connection.js'
import { errors, isError } from './errors.js'
import { Expiry } from './expiry.js'
import { Handshakes, Refusal } from './handshake.js'
import type { HandshakeLimits } from './handshake.js'
import { KeepAlive } from './keepalive.js'
import type { ParseUntrusted } from './json.js'
import { connectedFrame, errorFrame, objectIn, PONG_FRAME, positionOf } from './protocol.js'
import type { Cause } from './protocol.js'
import { checkRoomName } from './name.js'
import type { Joined } from './room.js'
import type { RoomTable } from './rooms.js'
import { SlowReaders } from './slow.js'
import type { Serializers } from './serializers.js'
import { Snapshots } from './snapshot.js'
import type { SnapshotLimits } from './snapshot.js'
import { throttled } from './stats.js'
import type { Counters, End } from './stats.js'

/** A route's room and its hooks, the plugin's filled in where it has none. */
export interface Route extends Omit<RoomRouteOptions, 'authenticate'> {
  readonly room: RoomOf
  readonly contract: RoomContract | undefined
  readonly commands?: object
  readonly authenticate: Exclude<RoomRouteOptions['authenticate'], undefined> | DefaultAuthenticate
  readonly userId: Exclude<RoomRouteOptions['userId'], undefined>
  readonly expiresAt: Exclude<RoomRouteOptions['expiresAt'], undefined>
}

type RoomFunction = Exclude<RoomOf, string>

export interface SocketSettings extends ConnectionLimits, HandshakeLimits, SnapshotLimits, CommandLimits {
  keepAlive: number
  pongTimeout: number
}

/** Ends that nothing else has a line in the log for. */
const TOLD: ReadonlySet<End> = new Set(['auth_timeout', 'bad_frame', 'expired_token', 'overloaded', 'rate_limited', 'silent'])

const kConnection = Symbol('fastify-rooms.connection')
type OwnSocket = WebSocket & { [kConnection]: RoomConnection }

/** The sockets of an application, each from its upgrade to its end. */
export class Sockets implements ConnectionHost {
  readonly connections = new Set<RoomConnection>()
  readonly handshakes: Handshakes
  readonly limits: ConnectionLimits
  readonly counters: Counters
  readonly serializers: Serializers
  readonly #rooms: RoomTable
  readonly #keepAlive: KeepAlive
  readonly #expiry = new Expiry()
  readonly #snapshots: Snapshots
  readonly #interval: number
  #draining = false
  #emptied: (() => void) | undefined
  readonly #leaving = new Set<Promise<void>>()
  readonly #slow = new SlowReaders()
  readonly #commands: CommandHost
  readonly #parse: ParseUntrusted
  readonly #warnSlow: (details: object) => void

  constructor (rooms: RoomTable, counters: Counters, settings: SocketSettings, log: FastifyBaseLogger, serializers: Serializers, parse: ParseUntrusted) {
    this.#parse = parse
    this.serializers = serializers
    this.#rooms = rooms
    this.counters = counters
    this.limits = settings
    this.handshakes = new Handshakes(settings)
    this.#keepAlive = new KeepAlive(settings)
    this.#snapshots = new Snapshots(settings)
    this.#commands = new CommandHost(settings, serializers)
    this.#interval = settings.keepAlive
    this.#warnSlow = throttled(details => log.warn(details, 'client is too far behind in reading and was cut off'))
  }

  /**
   * The story of one socket, in order. Listeners are attached in the turn of the upgrade: a frame that comes while the
   * handler waits for something would be lost otherwise.
   */
  serve (route: Route, socket: WebSocket, request: FastifyRequest, reply: FastifyReply): void {
    const connection = new RoomConnection(socket, request.log, this)
    connection.contract = route.contract
    listen(socket as OwnSocket, connection)
    this.connections.add(connection)
    if (this.#draining) connection.end('restarting')
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
      } else {
        const { token, recover } = await this.handshakes.firstFrame(connection)
        this.handshakes.startHooks(connection)
        recovering = recover
        connection.user = await this.handshakes.user(connection, route.authenticate, token, request, reply)
        connection.userId = (await connection.until(() => route.userId(connection.user as never)))?.toString()
      }

      room = nameOf(typeof route.room === 'string' ? route.room : await connection.until(() => (route.room as RoomFunction)(request)))
      checkRoomName(room)
      if (route.authorize !== undefined) {
        const entry = { user: connection.user, room, params: request.params, request }
        const verdict = await connection.until(() => route.authorize?.(entry))
        if (verdict !== true) throw new errors.FST_ROOMS_FORBIDDEN()
      }
      const expiresAt = route.authenticate === false
        ? undefined
        : await connection.until(() => route.expiresAt({ user: connection.user as never }))
      this.handshakes.finish(connection)

      let snapshot = route.snapshot !== undefined
      const from = positionOf(recovering, room)
      const denied = from === null ? 'invalid' : from !== undefined && this.#slow.has(connection.userId) ? 'slow' : undefined
      await this.#rooms.join(room, connection, denied === undefined ? from ?? undefined : undefined, joined => {
        this.#announce(connection, room as string, expiresAt, from === undefined ? joined : answered(joined, denied))
        snapshot &&= joined.recovered !== true // who has all that it missed needs no other
        if (snapshot) connection.hold()
      })
      if (route.contract !== undefined && route.commands !== undefined && connection.open) this.#takeCommands(route, route.contract, connection, room, request)
      release(reply)
      if (snapshot) await this.#sendSnapshot(route, connection, room, request)
      if (connection.open) await this.#joined(route, connection, room, request)
    } catch (error) {
      this.#refuse(route, connection, room, error)
    }
  }

  /** The word that the token was good and that messages arrive from now on. */
  #announce (connection: RoomConnection, room: string, expiresAt: number | undefined, joined: Joined): void {
    this.#expiry.add(connection, expiresAt)
    if (!connection.open) return
    this.#keepAlive.add(connection)
    const { degraded, ...standing } = joined
    connection.write(connectedFrame(connection.id, this.#interval, room, degraded, standing))
  }

  #takeCommands (route: Route, contract: RoomContract, connection: RoomConnection, room: string, request: FastifyRequest): void {
    connection.commands = new Commands(this.#commands, contract, route.commands as never, connection, room, request, error => {
      this.#report(route, connection, room, error, 'command failed')
    })
  }

  /** What the room looks like comes after `connected`, and before all that has happened in it since. */
  async #sendSnapshot (route: Route, connection: RoomConnection, room: string, request: FastifyRequest): Promise<void> {
    const entry = { user: connection.user, room, params: request.params, request }
    try {
      connection.release(await this.#snapshots.take(connection, () => route.snapshot?.(entry)))
    } catch (error) {
      if (error === GONE) return
      this.#report(route, connection, room, error, 'snapshot failed')
      connection.end('unavailable')
    }
  }

  /** `onLeave` follows each `onJoin` that was called, and waits for it, whenever the socket ends. */
  async #joined (route: Route, connection: RoomConnection, room: string, request: FastifyRequest): Promise<void> {
    const joining = this.#join(route, connection, room, request)
    if (route.onLeave !== undefined) connection.onLeave = () => this.#leave(route, connection, room, joining)
    await joining
  }

  /** A function of its own, like the next: what is at hand where `onLeave` is made stays in memory with the socket. */
  async #join (route: Route, connection: RoomConnection, room: string, request: FastifyRequest): Promise<void> {
    await null // onJoin may end the socket at once, and onLeave must be waiting for it by then
    try {
      await route.onJoin?.({ connection, room, request })
    } catch (error) {
      // Not a refusal, whatever its status: the client has been told that it is in.
      this.#report(route, connection, room, error, 'onJoin failed')
      connection.end('unavailable')
    }
  }

  #leave (route: Route, connection: RoomConnection, room: string, joining: Promise<void>): void {
    const leaving = joining.then(() => route.onLeave?.({ connection, room })).catch(error => {
      this.#report(route, connection, room, error, 'onLeave failed')
    }).finally(() => this.#leaving.delete(leaving))
    this.#leaving.add(leaving)
  }

  /** An end before or at the door. Refusals are the client's affair; faults are ours, and are logged and reported. */
  #refuse (route: Route, connection: RoomConnection, room: string | undefined, error: unknown): void {
    this.handshakes.finish(connection)
    if (error === GONE) return
    const cause = endOf(error)
    if (cause === 'unavailable') this.#report(route, connection, room, error, 'socket could not be served')
    // The error may quote what the client sent, so the log gets only its code.
    else connection.log.info({ cause, code: (error as { code?: unknown }).code, why: error instanceof Refusal ? error.message : undefined, room }, 'socket refused')
    connection.end(cause)
  }

  #report (route: Route, connection: RoomConnection, room: string | undefined, thrown: unknown, message: string): void {
    const error = thrown instanceof Error ? thrown : new Error('A hook threw something that is no error.', { cause: thrown })
    connection.log.error({ err: error, room }, message)
    reportTo(route, connection.log, { error, room, connection })
  }

  flush (): void {
    this.#rooms.flush()
  }

  /** Every frame of a client but the first. A route that takes no commands ignores what it does not know. */
  frame (connection: RoomConnection, data: Buffer, isBinary: boolean): void {
    if (!connection.open) return
    if (!connection.spend()) return connection.end('rate_limited')
    if (connection.rooms.size === 0) {
      // The first frame that a client gets is the verdict on its token; nothing is answered before.
      this.counters.ignored++
      return
    }
    let frame: Record<string, unknown> | undefined
    try {
      frame = isBinary ? undefined : objectIn(this.#parse(data))
    } catch (error) {
      if (connection.commands === undefined) this.counters.ignored++
      else connection.write(errorFrame(new errors.FST_ROOMS_INVALID_COMMAND((error as Error).message), undefined))
      return
    }
    const id = frame?.id
    if (frame === undefined || !isId(id)) return connection.end('bad_frame')
    if (frame.command === 'WSPing') {
      connection.write(PONG_FRAME)
    } else if (frame.command === 'WSPong') {
      // A sign of life, which it has given by now.
    } else if (connection.commands !== undefined) {
      connection.commands.receive({ command: frame.command, data: frame.data, id })
    } else {
      this.counters.ignored++
      if (id !== undefined) connection.write(errorFrame(new errors.FST_ROOMS_NO_COMMANDS(), id))
    }
  }

  /** Nothing holds a connection that has ended: no room, no subscription, no timer. */
  ended (connection: RoomConnection, cause: End): void {
    if (cause === 'too_slow') {
      this.#warnSlow({ user: connection.userId, maxBuffered: this.limits.maxBuffered })
      this.#slow.add(connection.userId)
    } else if (TOLD.has(cause)) connection.log.info({ cause, user: connection.userId }, 'socket ended')
    this.handshakes.finish(connection)
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
    this.#draining = true
  }

  /** Resolves when no socket is left and every `onLeave` has settled: what the application closes next, it may still use. */
  async empty (): Promise<void> {
    if (this.connections.size > 0) await new Promise<void>(resolve => { this.#emptied = resolve })
    await Promise.all(this.#leaving)
  }

  close (): void {
    this.handshakes.close()
    this.#snapshots.close()
    this.#commands.close()
    this.#keepAlive.close()
    this.#expiry.close()
  }
}

function endOf (error: unknown): Cause {
  if (error instanceof Refusal) return error.end
  if (isError(error, 'FST_ROOMS_INVALID_ROOM')) return 'forbidden'
  return isError(error, 'FST_ROOMS_HISTORY_UNAVAILABLE') ? 'overloaded' : causeOf(error)
}

/** A client that asks for what it missed is always told whether it gets that. */
function answered (joined: Joined, denied: string | undefined): Joined {
  if (joined.recovered !== undefined) return joined
  return { ...joined, recovered: false, reason: denied ?? 'no_history' }
}

/** A socket's connection, if it is one of ours. */
export function connectionOf (socket: WebSocket): RoomConnection | undefined {
  return (socket as Partial<OwnSocket>)[kConnection]
}

/** An `onError` that fails must not start over. */
export function reportTo (hooks: Pick<RoomRouteOptions, 'onError'>, log: FastifyBaseLogger, event: Parameters<Exclude<RoomRouteOptions['onError'], undefined>>[0]): void {
  Promise.resolve(event).then(event => hooks.onError?.(event)).catch(err => log.error({ err }, 'onError failed'))
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

function onSign (this: WebSocket): void {
  const connection = connectionOf(this)
  if (connection !== undefined) connection.alive = true
}

/** `ws` has answered a bad frame with the right code already; to terminate, as @fastify/websocket does, would hide it. */
export function onError (this: WebSocket, error: Error & { code?: unknown }): void {
  connectionOf(this)?.log.info({ code: error.code }, 'socket sent a bad frame')
}

function onClose (this: WebSocket): void {
  connectionOf(this)?.closed()
}
