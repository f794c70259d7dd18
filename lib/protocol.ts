import { isUtf8 } from 'node:buffer'
import { errors } from './errors.js'
import type { Message, Position } from '../types/index.js'
import type { Payload } from './wire.js'

/**
 * The wire: what frames look like, and what each cause of an end says to the client.
 * docs/protocol.md is its prose.
 */

/**
 * Why a socket ends: the status frame that goes ahead of the close, if there is one, and the close code.
 * Codes of 4000 and above are ours (RFC 6455 §7.4.2); the others are registered (§7.4.1, and IANA for 1012 and 1013).
 */
export const CAUSES = {
  done: { code: 1000, status: undefined },
  too_big: { code: 1009, status: undefined },
  unavailable: { code: 1011, status: 'unavailable' },
  restarting: { code: 1012, status: 'restarting' },
  overloaded: { code: 1013, status: 'overloaded' },
  bad_frame: { code: 4400, status: undefined },
  invalid_token: { code: 4401, status: 'invalid_token' },
  forbidden: { code: 4403, status: 'forbidden' },
  auth_timeout: { code: 4408, status: 'auth_timeout' },
  disconnected: { code: 4410, status: 'disconnected' },
  too_slow: { code: 4413, status: undefined },
  expired_token: { code: 4419, status: 'expired_token' },
  rate_limited: { code: 4429, status: 'rate_limited' }
} as const satisfies Record<string, { code: number, status: string | undefined }>

export type Cause = keyof typeof CAUSES

/** Commands that only the plugin says. A message that uses one would be taken for the plugin's own word. */
const RESERVED: ReadonlySet<string> = new Set(['WSStatus', 'WSError', 'WSPing', 'WSPong', 'WSSnapshot', 'WSPresence'])

export const PING_FRAME = '{"command":"WSPing"}'
export const PONG_FRAME = '{"command":"WSPong"}'

export function statusFrame (status: string, details?: object): string {
  return JSON.stringify({ command: 'WSStatus', data: { status, ...details } })
}

/** Where a member stands in a room with history, and whether it was given what it had missed. */
export interface Standing extends Partial<Position> {
  readonly recovered?: boolean
  readonly reason?: string
}

/** In a room without history. */
export const NOWHERE: Standing = {}

/** By the names of rooms. */
export type Standings = Iterable<readonly [room: string, Standing]>

/**
 * The first frame of a member. Not by `statusFrame`: an object that has a room's name for a key is a class of its own
 * to V8.
 */
export function connectedFrame (connection: string, keepAlive: number, rooms: Standings, degraded: boolean): string {
  let standings = ''
  for (const [room, standing] of rooms) standings += `${standings && ','}${standingIn(room, standing)}`
  return `{"command":"WSStatus","data":{"status":"connected","connection":"${connection}","keepAlive":${keepAlive},"rooms":{${standings}}${degraded ? DEGRADED : ''}}}`
}

/** A socket of several rooms is in one more. */
export function joinedFrame (room: string, standing: Standing, degraded: boolean): string {
  return `{"command":"WSStatus","data":{"status":"joined","rooms":{${standingIn(room, standing)}}${degraded ? DEGRADED : ''}}}`
}

/** A socket of several rooms is in one less. @param reason why, where it was put out */
export function leftFrame (room: string, reason?: string): string {
  return `{"command":"WSStatus","data":{"status":"left","rooms":{${standingIn(room, reason === undefined ? {} : { reason })}}}}`
}

/** The token will soon be good no more. @param expiresIn in milliseconds */
export function expiringFrame (expiresIn: number): string {
  return statusFrame('token_expiring', { expiresIn })
}

/** A new token is good. @param expiresIn in milliseconds; undefined is never */
export function refreshedFrame (expiresIn: number | undefined, id: string | number | undefined): string {
  return JSON.stringify({ command: 'WSStatus', data: { status: 'refreshed', expiresIn }, id })
}

/** The broker did not confirm in time. */
const DEGRADED = ',"degraded":true'

