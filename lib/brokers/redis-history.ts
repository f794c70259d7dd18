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

/** As Redis gives an entry of a stream: its id, and its fields by turns with their values. */
type StreamEntry = [id: string, fields: string[]]

/** Histories in Redis: a stream for each room. */
export class RedisHistory implements BrokerHistory {
  readonly polled: boolean
  readonly #link: RedisLink
  readonly #answers: Answers
  readonly #carrier: RedisCarrier
  readonly #queue: AppendQueue

  constructor (link: RedisLink, answers: Answers, subscriptions: Subscriptions, publishTimeout: number) {
    this.polled = link.polled
    this.#link = link
    this.#answers = answers
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
    const args = [ttl, freshEpoch(positions.get(channel)), nextId(), epoch, seq, mid, limit + 1]
    const answer = await this.#asked(() => this.#link.ask(READ, [streamOf(channel)], args))
    const [top, entries, broken] = answer as [StreamEntry, StreamEntry[], '' | 'trimmed' | 'rewritten']
    const last = positionOf(top)
    positions.learn(channel, last)
    if (from !== undefined && !asked) return { last, entries: [], broken: 'rewritten' }
    return { last, entries: entries.slice(1).map(entryOf), ...broken !== '' && { broken } }
  }

  async tail (channel: string, limit: number): Promise<readonly Entry[]> {
    const entries = await this.#asked(() => this.#link.reader.xrevrange(streamOf(channel), '+', '-', 'COUNT', limit))
    return entries.reverse().map(entryOf)
  }

  close (): void {
    this.#queue.close()
  }

  #asked<T> (work: () => Promise<T>): Promise<T> {
    return this.#answers.bounded(work, unavailable)
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

function entryOf (entry: StreamEntry): Entry {
  return { ...positionOf(entry), text: entry[1][3] as string }
}
