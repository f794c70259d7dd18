import type { HistoryBounds, Position } from '../../types/index.js'
import { nextId } from '../id.js'
import type { Answers } from './answers.js'
import { AppendQueue } from './append-queue.js'
import type { Appended, BrokerHistory, Entry, Range } from './broker.js'
import { freshEpoch, RedisCarrier, streamOf } from './redis-carrier.js'
import { unavailable } from './redis-errors.js'
import type { RedisLink } from './redis-link.js'
import { READ } from './redis-scripts.js'
import type { Subscriptions } from './subscriptions.js'

/** Bytes of entries that are read at once on the connection that hears; a longer message is read alone. */
const MOST = 256 * 1_024
/** Entries that are read at once on the other. */
const PAGE = 32
/** What the name of a message is made of. */
const NAME = /^[\w-]{1,64}$/
const NO_MESSAGE = 'not a message'

/** As Redis gives an entry of a stream: its id, and its fields by turns with their values. */
type StreamEntry = [id: string, fields: string[]]

/** Histories in Redis: a stream for each room. */
export class RedisHistory implements BrokerHistory {
  readonly polled: boolean
  readonly #link: RedisLink
  readonly #asked: Answers
  /** Of the connection with the subscriptions. */
  readonly #heard: Answers
  readonly #carrier: RedisCarrier
  readonly #queue: AppendQueue

  constructor (link: RedisLink, asked: Answers, heard: Answers, subscriptions: Subscriptions, publishTimeout: number) {
    this.polled = link.polled
    this.#link = link
    this.#asked = asked
    this.#heard = heard
    this.#carrier = new RedisCarrier(link, subscriptions)
    this.#queue = new AppendQueue(this.#carrier, publishTimeout)
  }

  start (): void {
    const { commands } = this.#link
    commands.on('ready', async () => {
      await this.#carrier.prepare() // when its connection is lost, this ends never, or in vain
      if (commands.status === 'ready') this.#queue.open()
    })
    commands.on('close', () => this.#queue.interrupt())
  }

  append (channel: string, text: string, mid: string, bounds: HistoryBounds): Promise<Appended> {
    return this.#queue.append(channel, text, mid, bounds)
  }

  async read (channel: string, from: Position | undefined, { ttl }: HistoryBounds, limit: number): Promise<Range> {
    const { positions } = this.#queue
    const asked = from !== undefined && isPosition(from)
    const [epoch, seq, mid] = asked ? [from.epoch, from.seq, from.mid] : ['', '', '']
    const args = [ttl, freshEpoch(positions.get(channel)), nextId(), epoch, seq, mid, limit, MOST]
    const answer = await this.#heard.bounded(() => this.#link.ask(READ, [streamOf(channel)], args), unavailable)
    const [top, entries, broken] = answer as [StreamEntry, StreamEntry[], '' | 'trimmed' | 'rewritten']
    const last = positionOf(top)
    positions.learn(channel, last)
    if (from !== undefined && !asked) return { last, entries: [], broken: 'rewritten' }
    return { last, entries: entries.map(entryOf), ...broken !== '' && { broken } }
  }

  async tail (channel: string, limit: number, bytes = Infinity): Promise<readonly Entry[]> {
    const entries: StreamEntry[] = []
    let size = 0
    for (let more = true; more && entries.length < limit && size < bytes;) {
      const before = entries.at(-1)?.[0]
      const count = Math.min(PAGE, limit - entries.length)
      const page = await this.#asked.bounded(() => this.#link.commands.xrevrange(streamOf(channel), before === undefined ? '+' : `(${before}`, '-', 'COUNT', count), unavailable)
      for (const [, fields] of page) size += fields[3]?.length ?? 0
      entries.push(...page)
      more = page.length === count
    }
    return entries.reverse().map(entryOf)
  }

  close (): void {
    this.#queue.close()
  }
}

/** Clients say where they were, and may say anything. */
function isPosition ({ epoch, seq }: Position): boolean {
  return /^\d{1,16}$/.test(epoch) && Number.isSafeInteger(seq) && seq >= 0
}

function positionOf ([id, fields]: StreamEntry): Position {
  const [epoch, seq] = id.split('-')
  return { epoch: epoch as string, seq: Number(seq), mid: fields[1] as string }
}

/** Others can write into a stream too. What has other fields than ours is an entry, since it has a place, and no message. */
function entryOf (entry: StreamEntry): Entry {
  const [m, mid, p, text] = entry[1]
  const ours = m === 'm' && p === 'p' && NAME.test(mid as string)
  return { ...positionOf(entry), text: ours ? text as string : NO_MESSAGE }
}