/** Nothing in the name of a room has to be escaped. */
function standingIn (room: string, standing: Standing): string {
  return `"${room}":${standing === NOWHERE ? '{}' : JSON.stringify(standing)}`
}

/** Tells members where they stand from now on. */
export function epochFrame (room: string, { epoch, seq, mid }: Position): string {
  return `{"command":"WSStatus","data":{"status":"epoch","rooms":{${standingIn(room, { epoch, seq, mid })}}}}`
}

/** What a client says of where it stood in a room: nothing, a position, or nonsense, which is null. */
export function positionOf (recover: unknown, room: string): Position | null | undefined {
  if (typeof recover !== 'object' || recover === null || !Object.hasOwn(recover, room)) return undefined
  const { epoch, seq, mid } = ((recover as Record<string, unknown>)[room] ?? {}) as Record<string, unknown>
  if (typeof epoch !== 'string' || !/^\d{1,16}$/.test(epoch) || typeof mid !== 'string' || !Number.isSafeInteger(seq)) return null
  return { epoch, seq: seq as number, mid }
}

/** Tells members that they may have missed something. Also as a broker's payload, where it is meant for all of a room. */
export const RESYNC_FRAME = statusFrame('resync')
const RESYNC_BYTES = Buffer.from(RESYNC_FRAME)

/** @param position where the room keeps it, as it does for a message */
export function isResync (payload: Payload, position?: Position): boolean {
  if (position !== undefined) return isReserved(payload) && payload.toString() === numbered(RESYNC_FRAME, position.seq, position.mid)
  return typeof payload === 'string' ? payload === RESYNC_FRAME : payload.equals(RESYNC_BYTES)
}

/** Whether it looks like the plugin's own word. Asked for each message, so it looks at two characters. */
function isReserved (payload: Payload): boolean {
  const at = '{"command":"'.length
  if (typeof payload === 'string') return payload.startsWith('WS', at)
  return payload[at] === 0x57 && payload[at + 1] === 0x53
}

export function errorFrame (error: Error & { code?: string }, id: unknown): string {
  return JSON.stringify({ command: 'WSError', data: { code: error.code, message: error.message }, id })
}

/** @param reply as JSON; undefined where there is nothing to say */
export function replyFrame (command: string, reply: string | undefined, id: unknown): string {
  return `{"command":${JSON.stringify(command)}${reply === undefined ? '' : `,"data":${reply}`},"id":${JSON.stringify(id)}}`
}

/** @throws FST_ROOMS_INVALID_MESSAGE */
export function checkCommand (command: unknown): asserts command is string {
  if (typeof command !== 'string' || command === '') {
    throw new errors.FST_ROOMS_INVALID_MESSAGE('`command` must be a string that is not empty.')
  }
  if (RESERVED.has(command)) {
    throw new errors.FST_ROOMS_INVALID_MESSAGE(`the command ${command} is reserved for the plugin; choose another name.`)
  }
}

/** @throws FST_ROOMS_MESSAGE_TOO_LARGE */
export function checkSize (text: string, maxMessage: number): void {
  // No character of a string is more than three bytes, so most need not be counted.
  const most = text.length * 3
  if (most > maxMessage && Buffer.byteLength(text) > maxMessage) throw new errors.FST_ROOMS_MESSAGE_TOO_LARGE(Buffer.byteLength(text), maxMessage)
}

/**
 * The text of a message, the same for every member and for the broker.
 * @throws FST_ROOMS_INVALID_MESSAGE, FST_ROOMS_MESSAGE_TOO_LARGE
 */
export function encodeMessage (message: Message, maxMessage: number): string {
  const { command, data } = (message ?? {}) as Message
  checkCommand(command)
  let text: string
  try {
    text = JSON.stringify({ command, data })
  } catch (cause) {
    const error = new errors.FST_ROOMS_INVALID_MESSAGE('`data` cannot be written as JSON.')
    error.cause = cause
    throw error
  }
  checkSize(text, maxMessage)
  return text
}

