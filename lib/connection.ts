import type { FastifyBaseLogger } from 'fastify'
import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import type { Connection, JoinOptions, Message, Room, RoomContract, User } from '../types/index.js'
import { Backlog, Place } from './backlog.js'
import { Batch } from './batch.js'
import { Bucket } from './bucket.js'
import type { Rate } from './bucket.js'
import type { Commands } from './commands.js'
import { inDialect } from './dialect.js'
import type { Dialect } from './dialect.js'
import { errors } from './errors.js'
import { nextId } from './id.js'
import type { Memberships } from './memberships.js'
import { CAUSES, checkSize, closeReason, encodeMessage, statusFrame } from './protocol.js'
import type { Cause } from './protocol.js'
import type { Serializers } from './serializers.js'
import type { Session } from './session.js'
import type { Counters, End } from './stats.js'
import { frame, sizeOf, streamOf } from './wire.js'
import type { Payload } from './wire.js'

export interface ConnectionLimits {
  perMessageDeflate: unknown
  maxBuffered: number
  maxMessage: number
}

/** What all connections of an application share. */
export interface ConnectionHost {
  readonly limits: ConnectionLimits
  /** What a client may send. */
  readonly messageRate: Rate
  readonly byteRate: Rate
  readonly counters: Counters
  readonly serializers: Pick<Serializers, 'encode'>
  /** Sends what the rooms still hold for this turn: it comes before anything that is written to a socket alone. */
  flush (): void
  /** Every frame but the first of an authenticated route. */
  frame (connection: RoomConnection, data: Buffer, isBinary: boolean): void
  /** Called once, as soon as a socket is on its way out; nothing may hold it afterwards. */
  ended (connection: RoomConnection, cause: End): void
  /** The socket is gone. */
  closed (connection: RoomConnection): void
}

/** Thrown into a handshake whose socket is no longer there. Nobody is told: there is nobody. */
export const GONE = new Error('The client has left.')

/** Frames that wait for the verdict on their client. */
export interface Early {
  readonly frames: Array<{ readonly data: Buffer, readonly isBinary: boolean }>
  bytes: number
}

const OPEN = 1
/** Frames of the plugin's own are small, and compression would make those that follow wait. */
const TEXT = { binary: false, compress: false }

/** One socket, from the upgrade to its end. Applications see it once it is authenticated. */
export class RoomConnection implements Connection {
  // What each message needs comes first, so that it lies together in memory.
  readonly socket: WebSocket
  #ended = false
  #cause: End | undefined
  /** Whether the client has agreed to compression. */
  readonly #compressed: boolean
  /** Whether the frames of rooms say which: the socket may be in several. */
  readonly labelled: boolean
  readonly #host: ConnectionHost
  /** What has to wait until something else has gone out. */
  #backlog: Backlog | undefined
  /** How its client is spoken to, where that is not the protocol. */
  readonly dialect: Dialect | undefined
  readonly id = nextId()
  readonly rooms = new Set<string>()
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
  /** Which turn of the keep-alive wheel is this socket's. */
  slot = -1
  /** When it was last told to look again, in the time of `performance.now()`. */
  resyncedAt = -Infinity
  /** Takes the first frame, while it is waited for. */
  takeFirst: ((frame: Buffer | undefined) => void) | undefined
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
  /** What is waited for on its behalf, while anything is. */
  #interrupts: Set<(reason: Error) => void> | undefined
  /** Frames of the client. */
  #received = 0
  /** Messages to it. */
  #sent = 0
  readonly #openedAt = performance.now()
  #log: FastifyBaseLogger
  readonly #messages: Bucket
  readonly #bytes: Bucket

  constructor (socket: WebSocket, log: FastifyBaseLogger, host: ConnectionHost, labelled: boolean, dialect: Dialect | undefined) {
    this.socket = socket
    this.dialect = dialect
    this.#log = log
    this.#host = host
    this.labelled = labelled
    this.#compressed = host.limits.perMessageDeflate !== false && socket.extensions.includes('permessage-deflate')
    this.#messages = new Bucket(host.messageRate)
    this.#bytes = new Bucket(host.byteRate)
  }

  /** Of this connection: with the request's id, and, as soon as they are known, the user and the room. */
  get log (): FastifyBaseLogger {
    return this.#log
  }

  /** The client has been told that it is in. */
  enter (): void {
    this.entered = true
    this.#log = this.#log.child({ connection: this.id, user: this.userId, room: this.labelled ? undefined : [...this.rooms][0] })
    this.#log.info('socket opened')
  }

