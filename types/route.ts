import type { FastifyInstance, FastifyReply, FastifyRequest, RouteGenericInterface } from 'fastify'
import type { Codec } from './codec.js'
import type { Connection, User } from './connection.js'
import type { AnyContract, CommandHandlers, HandlersOf, Room, RoomMessage } from './contract.js'
import type { HistoryBounds, Message } from './message.js'

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
