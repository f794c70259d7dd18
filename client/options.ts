/** Of a WebSocket, what is used here: a browser's, Node's own, or that of `ws`. */
export interface SocketLike {
  onopen: ((event: never) => unknown) | null
  onmessage: ((event: never) => unknown) | null
  onerror: ((event: never) => unknown) | null
  onclose: ((event: never) => unknown) | null
  send (data: string): void
  close (code?: number): void
}

export type SocketConstructor = new (url: string, protocols?: string[]) => SocketLike

export interface ConnectOptions {
  /**
   * Where the route is: ws, wss, http or https, or relative to the page. A function is asked at each connection.
   * The token does not belong here: addresses are written into logs.
   */
  readonly url: string | URL | (() => string | URL | Promise<string | URL>)
  /** Fetches a token. It is asked at each connection, and when the token is about to expire. `false`: there is none to send. */
  readonly token: (() => string | Promise<string>) | false
  /** Makes the subprotocols of the token, for a route with `authenticate: 'upgrade'`; it is then not sent as a message. @default none */
  readonly protocols?: ((token: string) => string[]) | undefined
  /** @default the global one: every browser has it, and Node from 22 on */
  readonly WebSocket?: SocketConstructor | undefined
  /** What becomes of a command that is sent while there is no connection. @default 'reject' */
  readonly whileAway?: 'reject' | 'queue' | undefined
  /** How many commands wait for a connection, or for their turn. @default 100 */
  readonly maxQueued?: number | undefined
  /** Milliseconds for the reply to a command, from `send` on. @default 10000 */
  readonly timeout?: number | undefined
  /** How many messages a `for await` loop may be behind. @default 1000 */
  readonly maxBuffered?: number | undefined
  /** Milliseconds from asking for the token until the server has let the client in. @default 20000 */
  readonly connectTimeout?: number | undefined
  /** Milliseconds that the server's ping may be late before it is taken for dead. @default 8000 */
  readonly pongTimeout?: number | undefined
  /** Milliseconds: the longest wait before the first new attempt; it doubles with each. @default 1000 */
  readonly firstDelay?: number | undefined
  /** Milliseconds: what it doubles up to. @default 30000 */
  readonly maxDelay?: number | undefined
  /** Milliseconds that a connection has to last before the next attempt is a first one again. @default 10000 */
  readonly stableAfter?: number | undefined
  /** Bytes: the longest command. As the server's option. @default 65536 */
  readonly maxPayload?: number | undefined
  /** Bytes: the first frame. What does not fit of the positions is left out. As the server's option. @default 8192 */
  readonly maxAuthPayload?: number | undefined
}

export interface SendOptions {
  /** Milliseconds for the reply, the time in the queue included. @default that of the room */
  readonly timeout?: number | undefined
  /** Gives up waiting. What was sent is not taken back. */
  readonly signal?: AbortSignal | undefined
  /** @default that of the room */
  readonly whileAway?: 'reject' | 'queue' | undefined
  /** Which of several rooms is meant. @default the server decides */
  readonly room?: string | { readonly name: string } | undefined
}

export const DEFAULTS = {
  whileAway: 'reject',
  maxQueued: 100,
  timeout: 10_000,
  maxBuffered: 1_000,
  connectTimeout: 20_000,
  pongTimeout: 8_000,
  firstDelay: 1_000,
  maxDelay: 30_000,
  stableAfter: 10_000,
  maxPayload: 65_536,
  maxAuthPayload: 8_192
} as const

type Defaulted = { readonly [Key in keyof typeof DEFAULTS]: NonNullable<ConnectOptions[Key]> }

/** Options as they count. */
export type Settings = Omit<ConnectOptions, keyof Defaulted | 'WebSocket'> & Defaulted & { readonly WebSocket: SocketConstructor }

/** @throws TypeError when something is missing that has no default */
export function settingsOf (options: ConnectOptions): Settings {
  const settings: Record<string, unknown> = { ...options }
  settings.WebSocket ??= (globalThis as { WebSocket?: unknown }).WebSocket
  for (const [name, value] of Object.entries(DEFAULTS)) settings[name] ??= value
  if (settings.WebSocket === undefined) throw new TypeError('`WebSocket` must be given')
  if (settings.token !== false && typeof settings.token !== 'function') throw new TypeError('`token` must be a function, or false')
  return settings as unknown as Settings
}
