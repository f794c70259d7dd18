/// <reference types="@fastify/websocket" preserve="true" />
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest, RouteGenericInterface } from 'fastify'
import type { WebsocketPluginOptions, WebsocketHandler } from '@fastify/websocket'
import type { Cluster, Redis, RedisOptions } from 'ioredis'
import type { Broker } from '../lib/brokers/broker.js'
import type { Codec } from './codec.js'
import type { AnyContract, CommandHandlers, HandlersOf, Room, RoomMessage } from './contract.js'

export type * from './codec.js'
export type * from './contract.js'

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

/** A Fastify hook of two or three arguments, as it would stand in `onRequest`: it throws, calls `done(error)` or replies to refuse. */
export type AuthenticateHook =
  (this: FastifyInstance, request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => unknown

/** Which room a route leads to: a name, or a function of the authenticated request, which refuses by throwing. */
export type RoomOf<R extends RouteGenericInterface = RouteGenericInterface> =
  | string
  | ((request: FastifyRequest<R>) => string | Room | Promise<string | Room>)

/** What may stand in the array of a route whose sockets may be in several rooms. */
export type RoomSource<R extends RouteGenericInterface = RouteGenericInterface> = RoomOf<R> | Room | AnyContract

/** The contracts that stand there. */
export type ContractsIn<S> = S extends AnyContract ? S : S extends Room<infer C extends AnyContract> ? C : never

/**
 * Origins as browsers send them (RFC 6454 §6.2), such as `https://a.example`; a RegExp must match the whole of one. Or a function,
 * which only by `true` lets pass.
 */
export type Origins<R extends RouteGenericInterface = RouteGenericInterface> =
  ReadonlyArray<string | RegExp> | ((origin: string, request: FastifyRequest<R>) => boolean | Promise<boolean>)

/** Policies. A route's own take the place of the plugin's. */
export interface Hooks<R extends RouteGenericInterface = RouteGenericInterface, M = Message> {
  /**
   * Who is it? Any Fastify hook that checks the `authorization` header, which holds the token of the first message as
   * `Bearer <token>`; or `'upgrade'`: the hooks of the route find out, from the subprotocol `bearer.<token>`, a header or a
   * cookie, and otherwise `request.jwtVerify()`; or `false`: the room is open to all. In both, no first message is waited for.
   * @default `request.jwtVerify()` of @fastify/jwt, with the token of the first message
   */
  authenticate?: AuthenticateHook | 'upgrade' | false | undefined
  /**
   * Which pages may open a socket: those of these origins, or those for which the function returns `true`. A request without
   * an `Origin` is no browser's, and is let pass, unless a cookie may say who its user is (`authenticate: 'upgrade'`).
   * @default all
   */
  origins?: Origins<R> | undefined
  /** May this user enter this room? Only `true` lets in. A thrown error means what its `statusCode` says. @default everyone who is authenticated */
  authorize?: ((entry: { user: User | null, room: string, params: FastifyRequest<R>['params'], request: FastifyRequest<R> }) => boolean | Promise<boolean>) | undefined
  /** What to call the user in logs and on connections. @default `user.sub ?? user.id` */
  userId?: ((user: User) => string | number | undefined | Promise<string | number | undefined>) | undefined
  /**
   * When the token was issued, in seconds since 1970: one that was issued at or before a revocation is not accepted. Where it
   * is `undefined`, the token counts as older than all of them. @default `user.iat`
   */
  issuedAt?: ((entry: { user: User }) => number | undefined | Promise<number | undefined>) | undefined
  /** When the token expires, in seconds since 1970; `undefined` is never. @default `user.exp` */
  expiresAt?: ((entry: { user: User }) => number | undefined | Promise<number | undefined>) | undefined
  /**
   * What a new member is to see first, as the `data` of a `WSSnapshot`. It is taken when messages of the room arrive
   * already, and sent ahead of them, so that nothing falls between. Messages may tell what is in it: clients must bear that.
   * A failure ends the socket with 1011.
   */
  snapshot?: ((entry: { user: User | null, room: string, params: FastifyRequest<R>['params'], request: FastifyRequest<R> }) => unknown) | undefined
  /** After `connected` and the snapshot were sent. A failure ends the socket with 1011, whatever its `statusCode`. */
  onJoin?: ((event: { connection: Connection<M>, room: string, request: FastifyRequest<R> }) => void | Promise<void>) | undefined
  /** Once for each `onJoin`, after it has settled. Not called when the process is killed. */
  onLeave?: ((event: { connection: Connection<M>, room: string }) => void | Promise<void>) | undefined
  /** A hook failed, or a message of `reply.sendToRoom` could not be sent (the plugin's `onError`). It is logged already; this is for counting and reporting. */
  onError?: ((event: { error: Error, room: string | undefined, connection: Connection | undefined }) => void) | undefined
}

export interface RoomRouteOptions<R extends RouteGenericInterface = RouteGenericInterface> extends Hooks<R> {
  /**
   * What the route's room keeps. Only where the room is a name: one that depends on the request needs the option
   * `history` of the plugin, so that all processes know of it, also those that only send. @default nothing
   */
  history?: HistoryBounds | undefined
  /** How the room's clients and its broker are spoken to. Only where the room is a name, as `history`. @default the plugin's */
  codec?: Codec | undefined
}

/** Messages of a room were found to be missing in this process. */
export interface GapEvent {
  room: string
  /** How many could be read from the room's history, and were sent to the members after all. */
  filled: number
  /** Whether that was all. Otherwise the members were told to `resync`. */
  complete: boolean
}

/** Options of a route to the rooms of a contract. */
export interface ContractRouteOptions<C, R extends RouteGenericInterface = RouteGenericInterface> extends Hooks<R, RoomMessage<C>> {
  /** A handler for each command of the contract. */
  commands?: CommandHandlers<C, R> | undefined
}

/** Options of a route whose sockets may be in several rooms. */
export interface RoomsRouteOptions<C extends AnyContract = never, J extends readonly AnyContract[] = readonly AnyContract[], R extends RouteGenericInterface = RouteGenericInterface> extends Hooks<R> {
  /** Of rooms that a socket may join later: so that their commands are taken, and their rules hold for plain names, too. */
  contracts?: J | undefined
  /** A handler for each command of the contracts, by the contract's pattern. */
  commands?: HandlersOf<C | J[number], R> | undefined
}

/** Options of the plugin. Times are in milliseconds, sizes in bytes. */
export interface RoomsOptions extends Hooks {
  /**
   * What joins the processes: a URL, options of ioredis, or a client (`Redis`, `Cluster`, `app.redis`), which is only
   * duplicated and never closed. @default none: one process, in memory
   */
  redis?: string | RedisOptions | Redis | Cluster | undefined
  /** A broker of your own, in the place of `redis`. */
  broker?: Broker | undefined
  /** Goes before the room's name in the name of the broker's channel; may be empty. @default 'rooms:' */
  prefix?: string
  /** What `sendToRoom` does while the broker cannot be reached: serve this process's members and say so, or reject. @default 'local' */
  whenBrokerDown?: 'local' | 'reject' | undefined
  /**
   * What rooms keep, all of them or those for which the function returns bounds. The same in all processes. A route's own
   * `history` comes first. @default nothing
   */
  history?: HistoryBounds | ((room: string) => HistoryBounds | undefined) | undefined
  /** How clients, and the broker, are spoken to. The same in all processes. A route's or a contract's own comes first. @default the protocol */
  codec?: Codec | undefined
  /** How many messages one client may be sent that it has missed. @default 300 */
  maxRecovery?: number | undefined
  /** The same in bytes, and what a process keeps at hand of a room for clients that come back. @default 4194304 */
  maxRecoveryBytes?: number | undefined
  /** Members here may have missed messages of a room, and have been given or told it. For counting and reporting. */
  onGap?: ((event: GapEvent) => void) | undefined
  /** In which time the broker must confirm a message. @default 2000 */
  publishTimeout?: number | undefined
  /** How long the first member of a room waits for the broker to confirm the subscription. @default 2000 */
  subscribeTimeout?: number | undefined
  /** How long a subscription outlives the room's last member here. @default 5000 */
  linger?: number | undefined
  /** From the upgrade to the first message, and again from there until the hooks have decided. @default 5000 */
  authTimeout?: number | undefined
  /** Of the first message. @default 8192 */
  maxAuthPayload?: number | undefined
  /** How long before its token expires a client is told `token_expiring`. @default 30000 */
  refreshWindow?: number | undefined
  /** How long a revocation keeps old tokens out: longer than any token lives. @default 86400000 */
  revocationLifetime?: number | undefined
  /** Of every message of a client. @default 65536 */
  maxPayload?: number | undefined
  /** How many fragments a client may split a message into. @default 64 */
  maxFragments?: number | undefined
  /** Of a message to a room, from a handler or from the broker. @default 262144 */
  maxMessage?: number | undefined
  /** What may wait in the process for one socket to read. @default 1048576 */
  maxBuffered?: number | undefined
  /** Sockets that have not proved who they are, in this process. @default 1000 */
  maxWaiting?: number | undefined
  /** Sockets in this process, with upgrades that are under way. @default any number */
  maxConnections?: number | undefined
  /** Of these, how many may be of one user, as `userId` names it. @default any number */
  maxConnectionsPerUser?: number | undefined
  /** Of these, how many may be of one address, which is `request.ip`; of IPv6, the /64. @default any number */
  maxConnectionsPerAddress?: number | undefined
  /** Upgrades per second in this process on average; one second's worth may come at once. @default any number */
  acceptRate?: number | undefined
  /** Messages, pings and pongs per second that one client may send on average; five seconds' worth may come at once. @default 100 */
  messageRate?: number | undefined
  /** The same in bytes. @default 262144 */
  byteRate?: number | undefined
  /** How long `snapshot` may take. @default 5000 */
  snapshotTimeout?: number | undefined
  /** Of a snapshot, as JSON; less than `maxBuffered`. @default 524288 */
  maxSnapshot?: number | undefined
  /** Snapshots that are taken at the same time in this process; others wait. @default 100 */
  maxSnapshots?: number | undefined
  /** How long the handler of a command may take. @default 10000 */
  commandTimeout?: number | undefined
  /** Commands of one socket that wait while another is at work. @default 32 */
  maxCommands?: number | undefined
  /** Rooms that one socket may be in. @default 100 */
  maxRooms?: number | undefined
  /** Between two pings of one socket. @default 25000 */
  keepAlive?: number | undefined
  /** From a ping to a sign of life. @default 8000 */
  pongTimeout?: number | undefined
  /** From our close frame to the client's, after which the socket is destroyed. @default 2000 */
  closeTimeout?: number | undefined
  /** What `app.close()` spends on requests in flight and on closing sockets. @default 5000 */
  drainTimeout?: number | undefined
  /**
   * Compress messages, once for all members, if a client agrees to it and the message has at least `threshold` bytes
   * (1024 for `true`). Costs time and memory, and what is secret must not stand in one message with what an attacker
   * chose (BREACH). @default false
   */
  perMessageDeflate?: boolean | { threshold?: number | undefined } | undefined
  /**
   * Check what is sent by a contract against its schemas, on a copy, before it is written: `minimum`, `format`, `enum` and all
   * else that a serialiser does not look at. For development and tests: it costs more than the sending. @default false
   */
  validateMessages?: boolean | undefined
  /** Options of @fastify/websocket, which this plugin registers. */
  websocket?: WebsocketPluginOptions | undefined
}

export interface SendOptions {
  /** Members who are behind in reading may miss the message: it is worth nothing late, as a cursor's position. @default false */
  volatile?: boolean | undefined
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

declare module 'fastify' {
  interface FastifyInstance {
    ws: Rooms
    /**
     * The handler of a `{ websocket: true }` route: token as the first message, join, keep-alive, leave. Given an array, its
     * sockets may be in several rooms, and are told of each frame in which: see docs/rooms.md.
     * @throws FST_ROOMS_INVALID_ROOM, FST_ROOMS_INVALID_OPTION
     */
    manageWebsocket<const S extends readonly RoomSource[], const J extends readonly AnyContract[] = readonly never[]> (rooms: S, options?: RoomsRouteOptions<ContractsIn<S[number]>, J>): WebsocketHandler
    manageWebsocket<const C extends AnyContract> (room: C | Room<C>, options?: ContractRouteOptions<C>): WebsocketHandler
    // Three and no more: of a longer list, TypeScript tells only what the last one has against a call.
    manageWebsocket<R extends RouteGenericInterface = RouteGenericInterface> (room: RoomOf<R> | ReadonlyArray<RoomSource<R>>, options?: RoomRouteOptions<R>): WebsocketHandler
  }
  interface FastifyReply {
    /**
     * Held until the head of this reply is written with a status below 400, then sent; dropped otherwise. A failure is
     * logged and never fails the request. The message is encoded at once: later changes to `data` do not show.
     */
    sendToRoom<C> (room: Room<C>, message: RoomMessage<C>, options?: SendOptions): void
    sendToRoom (room: string, message: Message, options?: SendOptions): void
  }
}
