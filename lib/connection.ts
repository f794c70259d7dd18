import type { FastifyBaseLogger } from 'fastify'
import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import type { Connection, JoinOptions, Message, Room, RoomContract, User } from '../types/index.js'
import { Bucket } from './bucket.js'
import type { Rate } from './bucket.js'
import type { Commands } from './commands.js'
import { inDialect } from './dialect.js'
import type { Dialect } from './dialect.js'
import { errors } from './errors.js'
import { nextId } from './id.js'
import { GONE, Lifeline } from './lifeline.js'
import type { Memberships } from './memberships.js'
import { TEXT } from './outlet.js'
import type { OutletHost, OutletLimits } from './outlet.js'
import { CAUSES, checkSize, closeReason, encodeMessage, statusFrame } from './protocol.js'
import type { Cause } from './protocol.js'
import { RoomNames } from './room-names.js'
import type { Serializers } from './serializers.js'
import type { Session } from './session.js'
import type { End } from './stats.js'
import { streamOf } from './wire.js'

export interface ConnectionLimits extends OutletLimits {
  maxMessage: number
}

/** What all connections of an application share. */
export interface ConnectionHost extends OutletHost {
  readonly limits: ConnectionLimits
  /** What a client may send. */
  readonly messageRate: Rate
  readonly byteRate: Rate
  readonly serializers: Pick<Serializers, 'encode'>
  /** Takes every frame but the first of an authenticated route. */
  readonly inbound: { frame (connection: RoomConnection, data: Buffer, isBinary: boolean): void }
  /** Takes the first frame of an authenticated route. @param frame null where it is binary */
  greeted (newcomer: Session, frame: Buffer | null): void
  /** Called once, as soon as a socket is on its way out; nothing may hold it afterwards. */
  ended (connection: RoomConnection, cause: End): void
  /** The socket is gone. */
  closed (connection: RoomConnection): void
}

/** Frames that wait for the verdict on their client. */
export interface Early {
  readonly frames: Array<{ readonly data: Buffer, readonly isBinary: boolean }>
  bytes: number
}

/** One socket, from the upgrade to its end. Applications see it once it is authenticated. */
export class RoomConnection extends Lifeline implements Connection {
  readonly #host: ConnectionHost
  readonly id = nextId()
  readonly names = new RoomNames()
  user: User | null = null
  userId: string | undefined
  /** Of its token, in seconds since 1970; undefined where nobody knows. */
  issuedAt: number | undefined
  /** Of its token, in milliseconds since 1970. */
  expiresAt = Infinity
  /** When its client is to be told that the token expires, in milliseconds since 1970. */
  remindAt = Infinity
  /** Where a new token can be checked. */
  session: Session | undefined
  /** Whether the client has been told that it is in; nothing is answered before. */
  entered = false
  /** Whether the client has shown a sign of life since the last ping. */
  alive = true
  /** Which turn of the keep-alive wheel is this socket's, and where it sits there. */
  slot = -1
  seat = -1
  /** When it was last told to look again, in the time of `performance.now()`. */
  resyncedAt = -Infinity
  /** Whose token is waited for. */
  newcomer: Session | undefined
  /** What came before its client could know that it is in. */
  early: Early | undefined
  /** What it may be sent, where its route says so. */
  contract: RoomContract | undefined
  /** Where its room takes any. */
  commands: Commands | undefined
  /** Where it may be in several rooms. */
  memberships: Memberships | undefined
  /** Where `onLeave` is to follow: ends once, when the connection has ended. No function, which would keep what is around it. */
  stay: { end (): unknown } | undefined
  /** Frames of the client. */
  #received = 0
  readonly #openedAt = performance.now()
  #log: FastifyBaseLogger
  /** What its client may still send, from the first frame on for which that is asked: most send none after their token. */
  #messages: Bucket | undefined
  #bytes: Bucket | undefined

  constructor (socket: WebSocket, log: FastifyBaseLogger, host: ConnectionHost, labelled: boolean, dialect: Dialect | undefined) {
    super(socket, host, labelled, dialect)
    this.#log = log
    this.#host = host
  }

  /** Of this connection: with the request's id, and, as soon as they are known, the user and the room. */
  get log (): FastifyBaseLogger {
    return this.#log
  }

  get rooms (): ReadonlySet<string> {
    return this.names.all
  }

