import type { WebSocket } from 'ws'
import { Backlog, Place } from './backlog.js'
import { Batch } from './batch.js'
import { inDialect } from './dialect.js'
import type { Dialect } from './dialect.js'
import { PING_FRAME } from './protocol.js'
import type { Cause } from './protocol.js'
import type { Counters, End } from './stats.js'
import { frame, streamOf } from './wire.js'
import type { Payload } from './wire.js'

export interface OutletLimits {
  perMessageDeflate: unknown
  maxBuffered: number
}

/** What all outlets of an application share. */
export interface OutletHost {
  readonly limits: OutletLimits
  readonly counters: Counters
  /**
   * Sends what the rooms still hold for this turn: it comes before anything that is written to a socket alone. Whoever may see no more
   * is ended by it.
   */
  flush (): void
}

const OPEN = 1
/** Frames of the plugin's own are small, and compression would make those that follow wait. */
export const TEXT = { binary: false, compress: false }

/** What is written to one socket: in order, and no more than its client reads. */
export abstract class Outlet {
  // What each message needs comes first, so that it lies together in memory.
  readonly socket: WebSocket
  #cause: End | undefined
  /** Whether the client has agreed to compression. */
  readonly #compressed: boolean
  /** Whether the frames of rooms say which: the socket may be in several. */
  readonly labelled: boolean
  readonly #host: OutletHost
  /** What has to wait until something else has gone out. */
  #backlog: Backlog | undefined
  /** How its client is spoken to, where that is not the protocol. */
  readonly dialect: Dialect | undefined
  /** Messages to it. */
  #sent = 0

  constructor (socket: WebSocket, host: OutletHost, labelled: boolean, dialect: Dialect | undefined) {
    this.socket = socket
    this.dialect = dialect
    this.#host = host
    this.labelled = labelled
    this.#compressed = host.limits.perMessageDeflate !== false && socket.extensions.includes('permessage-deflate')
  }

  /** Ends the socket for a cause of the protocol's table. */
  abstract end (cause: Cause): void

  get open (): boolean {
    return this.#cause === undefined && this.socket.readyState === OPEN
  }

  /** Why it has ended, if it has. */
  get cause (): End | undefined {
    return this.#cause
  }

  /** How many messages it was sent. */
  get sent (): number {
    return this.#sent
  }

  /** A message for this socket alone, after all that waits. @returns whether the socket is open, and has taken it or will */
  append (text: string): boolean {
    if (this.#backlog === undefined) return this.write(text)
    this.tell(new Batch([text], undefined, Infinity))
    return this.open
  }

  /** Writes a frame, unless the client is too far behind in reading, which ends it. */
  write (payload: Payload): boolean {
    this.#host.flush()
    if (!this.open) return false
    const bytes = frame(payload)
    if (this.#isFull(this.socket.bufferedAmount + bytes.length)) return false
    const stream = streamOf(this.socket)
    if (stream !== undefined) stream.write(bytes)
    else this.socket.send(payload, TEXT)
    return true
  }

  /** Writes a word of the plugin's own, if the client is to hear it. */
  say (frame: string): void {
    const text = inDialect(this.dialect, frame)
    if (text !== undefined) this.write(text)
  }

  /**
   * Asks for a sign of life, in one write. Both kinds: browsers answer the protocol's ping by themselves but hide it from the
   * page, which needs to see one.
   */
  ping (): void {
    this.#host.flush() // or what rooms have for this turn would find bytes ahead of it, as if the client did not read
    const stream = streamOf(this.socket)
    stream?.cork()
    this.socket.ping()
    this.say(PING_FRAME)
    stream?.uncork()
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
    this.#host.flush() // which may end it
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

  /** From now on nothing is written. */
  protected stop (cause: End): void {
    this.#cause = cause
    this.#backlog = undefined
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

  /** Whether so many bytes are too many for a client to be behind; then it is ended. */
  #isFull (bytes: number): boolean {
    if (bytes <= this.#host.limits.maxBuffered) return false
    this.end('too_slow')
    return true
  }
}
