import type { Room, RoomMessage } from './contract.js'
import type { History, Message, Position, Receipt, SendOptions } from './message.js'

export interface Rooms {
  /**
   * To every member of the room, in every process.
   * @throws FST_ROOMS_INVALID_ROOM, FST_ROOMS_INVALID_MESSAGE, FST_ROOMS_MESSAGE_TOO_LARGE: a mistake of the caller;
   * FST_ROOMS_BROKER_UNAVAILABLE: not sent; FST_ROOMS_SEND_UNKNOWN: may still arrive. All as rejections, which are
   * logged too, so that a call nobody awaits cannot end the process.
   */
  sendToRoom<C> (room: Room<C>, message: RoomMessage<C>, options?: SendOptions): Promise<Receipt>
  sendToRoom (room: string, message: Message, options?: SendOptions): Promise<Receipt>
  /**
   * How many members the room has, in all processes.
   * @throws FST_ROOMS_INVALID_ROOM, FST_ROOMS_BROKER_UNAVAILABLE
   */
  count (room: string | Room): Promise<number>
  /**
   * Ends all sockets of a user, in every process, with 4410, and refuses tokens of this user that were issued at or before
   * this moment, those of this very second included. A process that cannot be reached does it when it is back.
   * @param userId as the hook `userId` has it
   * @throws FST_ROOMS_INVALID_USER, FST_ROOMS_INVALID_LIFETIME; FST_ROOMS_TOO_MANY_REVOCATIONS, FST_ROOMS_BROKER_UNAVAILABLE
   * when a thousand wait for the broker already; FST_ROOMS_NO_RECORDS. All as rejections
   */
  disconnectUser (userId: string | number, options?: RevokeOptions): Promise<Revoked>
  /**
   * Takes a user out of one room, in every process: a socket of one room ends with 4403, others are told `left`. No message
   * that is sent to the room later reaches the user, until a token that is issued from now on opens the room again; what was
   * sent in the meantime is not replayed then.
   * @throws as `disconnectUser`, and FST_ROOMS_INVALID_ROOM
   */
  removeFromRoom (room: string | Room, userId: string | number, options?: RevokeOptions): Promise<Revoked>
  /**
   * Takes everyone out of a room, in every process: sockets of one room end with 4410, others are told `left`. Tokens that
   * were issued until now do not open it again; in a room that is open to all, whoever comes later may enter.
   * @throws as `disconnectUser`, and FST_ROOMS_INVALID_ROOM
   */
  closeRoom (room: string | Room, options?: RevokeOptions): Promise<Revoked>
  /**
   * What a room with history still holds.
   * @param options.since only what came after this position, which must be of the present epoch or one still kept
   * @param options.limit the last so many messages @default all that are kept
   * @throws FST_ROOMS_INVALID_ROOM, FST_ROOMS_NO_HISTORY, FST_ROOMS_BROKER_UNAVAILABLE
   */
  history (room: string | Room, options?: { since?: Pick<Position, 'epoch' | 'seq'> | undefined, limit?: number | undefined }): Promise<History>
  stats (): Stats
}

/** Counters of this process since it started, and what it holds now. */
export interface Stats {
  /** Whether subscriptions can be made and messages sent. */
  broker: 'up' | 'down'
  /** Open sockets, with those that are still waiting. */
  connections: number
  /** Sockets that have not proved who they are. */
  waiting: number
  /** Revocations that this process knows of. */
  revocations: number
  /** Rooms with members here. */
  rooms: number
  /** Members here; a socket counts once for each of its rooms. */
  members: number
  /** Messages that handlers of this process sent, with those that failed. */
  sent: number
  /** Sends that were rejected. */
  failed: number
  /** Sends that reached only this process's members. */
  degraded: number
  /** Messages that came from the broker. */
  received: number
  /** Of these, how many were no messages of ours, and were skipped. */
  malformed: number
  /** Messages that were published into a room with history without a number, by programs that do not keep them. */
  unnumbered: number
  /** How often members here may have missed messages of a room. */
  gaps: number
  /** Messages that were missing, and were read from a history and sent after all. */
  filled: number
  /** Gaps that could not be filled: members were told to load anew. */
  unfilled: number
  /** Clients that came back and got all that they had missed. */
  recovered: number
  /** Clients that came back and could not be given all: they were told so. */
  unrecovered: number
  /** Frames written to members for the messages of rooms. */
  delivered: number
  /** Frames of clients that no one had asked for. */
  ignored: number
  /** Sockets that ended, by cause: the protocol's names, and `client` where the client or the link ended them. */
  ended: Record<string, number>
  /** Upgrades that were refused, by reason, and sockets that were one too many of their `user`: see docs/limits.md. */
  refused: Record<string, number>
}

export interface RevokeOptions {
  /** How long tokens that were issued until now are kept out, in milliseconds. @default `revocationLifetime` of the plugin */
  lifetime?: number | undefined
}

/** What became of taking access away. */
export interface Revoked {
  /** How many sockets of this process have lost it. Those of others follow within a second. */
  connections: number
  /** The broker could not be reached: other processes learn of it as soon as it can be, if this process lives until then. */
  degraded?: true
}
