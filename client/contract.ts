// What a contract says to a client. It is looked at by its shape, so that a page needs the types of neither Fastify nor Node.

/** Any contract, as `defineRoom` makes it. */
export interface ContractLike {
  readonly pattern: string
  readonly definition: {
    readonly messages: Readonly<Record<string, unknown>>
    readonly commands?: Readonly<Record<string, { readonly data?: unknown, readonly reply?: unknown }>>
  }
}

/** A room, by its name or with its contract, or a contract alone. */
export type RoomLike = string | ContractLike | { readonly name: string, readonly contract: ContractLike }

type ContractOf<R> = R extends ContractLike ? R : R extends { readonly contract: infer C extends ContractLike } ? C : never

/** The rooms that `connect` was given, one by one. */
export type Each<R> = R extends readonly (infer One)[] ? One : R

type ProviderOf<C> = C extends { readonly '~provider'?: infer P } ? NonNullable<P> : never

/** What a schema stands for, as the contract's type provider says. */
type Meant<P, S, As extends string> = (P & { readonly schema: S })[As & keyof P]

type Plain = { readonly command: string, readonly data?: unknown }

type MessagesOf<C, D = C extends ContractLike ? C['definition']['messages'] : never> =
  { [Command in keyof D & string]: { readonly command: Command, readonly data: Meant<ProviderOf<C>, D[Command], 'serializer'> } }[keyof D & string]

/** What the server adds to a message. */
export interface Mark {
  /** In a room with history: its number, within the room's epoch. */
  readonly seq?: number
  /** In a room with history: its name. */
  readonly mid?: string
  /** Of which room it is, where the socket may be in several. */
  readonly room?: string
}

/** A message that comes in the rooms. */
export type Received<R> = Each<R> extends infer One ? One extends string ? Plain & Mark : MessagesOf<ContractOf<One>> & Mark : never

/** The commands that come in the rooms. */
export type CommandOf<R> = Received<R>['command']

/** The data of the messages that have this command. */
export type DataOf<R, Command> = MessageOf<R, Command>['data']

/** The messages that have this command. */
export type MessageOf<R, Command> = Received<R> extends infer M ? M extends { readonly command: infer Name } ? Command extends Name ? M : never : never : never

type CommandsOf<One> = One extends string
  ? Readonly<Record<string, { readonly data?: unknown, readonly reply?: unknown }>>
  : NonNullable<ContractOf<One>['definition']['commands']>

/** What may be asked in the rooms. */
export type Asked<R> = Each<R> extends infer One ? One extends unknown ? keyof CommandsOf<One> & string : never : never

/** What is sent with a command. */
export type Question<R, Command> = Each<R> extends infer One
  ? One extends string ? unknown
    : Command extends keyof CommandsOf<One>
      ? CommandsOf<One>[Command] extends { readonly data: infer S } ? Meant<ProviderOf<ContractOf<One>>, S, 'validator'> : unknown
      : never
  : never

/** What a command is answered. */
export type Reply<R, Command> = Each<R> extends infer One
  ? One extends string ? unknown
    : Command extends keyof CommandsOf<One>
      ? CommandsOf<One>[Command] extends { readonly reply: infer S } ? Meant<ProviderOf<ContractOf<One>>, S, 'serializer'> : unknown
      : never
  : never
