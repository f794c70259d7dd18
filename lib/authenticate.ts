import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthenticateHook, User } from '../types/index.js'
import { errors } from './errors.js'
import type { Cause } from './protocol.js'
import { isThenable } from './thenable.js'

/** What `authenticate` is by default. `extractToken` comes before cookies and before an `extractToken` of the application. */
export type DefaultAuthenticate = 'jwt'

export type WithUser = FastifyRequest & {
  user?: User
  jwtVerify (options?: object, done?: (error: unknown, user: User) => void): unknown
  server: { jwt?: Jwt }
}

interface Jwt {
  readonly options?: { readonly verify?: { readonly extractToken?: unknown } | null }
  lookupToken? (request: FastifyRequest): string
}

/**
 * Lets the application check the token of a first message, as it would check a request that carries the token as a
 * bearer.
 * @returns the user that the check has found
 * @throws what the check refused with, at once or as a promise; `causeOf` knows what it means
 */
export function authenticate (
  hook: AuthenticateHook | DefaultAuthenticate, token: string, request: FastifyRequest, reply: FastifyReply
): User | null | PromiseLike<User | null> {
  return hook === 'jwt' ? verify(request as WithUser, token) : runOn(hook, token, request, reply)
}

/**
 * A hook of the application's sees stand-ins: of the request, so that nothing of a refused attempt stays, and of the
 * reply, because the real one belongs to an upgrade that has happened, where sending an error only writes a log line
 * and a hook that refuses by `reply.send(error)` would let everyone in.
 */
async function runOn (hook: AuthenticateHook, token: string, request: FastifyRequest, reply: FastifyReply): Promise<User | null> {
  const attempt = withToken(request, token)
  await runHook(hook, attempt, reply)
  // The hook may have left more than the user: a tenant, a session. The route's other hooks look for it on the request.
  const { raw, headers, ...left } = Object.getOwnPropertyDescriptors(attempt)
  Object.defineProperties(request, left)
  return (request as WithUser).user ?? null
}

/**
 * What fast-jwt says of a token that is no good. @fastify/jwt gives a status to most of these but not to all; the rest
 * of fast-jwt's errors are about keys, and ours to mend.
 */
const BAD_TOKENS: ReadonlySet<unknown> = new Set([
  'FAST_JWT_INVALID_TYPE', 'FAST_JWT_INVALID_ALGORITHM', 'FAST_JWT_INVALID_CLAIM_TYPE', 'FAST_JWT_INVALID_CLAIM_VALUE',
  'FAST_JWT_INVALID_SIGNATURE', 'FAST_JWT_INVALID_PAYLOAD', 'FAST_JWT_INVALID_CRIT_HEADER', 'FAST_JWT_MALFORMED',
  'FAST_JWT_INACTIVE', 'FAST_JWT_EXPIRED', 'FAST_JWT_MISSING_REQUIRED_CLAIM', 'FAST_JWT_MISSING_SIGNATURE'
])

/** The close that an error of a hook leads to: a refusal by what its status says, anything else is a fault on our side. */
export function causeOf (error: unknown): Cause {
  switch (statusOf(error)) {
    case 400:
    case 401: return 'invalid_token'
    case 403: return 'forbidden'
    case 429: return 'rate_limited'
    default: return 'unavailable'
  }
}

function withToken (request: FastifyRequest, token: string): FastifyRequest {
  const headers = { ...request.headers, authorization: `Bearer ${token}` }
  const raw: IncomingMessage = Object.create(request.raw, { headers: { value: headers } })
  // On the request itself too: a hook of the application may have set other headers than those of the raw request.
  return Object.create(request, { raw: { value: raw }, headers: { value: headers, writable: true } })
}

/**
 * @fastify/jwt's own check leaves nothing on a request that it refuses, so it may have the real one, for as long as the
 * check takes with the token where a bearer stands: a stand-in for each of a crowd that reconnects is what costs most.
 * With the application's own options where those find the token there, because @fastify/jwt then has a verifier ready;
 * it makes a new one for each call with options of its own. An application that looks in cookies, or elsewhere, is told
 * where to look. It may also put the user under another name than `user`, and hands it back whatever the name.
 */
export function verify (request: WithUser, token: string): User | PromiseLike<User> {
  const { headers } = request.raw
  const { authorization } = headers
  const bearer = headers.authorization = `Bearer ${token}`
  let user: User | PromiseLike<User>
  try {
    user = check(request, finds(request, token, bearer) ? undefined : { verify: { extractToken: () => token } })
  } catch (error) {
    restore(headers, authorization)
    throw error
  }
  if (isThenable(user)) return later(user, headers, authorization)
  restore(headers, authorization)
  return user
}

async function later (user: PromiseLike<User>, headers: IncomingHttpHeaders, authorization: string | undefined): Promise<User> {
  try {
    return await user
  } finally {
    restore(headers, authorization)
  }
}

function restore (headers: IncomingHttpHeaders, authorization: string | undefined): void {
  if (authorization === undefined) delete headers.authorization
  else headers.authorization = authorization
}

