import type { HistoryBounds, Position } from '../../types/index.js'

/**
 * What carries messages between processes. Two are built in; an application can bring its own. test/brokers/suite.ts
 * is the contract in executable form: a broker that passes it will do.
 */
export interface Broker {
  /** Called once, before anything else. The broker may connect in the background: the application starts without waiting. */
  start (events: BrokerEvents): void

  /**
   * Hands a text, as UTF-8, to every process that is subscribed to the channel, this one included, in one order for all.
   * @returns how many subscriptions the broker counted: processes, not members
   * @throws FST_ROOMS_BROKER_UNAVAILABLE when the message was certainly not sent, FST_ROOMS_SEND_UNKNOWN when it may have been
   */
  publish (channel: string, text: string, id: string): number | Promise<number>

  /** Resolves once the subscription is live: whatever is published from then on arrives. */
  subscribe (channel: string): Promise<void>
  unsubscribe (channel: string): Promise<void>

  /** Tells the broker how many members this process has on a channel, so that others can count. */
  report (channel: string, members: number): void

  /** How many members the channel has in all processes, by their latest reports. */
  count (channel: string): Promise<number>

  /** Resolves when all that was published here before has arrived here. Rejects when that cannot be known. */
  flush (): Promise<void>

  /** Lets go of everything: connections that the broker made, timers, what it has reported. */
  close (): Promise<void>

  /** What a broker that keeps messages has for rooms with history. Without it there are none. */
  readonly history?: BrokerHistory | undefined

  /** Where access that was taken away is kept. Without it none can be. */
  readonly records?: BrokerRecords | undefined
}

/**
 * Texts that all processes must know for a time, also those that were cut off or not there when they were written. All
 * methods settle in a time that the broker chooses, and reject as `publish` does.
 */
export interface BrokerRecords {
  /** Milliseconds since 1970, by a clock that all processes share. */
  clock (): Promise<number>
  /** Keeps a text, in order with what is published here. To keep it twice is to keep it once. @param lifetime in milliseconds from now on */
  keep (text: string, lifetime: number): Promise<void>
  /** All that are kept, in no order. */
  list (): Promise<readonly Kept[]>
}

/** A text that is kept. */
export interface Kept {
  readonly text: string
  /** For how many milliseconds more. */
  readonly remaining: number
}

/**
 * Messages that are numbered and kept. A history is a line of entries; each has a position that no other ever has again:
 * the epoch, a number in it, and the name of the message. An epoch begins with an entry of number 0 and without a text,
 * and its name is a decimal number below 2^53, always greater than that of the one before. All three methods settle in a time that the broker
 * chooses, and reject as `publish` does.
 */
export interface BrokerHistory {
  /**
   * Whether messages can be missed without any word of `down` or `missed`. Then the plugin looks every second at the end
   * of the history of each room that has members.
   */
  readonly polled: boolean

  /**
   * Numbers a message, keeps it, and hands it to all subscribers, in one step that happens once or not at all. Of one
   * caller and channel, in the order of the calls. An epoch begins where there is none.
   */
  append (channel: string, text: string, mid: string, bounds: HistoryBounds): Promise<Appended>

  /**
   * What came after a position, in one step with a look at the entry there. An epoch begins where there is no history,
   * or where the present epoch is that of `from` and does not have what `from` names: it was written anew. The history
   * then lives for `ttl` from now on.
   * @param from without it, only the last position is asked for
   * @param limit of entries. There may be fewer, but not none; further ones are read from the last of these on
   */
  read (channel: string, from: Position | undefined, bounds: HistoryBounds, limit: number): Promise<Range>

  /**
   * The last entries, in order. Nothing is changed.
   * @param limit of entries
   * @param bytes of their texts: when there are so many, no more need be read
   */
  tail (channel: string, limit: number, bytes?: number): Promise<readonly Entry[]>
}

/** A message that is kept, as it was given to `append`, or the beginning of an epoch, without a text. */
export interface Entry extends Position {
  readonly text: string
}

export interface Appended {
  readonly epoch: string
  readonly seq: number
  /** As `publish` has it. */
  readonly subscribers: number
}

export interface Range {
  /** The last position of the history. */
  readonly last: Position
  /** What follows `from`; empty when that cannot be said. */
  readonly entries: readonly Entry[]
  /**
   * Why it cannot be said what followed: `trimmed`, the position is older than what is kept; `rewritten`, the history
   * has no such position, though it should.
   */
  readonly broken?: 'trimmed' | 'rewritten' | undefined
}

/** What a broker tells the plugin. */
export interface BrokerEvents {
  /**
   * @param payload the text that was published, or its bytes; whoever has them as they came saves the decoding
   * @param position of a message that `append` was given. The payload is then as members get it, with number and name:
   * see `numbered`
   */
  message (channel: string, payload: string | Buffer, position?: Position): void
  /** Subscriptions can be made. There are none yet: after a loss the plugin makes all of them again. */
  up (): void
  /** All subscriptions are gone, and messages may be missed until they are made again. */
  down (): void
  /** The subscription stands, and yet messages of this channel may have been missed. */
  missed (channel: string): void
  /** For the log. Errors that reject a call are not told twice. */
  error (error: Error): void
}
