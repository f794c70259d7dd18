import type { Message, Position } from './message.js'

/**
 * JSON that a stranger has written: its value, or undefined where it is none.
 * @throws Error, in words that the client may hear, when a key would change what objects are, or when it is nested too deeply
 */
export type ParseJson = (text: string) => unknown

/** What a client asks, as its codec understands it. */
export interface ClientCommand {
  /** Which of the contract's commands it is. */
  command: string
  /** Checked by the schema of the command. */
  data?: unknown
  /** Comes back with the reply and with an error: a number, or a string of at most 128 characters. */
  id?: string | number | undefined
}

/**
 * How the clients of rooms, and their broker, are spoken to. Whatever is left out is as the protocol has it. All methods
 * are called synchronously, give the same answer for the same arguments, and may throw: that ends neither the process
 * nor a socket. What goes out is text. How a socket ends, and with which code, is the protocol's affair.
 */
export interface Codec {
  /**
   * The first frame of a client, where a token is waited for.
   * @returns undefined where it has none, which is refused with 4401; so is what throws
   * @default the `token` and `recover` of a JSON object
   */
  first? (text: string, json: ParseJson): { token: string, recover?: unknown } | undefined
  /**
   * Every later frame of a client.
   * @returns undefined where it is none of the protocol, which ends the socket with 4400
   * @throws what the client is told as an error, if that has a `statusCode` from 400 to 499; the socket stays
   * @default the `command`, `data` and `id` of a JSON object
   */
  command? (text: string, json: ParseJson): ClientCommand | undefined
  /** The same for binary frames. @default they end the socket with 4400 */
  binary? (bytes: Buffer): ClientCommand | undefined
  /**
   * A message of a room, or one to a single socket. It is made once in each process, for all members.
   * @param message of a contract: only what the schema names
   * @param about.position in a room with history
   * @default `{"command":…,"data":…}`, with `seq` and `mid`
   */
  message? (message: Message, about: { position?: Position | undefined }): string
  /**
   * What the handler of a command returned.
   * @param reply of a contract: only what the schema of the reply names
   * @returns undefined where nothing is to be said
   * @default `{"command":…,"data":…,"id":…}` to a command with an `id`, otherwise nothing
   */
  reply? (reply: { command: string, data?: unknown, id?: string | number | undefined }): string | undefined
  /**
   * Why a command was not carried out.
   * @param error.message for people; `error.code` for programs
   * @returns undefined where nothing is to be said
   * @default a `WSError`
   */
  error? (error: { code: string, message: string, id?: string | number | undefined }): string | undefined
  /**
   * What the plugin has to say: the statuses of the protocol, such as `connected`, `resync` and `invalid_token`.
   * @param details what else the protocol's own frame has, such as `connection` and `rooms`
   * @returns undefined where nothing is to be said
   * @default a `WSStatus`
   */
  status? (status: string, details: Record<string, unknown>): string | undefined
  /** What a new member sees first. @returns undefined where nothing is to be said @default a `WSSnapshot` */
  snapshot? (data: unknown): string | undefined
  /**
   * What a client is sent every `keepAlive`, so that a page can see that the link is alive; `false` is nothing. Pings of the
   * WebSocket protocol are sent whatever it is. @default '{"command":"WSPing"}'
   */
  ping?: string | false
  /** What a message looks like in the broker, to other processes and other programs. @default `{"command":…,"data":…}` */
  broker?: {
    /** In a room with history it must be a JSON object, because it is numbered there. */
    encode (message: Message): string
    /** What came may be anybody's. @returns undefined where it is no message, which is skipped and counted; so is what throws */
    decode (text: string, json: ParseJson): Message | undefined
  } | undefined
}