/**
 * Has @fastify/jwt check what the request carries. By its callback, which is called at once where keys are at hand: a promise
 * would have each of a crowd wait for nothing. Only its own function gets one: another in its place may hand it on, and have
 * more to say when it has been called.
 * @throws what it refuses with, at once or as a promise
 */
export function check (request: WithUser, options?: object): User | PromiseLike<User> {
  const { name, length } = request.jwtVerify
  if (name !== 'requestVerify' || length !== 2) return request.jwtVerify(options) as User | PromiseLike<User>
  let settle: ((error: unknown, user: User) => void) | undefined
  let answer: { readonly error: unknown, readonly user: User } | undefined
  request.jwtVerify(options, (error, user) => {
    if (settle === undefined) answer = { error, user }
    else settle(error, user)
  })
  if (answer === undefined) return new Promise((resolve, reject) => { settle = (error, user) => error ? reject(error) : resolve(user) })
  if (answer.error) throw answer.error
  return answer.user
}

/** Whether @fastify/jwt finds the token in a request by itself, which has it as the bearer. */
type Finds = (request: WithUser, jwt: Jwt, token: string, bearer: string) => boolean

const never: Finds = () => false
const whereAsked: Finds = (request, jwt, token) => lookUp(request, jwt) === token
/** A hook may have given the request other headers, which come first. */
const byBearer: Finds = ({ headers }, _jwt, _token, bearer) => headers.authorization === bearer

/** Where the application has a `jwtVerify` of its own. */
const NONE: Jwt = {}

/** By registration: to have it look twice for each token would be a fiftieth of letting a socket in. */
const known = new WeakMap<Jwt, Finds>()

function finds (request: WithUser, token: string, bearer: string): boolean {
  const { jwt = NONE } = request.server
  let how = known.get(jwt)
  if (how === undefined) {
    how = findsOf(jwt)
    known.set(jwt, how)
  }
  return how(request, jwt, token, bearer)
}

function findsOf (jwt: Jwt): Finds {
  // The check may be that of a namespace, which looks elsewhere than this registration.
  if (Object.values(jwt).some(value => typeof (value as Partial<Jwt> | null)?.lookupToken === 'function')) return never
  if (jwt.options?.verify?.extractToken) return whereAsked
  // Its options are an object of the application's, which may have changed it since.
  return lookUp({ headers: { authorization: 'Bearer probe' } } as WithUser, jwt) === 'probe' ? byBearer : whereAsked
}

function lookUp (request: WithUser, jwt: Jwt): string | undefined {
  try {
    return jwt.lookupToken?.(request)
  } catch {
    return undefined // where it looks, there is none
  }
}

async function runHook (hook: AuthenticateHook, request: FastifyRequest, reply: FastifyReply): Promise<undefined> {
  await new Promise<void>((resolve, reject) => {
    const standIn = refusingReply(request, reply, reject)
    const refuse = (error: unknown): void => reject(withStatus(error, standIn))
    const done = (error?: unknown): void => {
      if (error === undefined || error === null) resolve()
      else refuse(error)
    }
    let result: unknown
    try {
      result = hook.call(request.server, request, standIn, done)
    } catch (error) {
      refuse(error)
      return
    }
    // A hook that replies has refused before its promise resolves, and the first word counts.
    if (isThenable(result)) result.then(() => resolve(), refuse).then(undefined, reject)
    else if (hook.length < 3) reject(new errors.FST_ROOMS_SYNC_HOOK())
  })
  return undefined
}

/** A reply with all that the application has added to replies, on which any kind of sending refuses. */
function refusingReply (request: FastifyRequest, reply: FastifyReply, refuse: (error: unknown) => void): FastifyReply {
  let sent = false
  const send = (payload?: unknown): FastifyReply => {
    sent = true
    refuse(withStatus(payload instanceof Error ? payload : undefined, standIn))
    return standIn
  }
  const raw = Object.create(reply.raw, {
    statusCode: { value: 200, writable: true },
    writableEnded: { get: () => sent },
    writeHead: { value: (status: number) => Object.assign(raw, { statusCode: status }) },
    write: { value: () => true },
    end: { value: () => { send() } }
  })
  const standIn: FastifyReply = Object.create(reply, {
    raw: { value: raw },
    request: { value: request },
    sent: { get: () => sent },
    send: { value: send },
    callNotFound: { value: send },
    hijack: { value: send }
  })
  return standIn
}

/** The error, if it says itself what it means; otherwise one that says what the hook has set on the reply. */
function withStatus (error: unknown, reply: FastifyReply): unknown {
  const set = reply.raw.statusCode
  if (statusOf(error) !== undefined || (error !== undefined && set < 400)) return error
  const refusal = new errors.FST_ROOMS_UNAUTHENTICATED()
  refusal.cause = error
  return set < 400 ? refusal : Object.assign(refusal, { statusCode: set })
}

/** What the error says of itself, if it can be asked at all. */
function statusOf (error: unknown): unknown {
  try {
    const { statusCode, status, code } = (error ?? {}) as { statusCode?: unknown, status?: unknown, code?: unknown }
    return BAD_TOKENS.has(code) ? 401 : statusCode ?? status
  } catch {
    return 500
  }
}
