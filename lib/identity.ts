import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthenticateHook, User } from '../types/index.js'
import { authenticate } from './authenticate.js'
import type { DefaultAuthenticate } from './authenticate.js'
import type { RoomConnection } from './connection.js'
import { errors } from './errors.js'
import type { Route } from './policy.js'
import { isThenable } from './thenable.js'
import { userOf } from './upgrade.js'

type UserId = string | number | undefined
type Time = number | null | undefined

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
  connection.assertOpen()
  const user = connection.wait(authenticate(checkOf(route), token, request, reply as FastifyReply))
  return isThenable(user) ? user.then(user => identityOf(route, connection, user)) : identityOf(route, connection, user)
}

// One hook after the other, so that none is asked for whom another has refused; and each of them at once where there is
// nothing to wait for, without a function made for that: a crowd that comes back passes here.

function identityOf (route: Route, connection: RoomConnection, user: User | null): Identity | PromiseLike<Identity> {
  const userId = connection.ask(route.userId, user as User)
  return isThenable(userId) ? userId.then(userId => issued(route, connection, user, userId)) : issued(route, connection, user, userId)
}

function issued (route: Route, connection: RoomConnection, user: User | null, userId: UserId): Identity | PromiseLike<Identity> {
  const at = connection.ask(route.issuedAt, { user: user as User })
  return isThenable(at) ? at.then(at => expiring(route, connection, user, userId, at)) : expiring(route, connection, user, userId, at)
}

function expiring (route: Route, connection: RoomConnection, user: User | null, userId: UserId, issuedAt: Time): Identity | PromiseLike<Identity> {
  const from = seconds('issuedAt', issuedAt)
  const at = connection.ask(route.expiresAt, { user: user as User })
  return isThenable(at) ? at.then(at => identity(user, userId, from, at)) : identity(user, userId, from, at)
}

function identity (user: User | null, userId: UserId, issuedAt: number | undefined, expiresAt: Time): Identity {
  return { user, userId: userId?.toString(), issuedAt, expiresAt: seconds('expiresAt', expiresAt) ?? Infinity }
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
