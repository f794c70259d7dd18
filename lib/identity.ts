import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthenticateHook, User } from '../types/index.js'
import { authenticate } from './authenticate.js'
import type { DefaultAuthenticate } from './authenticate.js'
import { isThenable } from './connection.js'
import type { RoomConnection } from './connection.js'
import { errors } from './errors.js'
import type { Route } from './policy.js'
import { userOf } from './upgrade.js'

/** Whose a token is, and from when until when, as the hooks of a route have it. */
export interface Identity {
  readonly user: User | null
  readonly userId: string | undefined
  /** In seconds since 1970; undefined where nobody knows. */
  readonly issuedAt: number | undefined
  /** In seconds since 1970; Infinity is never. */
  readonly expiresAt: number
}

/**
 * @param token undefined where the upgrade has said whose it is
 * @param request gets what the hook leaves on it
 * @param reply may be undefined where the check is the default one
 * @throws GONE, what the hooks throw, FST_ROOMS_INVALID_TIME
 */
export async function identify (route: Route, connection: RoomConnection, token: string | undefined, request: FastifyRequest, reply: FastifyReply | undefined): Promise<Identity> {
  const found = token === undefined ? userOf(request) : await connection.until(() => authenticate(checkOf(route), token, request, reply as FastifyReply))
  const user = found as User
  // Most hooks have nothing to wait for, and each wait for nothing is a turn of the microtask queue for each socket.
  const id = connection.until(() => route.userId(user))
  const userId = isThenable(id) ? await id : id
  const from = connection.until(() => route.issuedAt({ user }))
  const issuedAt = seconds('issuedAt', isThenable(from) ? await from : from)
  const to = connection.until(() => route.expiresAt({ user }))
  const expiresAt = seconds('expiresAt', isThenable(to) ? await to : to) ?? Infinity
  return { user: found, userId: userId?.toString(), issuedAt, expiresAt }
}

/** Hooks of an upgrade cannot be called again, but what @fastify/jwt checks there it can check here. */
function checkOf ({ authenticate }: Route): AuthenticateHook | DefaultAuthenticate {
  return typeof authenticate === 'function' ? authenticate : 'jwt'
}

/** A time that cannot be compared with another would let in for ever. */
function seconds (hook: string, time: unknown): number | undefined {
  if (time === undefined || time === null) return undefined
  if (typeof time !== 'number' || Number.isNaN(time)) throw new errors.FST_ROOMS_INVALID_TIME(hook, typeof time)
  return time
}
