import { parseObject } from '../lib/protocol.js'
import type { Payload } from '../lib/wire.js'

/** A frame of the server, as the client got it. */
export interface Frame {
  readonly command: string
  readonly data?: unknown
  /** In a room with history: the number of the message. */
  readonly seq?: number
  /** In a room with history: the name of the message, which is the `id` of its receipt. */
  readonly mid?: string
  /** Where one socket is in several rooms: the room of the message. */
  readonly room?: string
  /** Of the client's command that this answers. */
  readonly id?: string | number
  readonly [key: string]: unknown
}

/** A message, with what the test knows about its data. */
export interface ReceivedMessage<Data = unknown> extends Frame {
  readonly data: Data
}

/** What a `WSStatus` says. */
export interface Status {
  readonly status: string
  /** With `connected`, `joined`, `left` and `epoch`. */
  readonly rooms?: Readonly<Record<string, RoomStatus>>
  readonly [key: string]: unknown
}

/** What `connected` says. */
export interface Connected extends Status {
  readonly status: 'connected'
  /** The name of this connection, in the server's log, too. */
  readonly connection: string
  readonly keepAlive: number
  readonly rooms: Readonly<Record<string, RoomStatus>>
  /** The broker did not confirm the subscription in time. */
  readonly degraded?: true
}

/** What `connected`, `joined`, `left` and `epoch` say about a room. Empty for a room without history. */
export interface RoomStatus {
  readonly epoch?: string
  readonly seq?: number
  readonly mid?: string
  /** To a client that has said how far it had come: whether it gets all that it has missed. */
  readonly recovered?: boolean
  /** Why it does not. */
  readonly reason?: string
}

export function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The frame in a text, or undefined where it is none of the protocol. */
export function parseFrame (text: Payload): Frame | undefined {
  const frame = parseObject(text)
  return typeof frame?.command === 'string' ? frame as Frame : undefined
}

/** What a `WSStatus` says; undefined for every other frame. */
export function statusOf ({ command, data }: Frame): Status | undefined {
  return command === 'WSStatus' && isObject(data) && typeof data.status === 'string' ? data as Status : undefined
}
