import type { HistoryBounds, Position } from '../../types/index.js'
import { nextId } from '../id.js'
import { numbered } from '../protocol.js'
import type { Appended, BrokerHistory, Entry, Range } from './broker.js'

/** How often what has outlived its time is looked for, in milliseconds. */
const SWEEP = 1_000

interface Kept {
  entries: Entry[]
  expires: number
}

/** The histories of one process, for the brokers that share a bus. */
export class MemoryHistories {
  readonly #kept = new Map<string, Kept>()
  #lastEpoch = 0
  #swept = 0

  append (channel: string, text: string, mid: string, bounds: HistoryBounds): Position {
    const { entries } = this.#open(channel, bounds)
    const { epoch, seq } = entries.at(-1) as Entry
    const entry = { epoch, seq: seq + 1, mid, text }
    entries.push(entry)
    // One more than the size: a client that has missed exactly so many is known by the entry before them.
    if (entries.length > bounds.size + 1) entries.shift()
    this.#sweep()
    return entry
  }

  read (channel: string, from: Position | undefined, bounds: HistoryBounds, limit: number): Range {
    const { entries } = this.#open(channel, bounds)
    if (from === undefined) return { last: entries.at(-1) as Entry, entries: [] }
    const at = entries.findIndex(({ epoch, seq, mid }) => epoch === from.epoch && seq === from.seq && mid === from.mid)
    if (at !== -1) return { last: entries.at(-1) as Entry, entries: entries.slice(at + 1, at + 1 + limit) }
    const [first] = entries as [Entry]
    const older = Number(from.epoch) < Number(first.epoch) || (from.epoch === first.epoch && from.seq < first.seq)
    if (!older && entries.at(-1)?.epoch === from.epoch) entries.push(this.#begin())
    return { last: entries.at(-1) as Entry, entries: [], broken: older ? 'trimmed' : 'rewritten' }
  }

  tail (channel: string, limit: number): readonly Entry[] {
    return this.#find(channel)?.entries.slice(-limit) ?? []
  }

  /** What a Redis does that loses its data, or that of one room. */
  forget (channel?: string): void {
    if (channel === undefined) this.#kept.clear()
    else this.#kept.delete(channel)
  }

  /** What a failover does to a replica that lacked the last entries. The one that they came after is always left. */
  rollBack (channel: string, entries: number): void {
    const kept = this.#find(channel)?.entries
    kept?.splice(Math.max(1, kept.length - entries))
  }

  #find (channel: string): Kept | undefined {
    const kept = this.#kept.get(channel)
    return kept === undefined || kept.expires < performance.now() ? undefined : kept
  }

  #open (channel: string, { ttl }: HistoryBounds): Kept {
    const kept = this.#find(channel) ?? { entries: [this.#begin()], expires: 0 }
    kept.expires = performance.now() + ttl
    this.#kept.set(channel, kept)
    return kept
  }

  #begin (): Entry {
    this.#lastEpoch = Math.max(this.#lastEpoch + 1, Date.now() * 1_000)
    return { epoch: String(this.#lastEpoch), seq: 0, mid: nextId(), text: '' }
  }

  #sweep (): void {
    const now = performance.now()
    if (now - this.#swept < SWEEP) return
    this.#swept = now
    for (const [channel, { expires }] of this.#kept) if (expires < now) this.#kept.delete(channel)
  }
}

/** What a broker in memory keeps for rooms with history. */
export class MemoryHistory implements BrokerHistory {
  readonly polled = false
  readonly #histories: MemoryHistories
  readonly #publish: (channel: string, payload: string, position: Position) => number

  constructor (histories: MemoryHistories, publish: (channel: string, payload: string, position: Position) => number) {
    this.#histories = histories
    this.#publish = publish
  }

  async append (channel: string, text: string, mid: string, bounds: HistoryBounds): Promise<Appended> {
    const position = this.#histories.append(channel, text, mid, bounds)
    const { epoch, seq } = position
    return { epoch, seq, subscribers: this.#publish(channel, numbered(text, seq, mid), { epoch, seq, mid }) }
  }

  async read (channel: string, from: Position | undefined, bounds: HistoryBounds, limit: number): Promise<Range> {
    return this.#histories.read(channel, from, bounds, limit)
  }

  async tail (channel: string, limit: number): Promise<readonly Entry[]> {
    return this.#histories.tail(channel, limit)
  }
}
