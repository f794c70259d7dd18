/** What a handler sends to a room. */
export interface Message {
  /** What happened, such as `UPDATE_USER`. `WSStatus`, `WSError`, `WSPing`, `WSPong`, `WSSnapshot` and `WSPresence` are reserved. */
  command: string
  /** Anything that `JSON.stringify` takes. */
  data?: unknown
}

/** Where in the history of a room a message stands. No two messages ever have the same. */
export interface Position {
  /** Numbers are good for one epoch. A new one begins where the broker has lost messages, or has none. */
  readonly epoch: string
  /** 1 for the first message of an epoch; 0 is the epoch's beginning. */
  readonly seq: number
  /** The name of the message: the `id` of its receipt. */
  readonly mid: string
}

/** How much a room keeps. */
export interface HistoryBounds {
  /** How many messages. */
  size: number
  /** How long after the latest one, in milliseconds; and for as long as the room has members. */
  ttl: number
}

/** What a room keeps, and where it ends. */
export interface History {
  /** Where it ends; undefined where nothing has been kept yet, or no longer is. */
  position: Position | undefined
  messages: HistoryMessage[]
}

/** A message that a room has kept. */
export interface HistoryMessage extends Message, Position {}

/** What became of a message. */
export interface Receipt {
  /** Names this message, in logs and in errors. */
  id: string
  /** The number of the message, in a room with history. */
  seq?: number
  /**
   * Subscriptions that the broker counted: processes with members, and whatever other program listens to the channel.
   * Not deliveries.
   */
  subscribers: number
  /** The broker could not be reached; only the members of this process were served, `subscribers` says whether there were any. */
  degraded?: true
}

export interface SendOptions {
  /** Members who are behind in reading may miss the message: it is worth nothing late, as a cursor's position. @default false */
  volatile?: boolean | undefined
}
