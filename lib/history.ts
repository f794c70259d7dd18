import { setTimeout as sleep } from 'node:timers/promises'
import type { HistoryBounds, Position } from '../types/index.js'
import type { Batch } from './batch.js'
import type { Entry, Range } from './brokers/broker.js'
import { inDialect } from './dialect.js'
import type { Dialect } from './dialect.js'
import type { FanOut } from './fanout.js'
import type { Histories } from './histories.js'
import { epochFrame, isMessage, numbered, RESYNC_FRAME } from './protocol.js'
import type { Standing } from './protocol.js'
import type { Address } from './address.js'
import { isBeyond, Tail } from './tail.js'
import type { Payload } from './wire.js'

/** How often a history is looked at whose broker may miss something and not know, in milliseconds. */
const POLL = 1_000
/** From one failed reading to the next, in milliseconds; after the last, the members are sent away. */
const RETRIES = [100, 250, 500, 1_000, 2_000] as const

export interface HistoryEvents {
  /** Messages were missing, and have been passed on. */
  filled (messages: number): void
  /** Messages are missing for good. @param news where all members stand from now on */
  moved (news: string): void
  /** Somebody could not send what members should know. @param news tells them to load anew */
  resync (news: Payload): void
  /** The history cannot be read, though messages arrive: the members would see a hole. */
  unreadable (error: unknown): void
  /** Whether messages arrive. Where they do not, to try again is in vain. */
  live (): boolean
}

/** What a client that comes in is told, and what it is sent. */
export interface Resumed {
  readonly standing: Standing
  readonly missed: readonly Batch[]
}

/**
 * The numbers of a room with history, in this process. All its members stand at one position. What arrives with the next
 * number is passed on; whatever else arrives is only a sign that something is missing, or double, or that history was
 * written anew, and what is true is read from the broker, from that position on. So nothing need be held back while a
 * gap is filled, and nobody sees anything twice.
 */
export class RoomHistory {
  readonly #room: string
  readonly #channel: string
  readonly #bounds: HistoryBounds
  readonly #dialect: Dialect | undefined
  readonly #members: FanOut
  readonly #shared: Histories
  readonly #events: HistoryEvents
  #position: Position | undefined
  #opening: Promise<void> | undefined
  /** The reading that is under way; it ends when the members have everything. */
  #reading: Promise<void> | undefined
  /** The furthest that has arrived while it was read. */
  #ahead: Position | undefined
  #again = false
  /** Whether the subscription was gone: until the next reading, a number that fits may be one of a history written anew. */
  #doubtful = false
  /** Names of messages that were read, and of which the broker's own delivery may still come. */
  readonly #echoes = new Set<string>()
  #tail: Tail | undefined
  #recording: Tail | undefined
  #loading: Promise<void> | undefined
  #lookAt = 0

  constructor ({ room, channel, dialect }: Address, bounds: HistoryBounds, members: FanOut, shared: Histories, events: HistoryEvents) {
    this.#room = room
    this.#channel = channel
    this.#dialect = dialect
    this.#bounds = bounds
    this.#members = members
    this.#shared = shared
    this.#events = events
  }

