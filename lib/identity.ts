import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthenticateHook, User } from '../types/index.js'
import { authenticate } from './authenticate.js'
import type { DefaultAuthenticate } from './authenticate.js'
import type { RoomConnection } from './connection.js'
import { errors } from './errors.js'
import type { Route } from './policy.js'
import { after } from './thenable.js'
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
 * @throws GONE, what the hooks throw, FST_ROOMS_INVALID_TIME: at once, or as a promise
 */
export function identify (
  route: Route, connection: RoomConnection, token: string | undefined, request: FastifyRequest, reply: FastifyReply | undefined
): Identity | PromiseLike<Identity> {
  if (token === undefined) return identityOf(route, connection, userOf(request))
  return after(connection.until(() => authenticate(checkOf(route), token, request, reply as FastifyReply)), user => identityOf(route, connection, user))
}

/** One hook after the other, so that none is asked for whom another has refused. */
function identityOf (route: Route, connection: RoomConnection, found: User | null): Identity | PromiseLike<Identity> {
  const user = found as User
  return after(connection.until(() => route.userId(user)), userId => {
    return after(connection.until(() => route.issuedAt({ user })), from => {
      const issuedAt = seconds('issuedAt', from)
      return after(connection.until(() => route.expiresAt({ user })), to => {
        return { user: found, userId: userId?.toString(), issuedAt, expiresAt: seconds('expiresAt', to) ?? Infinity }
      })
    })
  })
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
