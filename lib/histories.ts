import type { History, HistoryBounds, HistoryMessage, Position } from '../types/index.js'
import type { Address } from './address.js'
import type { BrokerHistory, Entry, Range } from './brokers/broker.js'
import { Deadlines } from './deadlines.js'
import { Lanes } from './lanes.js'
import { messageIn, parseObject, RESYNC_FRAME } from './protocol.js'
import type { Counters } from './stats.js'
import { isBeyond } from './tail.js'
import type { TailLimits } from './tail.js'

/** How many entries of a room are read at once, and of how many rooms: after an outage, all of them have to be read. */
const CHUNK = 100
const AT_ONCE = 4

/** What a room keeps for those who come back, until nobody has for a while. */
interface Forgetful {
  dropTail (): void
}

export interface HistorySettings extends TailLimits {
  maxMessage: number
  linger: number
}

/** What all rooms with history of a process share. */
export class Histories {
  readonly settings: HistorySettings
  readonly counters: Counters
  /** What recent members were sent is kept for those who come back, for a while. */
  readonly tails: Deadlines<Forgetful>
  readonly #broker: BrokerHistory
  readonly #lanes = new Lanes(AT_ONCE)

  constructor (broker: BrokerHistory, settings: HistorySettings, counters: Counters) {
    this.#broker = broker
    this.settings = settings
    this.counters = counters
    this.tails = new Deadlines(settings.linger, history => history.dropTail())
  }

  get polled (): boolean {
    return this.#broker.polled
  }

  read (channel: string, from: Position | undefined, bounds: HistoryBounds): Promise<Range> {
    return this.#lanes.run(() => this.#broker.read(channel, from, bounds, CHUNK))
  }

  tail (channel: string): Promise<readonly Entry[]> {
    const { maxRecovery, maxRecoveryBytes } = this.settings
    return this.#lanes.run(() => this.#broker.tail(channel, maxRecovery + 1, maxRecoveryBytes))
  }

  /** Where a room ends; undefined where it keeps nothing. */
  async end ({ channel, history }: Address): Promise<Position | undefined> {
    return history && (await this.read(channel, undefined, history)).last
  }

  /** What a room still holds, of what came after a position. */
  async list ({ channel, dialect }: Address, since: Pick<Position, 'epoch' | 'seq'> | undefined, limit: number): Promise<History> {
    const entries = await this.#broker.tail(channel, limit + 1)
    const messages: HistoryMessage[] = []
    for (const { epoch, seq, mid, text } of entries) {
      if (text === '' || text === RESYNC_FRAME || (since !== undefined && !isBeyond({ epoch, seq }, since))) continue
      const message = dialect === undefined ? messageIn(parseObject(text)) : dialect.read(text)
      if (message !== undefined) messages.push({ epoch, seq, mid, command: message.command, data: message.data })
    }
    const last = entries.at(-1)
    return { position: last && { epoch: last.epoch, seq: last.seq, mid: last.mid }, messages: messages.slice(-limit) }
  }

  close (): void {
    this.tails.close()
  }
}
