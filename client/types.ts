import type { Asked, CommandOf, DataOf, MessageOf, Question, Received, Reply } from './contract.js'
import type { RoomsError } from './errors.js'
import type { SendOptions } from './options.js'
import type { Position } from './positions.js'

/**
 * - `connecting`: the first attempts are made.
 * - `connected`: it is in, and messages arrive.
 * - `recovering`: it was in before, and comes back.
 * - `waiting`: for the next attempt, or for the network.
 * - `closed`: it is over, by `close()` or because the server said so.
 */
export type State = 'connecting' | 'connected' | 'recovering' | 'waiting' | 'closed'

/** Why the state has changed, as far as there is something to say. */
export interface StateDetails {
  /** The code with which the last connection ended. */
  readonly code?: number
  /** Of `connected`: names the connection, in the server's logs too. */
  readonly connection?: string
  /** Of `waiting`: milliseconds until the next attempt. Without a network, it waits for that too. */
  readonly delay?: number
  /** Of `closed`: why the server does not want to see this client again. */
  readonly error?: RoomsError
}

/** Something about one room. */
export interface RoomNews {
  /** Its name; unknown where the socket is in one room, and the server did not name it. */
  readonly room: string | undefined
}

/** Why what is shown is to be loaded. */
export interface Resync extends RoomNews {
  /**
   * `new` where the client comes for the first time, or the room keeps nothing; `resync` where the server has missed
   * something itself; or the reason why it was not recovered, as docs/protocol.md has them.
   */
  readonly reason: string
}

/** Events, apart from the commands of messages. A command with one of these names is heard as `message`. */
export interface RoomEvents<R = string> {
  state: (state: State, details: StateDetails) => void
  /** Each message, whatever its command, after those who listen to that. */
  message: (message: Received<R>) => void
  /** What the room looks like, and what came before it no longer counts. */
  snapshot: (data: unknown, news: RoomNews) => void
  /** Load what is shown; it is told after the first connection, too. */
  resync: (news: Resync) => void
  /** Nothing is missing: what was missed follows as ordinary messages. */
  recovered: (news: RoomNews) => void
  /** The server has had the socket join one room more. */
  joined: (news: RoomNews) => void
  /** One room less; `reason` where it was not by the application's `leave`. */
  left: (news: RoomNews & { readonly reason: string | undefined }) => void
  /** What went wrong and ended nothing: a token that could not be fetched, a command without a reply that failed. */
  error: (error: unknown) => void
}

/** A connection to a room, or to several, that comes back by itself. */
export interface RoomClient<R = string> extends AsyncIterable<Received<R>, void, undefined> {
  readonly state: State
  /** The rooms that it is in, and where it stands in those that have history. */
  readonly positions: Readonly<Record<string, Position | undefined>>
  /** @returns what ends it */
  on<Event extends keyof RoomEvents<R>> (event: Event, handler: RoomEvents<R>[Event]): () => void
  on<Command extends CommandOf<R>> (command: Command, handler: (data: DataOf<R, Command>, message: MessageOf<R, Command>) => void): () => void
  /**
   * A command, and its reply.
   * @throws RoomsError, as a rejection; what the `signal` says, when that is aborted
   */
  send<Command extends Asked<R>> (
    command: Command,
    ...args: undefined extends Question<R, Command>
      ? [data?: Question<R, Command>, options?: SendOptions]
      : [data: Question<R, Command>, options?: SendOptions]
  ): Promise<Reply<R, Command>>
  /** Comes in anew at once, as if for the first time, and is sent the snapshot where there is one. */
  rejoin (): void
  /** Ends it for good, and the loops over it. Commands on their way are rejected. */
  close (): void
}
