import type { FastifyRequest, FastifyTypeProvider, RouteGenericInterface } from 'fastify'
import type { Codec } from './codec.js'
import type { Connection } from './connection.js'
import type { HistoryBounds, Message } from './message.js'
import type { Hooks } from './route.js'

/**
 * What a schema says of its type by itself: those of @sinclair/typebox and of zod do. For others, name the type provider
 * that the application uses: `withTypeProvider<JsonSchemaToTsProvider>()`.
 */
export interface InferringTypeProvider extends FastifyTypeProvider {
  readonly validator: InferredFrom<this['schema']>
  readonly serializer: InferredFrom<this['schema']>
}

type InferredFrom<S> =
  S extends { static: infer T } ? T
    : S extends { _zod: { output: infer T } } ? T
      : S extends { _output: infer T } ? T : unknown

/** What a contract says of a command. */
export interface CommandDefinition {
  /** Of what the client sends. @default anything, unchecked */
  readonly data?: unknown
  /** Of what it is answered: what the schema does not name does not leave. @default anything that is JSON */
  readonly reply?: unknown
}

/** What a contract says of its rooms. The schemas are of whatever kind the application's compilers take. */
export interface RoomDefinition {
  /** A schema of all parameters of the name. @default each is a string */
  readonly params?: unknown
  /** What members are sent: for each command, a schema of its `data`. Empty only where there are `commands`. */
  readonly messages: Readonly<Record<string, unknown>>
  /** What clients may ask: for each command, a schema of its `data`, and one of the reply. */
  readonly commands?: Readonly<Record<string, CommandDefinition>>
  /** What the rooms keep. @default what the option `history` of the plugin says */
  readonly history?: HistoryBounds
  /** How the rooms' clients and their broker are spoken to. @default what the option `codec` of the plugin says */
  readonly codec?: Codec
  /** Who may enter, for all routes that say nothing else. */
  readonly authorize?: Hooks['authorize']
  /** What a new member is to see first, for all routes that say nothing else. */
  readonly snapshot?: Hooks['snapshot']
}

/** The names of the parameters: each is a whole segment between slashes. */
export type ParamNames<Pattern extends string> =
  Pattern extends `${infer First}/${infer Rest}` ? ParamNames<First> | ParamNames<Rest>
    : Pattern extends `:${infer Name}` ? Name : never

/** What the parameters of a contract's rooms are. */
export type RoomParams<C> =
  C extends RoomContract<infer Pattern, infer D, infer P>
    ? D extends { readonly params: infer S } ? (P & { schema: S })['validator'] : { [Name in ParamNames<Pattern>]: string | number }
    : never

/** What a contract's rooms may be sent. */
export type RoomMessage<C> =
  C extends RoomContract<string, infer D, infer P>
    ? { [Command in keyof D['messages'] & string]: { command: Command, data: (P & { schema: D['messages'][Command] })['serializer'] } }[keyof D['messages'] & string]
    : Message

type DataOf<D, P> = D extends { readonly data: infer S } ? (P & { schema: S })['validator' & keyof P] : unknown
type ReplyOf<D, P> = D extends { readonly reply: infer S } ? (P & { schema: S })['serializer' & keyof P] : unknown

/** A command of a client, as its handler sees it. */
export interface Command<Data = unknown, R extends RouteGenericInterface = RouteGenericInterface, Name extends string | undefined = string, M = Message> {
  readonly data: Data
  readonly connection: Connection<M>
  /**
   * The name of the room. Where the socket may be in several, the one that the client has named, or the only one of the
   * contract that it is in; undefined where there is none or more than one of these.
   */
  readonly room: Name
  /** The upgrade request of the socket, with the user. */
  readonly request: FastifyRequest<R>
  /** Aborted when the command has taken longer than `commandTimeout`, or the client has left. */
  readonly signal: AbortSignal
}

/** A handler for each command of a contract. What one returns is the reply, where the client wants one. */
export type CommandHandlers<C, R extends RouteGenericInterface = RouteGenericInterface, Name extends string | undefined = string, M = RoomMessage<C>> =
  C extends RoomContract<string, infer D, infer P>
    ? { [Key in keyof D['commands'] & string]: (command: Command<DataOf<NonNullable<D['commands']>[Key], P>, R, Name, M>) => ReplyOf<NonNullable<D['commands']>[Key], P> | Promise<ReplyOf<NonNullable<D['commands']>[Key], P>> }
    : never

/** The patterns of those contracts that have commands. */
type Asked<C extends AnyContract> = C extends { readonly definition: { readonly commands: object } } ? C['pattern'] : never

/** The handlers of several contracts, by the contract's pattern. */
export type HandlersOf<C extends AnyContract, R extends RouteGenericInterface = RouteGenericInterface> = {
  [Pattern in Asked<C>]: CommandHandlers<Extract<C, { readonly pattern: Pattern }>, R, string | undefined, Message>
}

/** Rooms of one kind: how they are called, what they are sent, what they keep. */
export interface RoomContract<
  Pattern extends string = string,
  D extends RoomDefinition = RoomDefinition,
  P extends FastifyTypeProvider = FastifyTypeProvider
> {
  /**
   * One of the rooms. Without parameters, there is only one.
   * @throws FST_ROOMS_INVALID_ROOM when a parameter is missing, is no string or number, or makes the name too long
   */
  (...params: [ParamNames<Pattern>] extends [never] ? [] : [params: RoomParams<RoomContract<Pattern, D, P>>]): Room<RoomContract<Pattern, D, P>>
  readonly pattern: Pattern
  readonly definition: D
  /** Of types only; there is no such property. */
  readonly '~provider'?: P
}

/** Any contract, whatever it says. */
export interface AnyContract {
  readonly pattern: string
  readonly definition: RoomDefinition
}

/** A room with a contract. */
export interface Room<C = RoomContract> {
  readonly name: string
  readonly contract: C
}
