import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import type { Room } from './contract.js'
import type { Message } from './message.js'

/**
 * The user as the application knows it: `request.user`, typed by `FastifyJWT` where @fastify/jwt is used, or by the
 * application's own augmentation of `FastifyRequest`.
 */
export type User = FastifyRequest extends { user: infer U } ? U : unknown

/**
 * One socket that has proved who it is.
 * @typeParam M what it may be sent: where its route has a contract, the contract's messages
 */
export interface Connection<M = Message> {
  /** Unique among all processes. */
  readonly id: string
  /** What `authenticate` left in `request.user`; `null` in a room that is open to all. */
  readonly user: User | null
  /** What the `userId` hook made of the user. */
  readonly userId: string | undefined
  readonly rooms: ReadonlySet<string>
  /**
   * To this socket alone, in order with the messages of its rooms. Where its route has a contract, that says what may be
   * sent, and what its schema does not name does not leave.
   * @returns whether the socket took it: `false` once it is closing
   * @throws FST_ROOMS_INVALID_MESSAGE, FST_ROOMS_MESSAGE_TOO_LARGE
   */
  send (message: M): boolean
  /**
   * Ends the socket. A code of the protocol's table is preceded by its status frame.
   * @param code @default 1000
   * @param reason at most 123 bytes are sent (RFC 6455 §5.5); never put anything of a user into it
   * @throws TypeError when the code is not one that may be sent (RFC 6455 §7.4)
   */
  close (code?: number, reason?: string): void
  /** With the request's id, this connection's, the user's and the room's. */
  readonly log: FastifyBaseLogger
  /**
   * One more room, where the route was given an array. Authorised like any entry, and the client is told `joined`.
   * @returns `true` when the socket is in, the snapshot was sent and `onJoin` is through, or when it was in before;
   * `false` when it is closing, or has left the room meanwhile
   * @throws FST_ROOMS_FORBIDDEN, or what `authorize` throws; FST_ROOMS_TOO_MANY_ROOMS, FST_ROOMS_INVALID_ROOM,
   * FST_ROOMS_HISTORY_UNAVAILABLE; what `snapshot` or `onJoin` throws, and the socket is not in the room. All as
   * rejections, which are logged too, so that a call nobody awaits cannot end the process; FST_ROOMS_ONE_ROOM
   */
  join (room: string | Room, options?: JoinOptions): Promise<boolean>
  /**
   * One room less. The client is told `left`; what of the room still waits for it is not sent any more.
   * @returns whether the socket was in the room, or about to be. `onLeave` is not waited for
   * @throws FST_ROOMS_ONE_ROOM, as a rejection
   */
  leave (room: string | Room): Promise<boolean>
}

export interface JoinOptions {
  /** Where the client stood in the room, as it says: nothing of it need be checked. @default it is new */
  recover?: unknown
}