  /** The client has been told that it is in. */
  enter (): void {
    this.entered = true
    this.#log = this.#log.child({ connection: this.id, user: this.userId, room: this.labelled ? undefined : this.names.first })
    this.#log.info('socket opened')
  }

  send (message: Message): boolean {
    const { limits: { maxMessage }, serializers } = this.#host
    const text = this.contract === undefined ? encodeMessage(message, maxMessage) : serializers.encode(this.contract, (message ?? {}) as Message)
    checkSize(text, maxMessage)
    return this.append(this.dialect === undefined ? text : this.dialect.message(text))
  }

  join (room: string | Room, options?: JoinOptions): Promise<boolean> {
    const joining = this.memberships?.join(room, options) ?? Promise.reject(new errors.FST_ROOMS_ONE_ROOM())
    joining.catch(() => {}) // the caller may not listen, and the log does
    return joining
  }

  leave (room: string | Room): Promise<boolean> {
    const leaving = this.memberships?.leave(room) ?? Promise.reject(new errors.FST_ROOMS_ONE_ROOM())
    leaving.catch(() => {})
    return leaving
  }

  close (code: number = CAUSES.done.code, reason: string = ''): void {
    if (this.cause !== undefined) return
    for (const [cause, { code: its }] of Object.entries(CAUSES)) {
      if (its === code) {
        this.end(cause as Cause, reason)
        return
      }
    }
    this.#host.flush()
    if (this.cause !== undefined) return // that was too much for it
    this.socket.close(code, closeReason(reason)) // throws on a code that may not be sent, before anything has changed
    this.stop('done')
  }

  /** Ends the socket for a cause of the protocol's table. */
  override end (cause: Cause, reason: string = ''): void {
    if (this.cause !== undefined) return
    this.#host.flush()
    if (this.cause !== undefined) return // that was too much for it
    const { code, status } = CAUSES[cause]
    const word = status && inDialect(this.dialect, statusFrame(status))
    if (word !== undefined) this.socket.send(word, TEXT)
    this.socket.close(code, closeReason(reason))
    // What a slow reader has not read would stay in memory until the close times out: the code is worth a try, no wait.
    if (cause === 'too_slow') this.socket.terminate()
    this.stop(cause)
  }

  /** Ends a socket that shows no sign of life; a close frame would wait for an answer that never comes. */
  terminate (): void {
    this.socket.terminate()
    if (this.cause === undefined) this.stop('silent')
  }

  receive (data: Buffer, isBinary: boolean): void {
    this.alive = true
    this.#received++
    const { newcomer } = this
    if (newcomer === undefined) {
      this.#host.inbound.frame(this, data, isBinary)
    } else {
      this.newcomer = undefined
      this.#host.greeted(newcomer, isBinary ? null : data)
    }
  }

  /** A ping, or a pong, asked for or not: they cost what a message costs, also before anybody knows who it is. */
  receiveSign (data: Buffer): void {
    this.alive = true
    if (this.open) this.spend(data.length)
  }

  /** The socket has closed, by whatever hand. */
  closed (code: number): void {
    if (this.cause === undefined) this.stop('client')
    if (this.entered) {
      const stream = streamOf(this.socket) as Partial<Socket> | undefined
      const seconds = Math.round(performance.now() - this.#openedAt) / 1_000
      const { cause, sent } = this
      this.#log.info({ code, cause, seconds, received: this.#received, sent, bytesRead: stream?.bytesRead, bytesWritten: stream?.bytesWritten }, 'socket closed')
    }
    this.#host.closed(this)
  }

  /** Takes one frame off what the client may send, and ends it where that is used up. @returns whether it may go on */
  spend (bytes: number): boolean {
    const { messageRate, byteRate } = this.#host
    this.#messages ??= new Bucket(messageRate)
    this.#bytes ??= new Bucket(byteRate)
    if (this.#messages.spend() && this.#bytes.spend(bytes)) return true
    this.end('rate_limited')
    return false
  }

  protected override stop (cause: End): void {
    super.stop(cause)
    this.newcomer = undefined
    this.early = undefined
    this.commands?.close()
    this.commands = undefined
    this.#host.counters.end(cause)
    this.#host.ended(this, cause)
    this.interrupt(GONE)
    this.stay?.end()
  }
}