/** A message of a room with history, as members get it. @param text as `encodeMessage` makes it */
export function numbered (text: string, seq: number, mid: string): string {
  return `${text.slice(0, -1)},"seq":${seq},"mid":"${mid}"}`
}

/** What `numbered` was given, or undefined where the number is another, or none. */
export function unnumbered (text: string, { seq, mid }: Position): string | undefined {
  const number = `,"seq":${seq},"mid":"${mid}"}`
  return text.endsWith(number) ? `${text.slice(0, -number.length)}}` : undefined
}

/**
 * A frame for a socket that may be in several rooms. Of two keys the last one counts, so what another program has put
 * into a message cannot pass for another room's.
 */
export function labelled<Frame extends Payload> (frame: Frame, room: string): Frame
export function labelled (frame: Payload, room: string): Payload {
  const label = `,"room":"${room}"}`
  const end = frame.lastIndexOf('}') // other programs may have put a line's end after it
  return typeof frame === 'string' ? frame.slice(0, end) + label : Buffer.concat([frame.subarray(0, end), Buffer.from(label)])
}

/** Goes before a message that members who are behind may miss. A line of its own, which no JSON text can begin with. */
const VOLATILE = '!volatile\n'

/** A message that members may miss, as the broker carries it. Any other is the text of its frame alone. */
export function sealed (text: string): string {
  return VOLATILE + text
}

export function isVolatile (received: Payload): boolean {
  if (typeof received === 'string') return received.startsWith(VOLATILE)
  return received[0] === VOLATILE.charCodeAt(0) && received.toString('latin1', 0, VOLATILE.length) === VOLATILE
}

export function unsealed (received: Payload): Payload {
  return typeof received === 'string' ? received.slice(VOLATILE.length) : received.subarray(VOLATILE.length)
}

/** Goes before a revocation, on the channel of its room and on one for all. */
const REVOKED = '!revoked\n'

/** A revocation, as the broker carries it. */
export function announced (text: string): string {
  return REVOKED + text
}

export function isAnnounced (received: Payload): boolean {
  if (typeof received === 'string') return received.startsWith(REVOKED)
  return received[0] === REVOKED.charCodeAt(0) && received.toString('latin1', 0, REVOKED.length) === REVOKED
}

/** What `announced` was given. */
export function unannounced (received: Payload): string {
  return received.toString().slice(REVOKED.length)
}

/** Whether a text begins with a line that means something to the plugin, or to its broker. */
export function isHeaded (text: string): boolean {
  return isVolatile(text) || isAnnounced(text) || /^!seq [^\n]*\n/.test(text)
}

/** Whether bytes that came from the broker are a message that members may be shown. They are untrusted: anyone with Redis can publish. */
export function isMessage (payload: Payload): boolean {
  // JSON.parse of a decoded buffer would replace bad UTF-8 silently, and a bad frame closes every member's socket with 1007.
  if (typeof payload !== 'string' && !isUtf8(payload)) return false
  return messageIn(parseObject(payload)) !== undefined
}

/** A value, if it is a message that is not the plugin's own. */
export function messageIn (value: unknown): Message | undefined {
  const { command } = (objectIn(value) ?? {}) as { command?: unknown }
  return typeof command === 'string' && command !== '' && !RESERVED.has(command) ? value as Message : undefined
}

/** The object in a text frame, or undefined where there is none. Only the named properties are ever read, so nothing can be poisoned. */
export function parseObject (text: Payload): Record<string, unknown> | undefined {
  let value: unknown
  try {
    value = JSON.parse(text.toString())
  } catch {
    return undefined
  }
  return objectIn(value)
}

export function objectIn (value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Record<string, unknown> : undefined
}

/** A close reason is at most 123 bytes (RFC 6455 §5.5); `ws` throws on more. Cut at a character, never inside one. */
export function closeReason (reason: string): string {
  if (Buffer.byteLength(reason) <= 123) return reason
  const { read } = new TextEncoder().encodeInto(reason, new Uint8Array(123))
  return reason.slice(0, read)
}