  get open (): boolean {
    return !this.#ended && this.socket.readyState === OPEN
  }

  send (message: Message): boolean {
    const text = this.#encode(message)
    if (this.#backlog === undefined) return this.write(text)
    this.tell(new Batch([text], undefined, Infinity))
    return this.open
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

  #encode (message: Message): string {
    const { limits: { maxMessage }, serializers } = this.#host
    const text = this.contract === undefined ? encodeMessage(message, maxMessage) : serializers.encode(this.contract, (message ?? {}) as Message)
    checkSize(text, maxMessage)
    return this.dialect === undefined ? text : this.dialect.message(text)
  }

  close (code: number = CAUSES.done.code, reason: string = ''): void {
    if (this.#ended) return
    for (const [cause, { code: its }] of Object.entries(CAUSES)) {
      if (its === code) {
        this.end(cause as Cause, reason)
        return
      }
    }
    this.#host.flush()
    this.socket.close(code, closeReason(reason)) // throws on a code that may not be sent, before anything has changed
    this.#finish('done')
  }

  /** Writes a frame, unless the client is too far behind in reading, which ends it. */
  write (payload: Payload): boolean {
    this.#host.flush()
    if (!this.open || this.#isFull(this.socket.bufferedAmount + sizeOf(payload))) return false
    const stream = streamOf(this.socket)
    if (stream !== undefined) stream.write(frame(payload))
    else this.socket.send(payload, TEXT)
    return true
  }

  /** Writes a word of the plugin's own, if the client is to hear it. */
  say (frame: string): void {
    const text = inDialect(this.dialect, frame)
    if (text !== undefined) this.write(text)
  }

  /** The messages of a room. @returns how many the socket took */
  deliver (messages: Batch): number {
    if (!this.open) return 0
    const batch = this.labelled ? messages.labelled : messages
    if (this.#backlog === undefined) return this.#deliverNow(batch)
    if (!this.#backlog.push(batch)) this.end('overloaded')
    return 0
  }

  /** The same, for what is not sent to all members at once, and comes after all that was. */
  tell (news: Batch): void {
    this.#host.flush()
    this.deliver(news)
  }

  /** Has all messages that come from now on wait, until it is known what comes before them. */
  hold (room: string | undefined): Place {
    const place = new Place(room)
    this.#waiting().hold(place)
    return place
  }

  /** What has waited behind a place is sent, after what stands there. */
  settle (place: Place, frame = ''): void {
    place.frame = frame
    place.settled = true
    this.resume()
  }

  /** Sends what the client has missed, no faster than it reads, and only then what comes meanwhile. */
  replay (missed: readonly Batch[]): void {
    this.#host.flush()
    this.#waiting().replay(this.labelled ? missed.map(({ labelled }) => labelled) : missed)
    this.resume()
  }

  /**
   * Has a batch wait, and all that comes after it.
   * @returns what it waits for; undefined where it waits already, behind something else
   */
  postpone (batch: Batch): Place | undefined {
    const place = this.#backlog === undefined ? this.hold(undefined) : undefined
    this.deliver(batch)
    return place
  }

  /** Nothing of a room that has been left is sent any more. */
  forget (room: string): void {
    this.#backlog?.forget(room)
    this.resume()
  }

  /** Sends what waits, as fast as the client reads. */
  resume (): void {
    const backlog = this.#backlog
    if (backlog === undefined || backlog.paced || !this.open) return // the client has to read first, or has left meanwhile
    const { counters, limits: { maxBuffered } } = this.#host
    const stream = streamOf(this.socket)
    const behind = this.socket.bufferedAmount > 0 // what is written here, and held together, does not make it so
    stream?.cork()
    while (this.open) {
      const next = backlog.take(this.socket.bufferedAmount, maxBuffered)
      if (next === undefined) break
      if (next instanceof Batch) counters.delivered += this.#deliverNow(next, behind)
      else if (next.frame !== '') this.write(next.frame)
    }
    stream?.uncork()
    if (backlog.empty) {
      this.#backlog = undefined
    } else if (this.open && !backlog.blocked) {
      backlog.paced = true
      // A pong that nobody has asked for is allowed (RFC 6455 §5.5.3), and this one is written when all before it is.
      this.socket.pong('', false, () => {
        backlog.paced = false
        this.resume()
      })
    }
  }

  #waiting (): Backlog {
    this.#backlog ??= new Backlog(this.#host.limits.maxBuffered, this.#compressed)
    return this.#backlog
  }

  #deliverNow (batch: Batch, late?: boolean): number {
    const stream = streamOf(this.socket)
    const waiting = stream === undefined ? this.socket.bufferedAmount : stream.writableLength
    const behind = late ?? waiting > 0
    const bytes = batch.bytes(this.#compressed, behind)
    if (bytes.length === 0 || this.#isFull(waiting + bytes.length)) return 0
    const payloads = batch.payloads(behind)
    this.#sent += payloads.length
    if (stream !== undefined) stream.write(bytes)
    else for (const payload of payloads) this.socket.send(payload, TEXT)
    return payloads.length
  }

  /** Ends the socket for a cause of the protocol's table. */
  end (cause: Cause, reason: string = ''): void {
    if (this.#ended) return
    this.#host.flush()
    const { code, status } = CAUSES[cause]
    const word = status && inDialect(this.dialect, statusFrame(status))
    if (word !== undefined) this.socket.send(word, TEXT)
    this.socket.close(code, closeReason(reason))
    // What a slow reader has not read would stay in memory until the close times out: the code is worth a try, no wait.
    if (cause === 'too_slow') this.socket.terminate()
    this.#finish(cause)
  }

  /** Ends a socket that shows no sign of life; a close frame would wait for an answer that never comes. */
  terminate (): void {
    this.socket.terminate()
    if (!this.#ended) this.#finish('silent')
  }

  receive (data: Buffer, isBinary: boolean): void {
    this.alive = true
    this.#received++
    const { takeFirst } = this
    if (takeFirst === undefined) {
      this.#host.frame(this, data, isBinary)
    } else {
      this.takeFirst = undefined
      takeFirst(isBinary ? undefined : data)
    }
  }

  /** A ping, or a pong, asked for or not: they cost what a message costs, also before anybody knows who it is. */
  receiveSign (data: Buffer): void {
    this.alive = true
    if (this.open) this.spend(data.length)
  }

  /** The socket has closed, by whatever hand. */
  closed (code: number): void {
    if (!this.#ended) this.#finish('client')
    if (this.entered) this.#log.info(this.#summary(code), 'socket closed')
    this.#host.closed(this)
  }

  #summary (code: number): object {
    const { bytesRead, bytesWritten } = (streamOf(this.socket) ?? {}) as Partial<Socket>
    const seconds = Math.round(performance.now() - this.#openedAt) / 1_000
    return { code, cause: this.#cause, seconds, received: this.#received, sent: this.#sent, bytesRead, bytesWritten }
  }

  /**
   * Has the application work, and waits for it, but no longer than the socket lives and the handshake may take. For a
   * client that has left, the work is not begun.
   * @throws GONE, or what `interrupt` was given, or what the work throws
   */
  until<T> (work: () => T | PromiseLike<T>): T | Promise<T> {
    if (!this.open) throw GONE
    const result = work()
    if (!isThenable(result)) return result // most hooks have nothing to wait for
    return new Promise<T>((resolve, reject) => {
      const interrupts = this.#interrupts ??= new Set()
      interrupts.add(reject)
      const settled = (): void => {
        interrupts.delete(reject)
        if (interrupts.size === 0) this.#interrupts = undefined
      }
      // Listened to whatever happens: what rejects after the client has left must not end the process.
      result.then(value => {
        settled()
        resolve(value)
      }, error => {
        settled()
        reject(error)
      })
    })
  }

  interrupt (reason: Error): void {
    for (const reject of this.#interrupts ?? []) reject(reason)
  }

  /** Takes one frame off what the client may send, and ends it where that is used up. @returns whether it may go on */
  spend (bytes: number): boolean {
    if (this.#messages.spend() && this.#bytes.spend(bytes)) return true
    this.end('rate_limited')
    return false
  }

  /** Whether so many bytes are too many for a client to be behind; then it is ended. */
  #isFull (bytes: number): boolean {
    if (bytes <= this.#host.limits.maxBuffered) return false
    this.end('too_slow')
    return true
  }

  #finish (cause: End): void {
    this.#ended = true
    this.#cause = cause
    this.#backlog = undefined
    this.early = undefined
    this.commands?.close()
    this.commands = undefined
    this.#host.counters.end(cause)
    this.#host.ended(this, cause)
    this.interrupt(GONE)
    this.stay?.end()
  }
}

/** Whether a hook's answer is still to come. */
export function isThenable<T> (value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}
