import type { Position } from '../types/index.js'
import { errors } from './errors.js'
import { isRoomName } from './name.js'
import { objectIn, positionOf } from './protocol.js'

/** Who has no access any more: a user, to everything or to a room; or everyone, to a room. Of those whose token is old. */
export interface Revocation {
  /** Tokens issued at or before this moment are meant, in milliseconds since 1970 by the broker's clock. */
  readonly at: number
  /** How long it holds, in milliseconds from then on: longer than such a token lives. */
  readonly lifetime: number
  /** Undefined where everyone in the room is meant. */
  readonly user: string | undefined
  /** Undefined where all rooms are meant. */
  readonly room: string | undefined
  /** Nothing up to here is replayed to whoever is let in again. Where it is not known, nothing at all is. */
  readonly floor: Position | undefined
}

/** Of the name of a user, in characters. */
const MAX_USER = 1_024
const MAX_LIFETIME = 2 ** 31 - 1
/** Of all of it as text, in bytes, with what goes before it: more than one has, be its user written in escapes only. */
export const MAX_REVOCATION = 8 * 1_024

/**
 * The name of a user, as connections have it.
 * @throws FST_ROOMS_INVALID_USER
 */
export function userNamed (userId: unknown): string {
  const name = typeof userId === 'number' ? String(userId) : userId
  if (typeof name !== 'string' || name === '' || name.length > MAX_USER) throw new errors.FST_ROOMS_INVALID_USER(MAX_USER)
  return name
}

/** Whether a token is meant, by when it was issued. A JWT counts in seconds: one of the very second is. */
export function reaches ({ at }: Revocation, issuedAt: number | undefined): boolean {
  return issuedAt === undefined || Math.floor(issuedAt) <= Math.floor(at / 1_000)
}

/** As brokers keep it. The same text for the same revocation. */
export function textOf ({ at, lifetime, user, room, floor }: Revocation): string {
  return JSON.stringify({ at, lifetime, user, room, floor })
}

/** What a broker has kept or carried, which is not trusted; undefined where it is nothing. */
export function revocationIn (text: string): Revocation | undefined {
  if (text.length > MAX_REVOCATION) return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  const { at, lifetime, user, room, floor } = objectIn(value) ?? {}
  if (!Number.isSafeInteger(at) || !Number.isSafeInteger(lifetime) || (lifetime as number) < 1 || (lifetime as number) > MAX_LIFETIME) return undefined
  if (user === undefined ? room === undefined : typeof user !== 'string' || user.length > MAX_USER) return undefined
  if (room !== undefined && !isRoomName(room)) return undefined
  const position = positionOf({ floor }, 'floor') ?? undefined
  return { at: at as number, lifetime: lifetime as number, user: user as string | undefined, room, floor: position }
}