  /** Finds out where the history ends, and begins one where there is none: only then can nothing be missed. */
  async open (): Promise<void> {
    if (this.#position !== undefined) return
    await (this.#opening ??= this.#open().finally(() => { this.#opening = undefined }))
  }

  async #open (): Promise<void> {
    this.#ahead = undefined
    this.#doubtful = false // what was lost before has nothing to do with where the members now begin
    const { last } = await this.#read(undefined)
    this.#position = last
    this.#look()
    if (this.#doubtful || this.#ahead !== undefined) this.catchUp()
  }

  /** A message with a number. @param resync whether it is only the word to look again */
  receive (position: Position, payload: Payload, resync: boolean): void {
    const at = this.#position
    if (at === undefined || this.#doubtful || this.#reading !== undefined) {
      if (this.#ahead === undefined || isBeyond(position, this.#ahead)) this.#ahead = position
    } else if (position.epoch === at.epoch && position.seq === at.seq + 1) {
      if (this.#echoes.size > 0) this.#echoes.clear()
      this.#advance(position, resync ? this.#said(payload.toString()) : payload, resync)
    } else if (!this.#echoes.has(position.mid)) {
      this.catchUp()
    }
  }

  /** Something may be missing. Resolves when it no longer is, or cannot be had. */
  catchUp (): Promise<void> {
    if (this.#position === undefined) return Promise.resolve()
    this.#again = true
    this.#reading ??= this.#readOn()
    return this.#reading
  }

  /** The subscription is gone. When it is back, `catchUp` is called. */
  lost (): void {
    this.#doubtful = true
  }

  /** From time to time, the end is looked at: it keeps the history alive, and finds what no other sign has told. */
  tick (now: number): void {
    if (now >= this.#lookAt) this.catchUp()
  }

  /** Has everything at hand to let a client in with what it has: `resume` then needs no waiting. */
  async prepare (from: Position): Promise<void> {
    // It may have been served by a process that is ahead of this one.
    if (isBeyond(from, this.#position as Position)) await this.catchUp()
    if (this.#tail === undefined) await (this.#loading ??= this.#load().finally(() => { this.#loading = undefined }))
    this.#shared.tails.add(this) // from now on, however long it took to read
  }

  /** Lets a client in that is to see everything from now on, or from where it stood. */
  resume (from: Position | undefined): Resumed {
    const { epoch, seq, mid } = this.#position as Position
    if (from === undefined) return { standing: { epoch, seq, mid }, missed: [] }
    const missed = this.#tail?.after(from) ?? 'epoch'
    if (typeof missed === 'string') {
      this.#shared.counters.unrecovered++
      return { standing: { epoch, seq, mid, recovered: false, reason: missed }, missed: [] }
    }
    this.#shared.counters.recovered++
    return { standing: { ...from, recovered: true }, missed }
  }

  dropTail (): void {
    this.#tail = undefined
  }

  /** Nobody is here any more. */
  close (): void {
    this.#position = undefined
    this.#shared.tails.delete(this)
    this.#tail = undefined
  }

  async #load (): Promise<void> {
    const { settings } = this.#shared
    const from = this.#position as Position
    const recording = new Tail(this.#room, settings)
    this.#recording = recording
    try {
      const entries = await this.#shared.tail(this.#channel)
      const tail = new Tail(this.#room, settings, entries.length > settings.maxRecovery)
      for (const entry of entries) if (!isBeyond(entry, from)) tail.push(entry, this.#payload(entry))
      tail.append(recording)
      // Where history was written anew meanwhile, nothing of this is true any more.
      if (this.#recording === recording) this.#tail = tail
    } finally {
      this.#recording = undefined
    }
  }

  /** Ends in the very turn in which it finds nothing more: what arrives from then on is passed on. */
  async #readOn (): Promise<void> {
    let filled = 0
    let failures = 0
    while (this.#again && this.#position !== undefined) {
      this.#again = false
      this.#ahead = undefined
      try {
        const range = await this.#read(this.#position)
        failures = 0
        this.#doubtful = false
        filled += this.#apply(range)
        this.#again ||= isBeyond(range.last, this.#position) || (this.#ahead !== undefined && isBeyond(this.#ahead, this.#position))
      } catch (error) {
        if (!this.#events.live()) break // it is called again when that has changed
        const delay = RETRIES[failures++]
        if (delay === undefined) this.#events.unreadable(error)
        else await sleep(delay, undefined, { ref: false })
        this.#again = delay !== undefined
      }
    }
    this.#reading = undefined
    this.#look()
    if (filled > 0) this.#events.filled(filled)
  }

  #apply ({ last, entries, broken }: Range): number {
    if (broken !== undefined) {
      this.#tail = undefined
      this.#recording = undefined
      this.#echoes.clear()
      this.#position = last
      this.#events.moved(epochFrame(this.#room, last))
      return 0
    }
    let filled = 0
    for (const entry of entries) {
      this.#advance(entry, this.#payload(entry), entry.text === RESYNC_FRAME)
      if (entry.text !== '') {
        this.#echoes.add(entry.mid)
        filled++
      }
    }
    return filled
  }

  #read (from: Position | undefined): Promise<Range> {
    return this.#shared.read(this.#channel, from, this.#bounds)
  }

  /** What members get of an entry. Others may write into a history too, and what they write is skipped when it is nothing. */
  #payload (entry: Entry): string | undefined {
    const { seq, mid, text } = entry
    if (text === '') return this.#said(epochFrame(this.#room, entry))
    if (text === RESYNC_FRAME) return this.#said(numbered(text, seq, mid))
    if (this.#dialect !== undefined) {
      const frame = this.#dialect.show(text, entry)
      if (frame === undefined) this.#shared.counters.malformed++
      return frame
    }
    if (text.length <= this.#shared.settings.maxMessage && text.endsWith('}') && isMessage(text)) return numbered(text, seq, mid)
    this.#shared.counters.malformed++
    return undefined
  }

  /** @param payload undefined where members get nothing */
  #advance (position: Position, payload: Payload | undefined, resync: boolean): void {
    this.#position = position
    if (payload !== undefined) {
      if (resync) this.#events.resync(payload)
      else this.#members.send(payload)
    }
    this.#tail?.push(position, payload)
    this.#recording?.push(position, payload)
  }

  #said (frame: string): string | undefined {
    return inDialect(this.#dialect, frame)
  }

  /** When the end is to be looked at again: well before the history would expire. */
  #look (): void {
    const interval = this.#bounds.ttl / 3
    this.#lookAt = performance.now() + (this.#shared.polled ? Math.min(POLL, interval) : interval)
  }
}
