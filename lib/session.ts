import { IncomingMessage } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { causeOf } from './authenticate.js'
import type { Bounded } from './bounded.js'
import type { RoomConnection } from './connection.js'
import { errors } from './errors.js'
import type { Expiry } from './expiry.js'
import { identify } from './identity.js'
import type { Identity } from './identity.js'
import { GONE } from './lifeline.js'
import { release } from './listeners.js'
import { authorize, contractOf } from './policy.js'
import type { Route } from './policy.js'
import { errorFrame, refreshedFrame } from './protocol.js'
import { report } from './report.js'
import type { Revocations } from './revocations.js'
import { isThenable } from './thenable.js'

/** What all sessions of an application share. */
export interface SessionHost {
  readonly expiry: Expiry
  readonly revocations: Revocations
  /** Bounds the hooks of a refresh, as those of the door are. */
  readonly hooks: Bounded
  /** Under which names the requests of this application have the raw one, beside `raw`; empty until that has been seen. */
  aliases: readonly symbol[]
}

type Id = string | number | undefined

/** Whose a socket is, for as long as it is open: by one token after the other, but always the same user. */
export class Session {
  readonly route: Route
  readonly connection: RoomConnection
  readonly request: FastifyRequest
  readonly #host: SessionHost
  /** Once it is released, only where hooks of the application's need one. */
  #reply: FastifyReply | undefined
  #refreshing = false

  constructor (host: SessionHost, route: Route, connection: RoomConnection, request: FastifyRequest, reply: FastifyReply) {
    this.#host = host
    this.route = route
    this.connection = connection
    this.request = request
    this.#reply = reply
  }

  /** Whether a hook of the application's checks its tokens, and may need a reply for that. */
  get hooked (): boolean {
    return typeof this.route.authenticate === 'function'
  }

  /** Whether another token can be checked: by the application's hook, or by @fastify/jwt. */
  get renewable (): boolean {
    return this.route.authenticate !== 'upgrade' || 'jwtVerify' in this.request
  }

  /**
   * The token that the socket has come with; undefined where the upgrade has said whose it is.
   * @throws GONE, what the hooks throw, FST_ROOMS_OLD_TOKEN: at once, or as a promise
   */
  open (token: string | undefined): void | PromiseLike<void> {
    const identity = identify(this.route, this.connection, token, this.request, this.#reply)
    return isThenable(identity) ? identity.then(identity => this.#check(identity)) : this.#check(identity)
  }

  #check (identity: Identity): void | PromiseLike<void> {
    const { ready } = this.#host.revocations
    if (ready === true) this.#accept(identity)
    else return this.#await(ready, identity)
  }

  async #await (ready: Promise<true>, identity: Identity): Promise<void> {
    await this.connection.until(() => ready)
    this.#accept(identity)
  }

  #accept (identity: Identity): void {
    this.connection.assertOpen()
    this.#take(identity)
    if (this.#host.revocations.bars(this.connection)) throw new errors.FST_ROOMS_OLD_TOKEN()
  }

  /** Nobody answers the upgrade any more. A hook that checks the next token gets a reply in its likeness, though. */
  releaseReply (): void {
    release(this.#reply as FastifyReply)
    if (!this.hooked) this.#reply = undefined
  }

  /**
   * Nobody needs the request of the upgrade any more but whoever checks the next token, and most of what Node keeps with it
   * is of no use for that. In place: a copy of it for each socket would be the most expensive part of letting one in.
   */
  release (): void {
    const host = this.#host
    // A hook that reads the body otherwise gives its requests another stream.
    if (host.aliases.length === 0) host.aliases = aliasesOf(this.request)
    replaceRaw(this.request, essenceOf(this.request.raw), host.aliases)
  }

  /**
   * A new token on the open socket. Everything is decided on a copy of the request before anything changes, so that commands
   * which are at work never see another user, and what cannot be decided leaves all as it was.
   */
  async refresh (token: string, id: Id): Promise<void> {
    const connection = this.connection
    if (this.#refreshing) return connection.say(errorFrame(new errors.FST_ROOMS_REFRESHING(), id))
    this.#refreshing = true
    try {
      const request = copyOf(this.request)
      // A hook that leaves a user alone who is there would take any token for good.
      if (this.hooked) Object.assign(request, { user: null })
      const allowed = new Map<string, boolean>()
      const identity = await this.#host.hooks.run(() => this.#decide(token, request, allowed))
      // Until the very turn in which the token changes, commands go on, and the old one lets in.
      while (connection.open && next(connection, allowed) !== undefined) await this.#host.hooks.run(() => this.#decideRooms(identity, request, allowed))
      if (!connection.open) return
      this.#checkRevoked(identity, allowed)
      keep(request, this.request)
      this.#renew(identity, allowed, id)
    } catch (error) {
      this.#refuse(error, id)
    } finally {
      this.#refreshing = false
    }
  }

  /** Who it is, and in which of the socket's rooms it may still be. */
  async #decide (token: string, request: FastifyRequest, allowed: Map<string, boolean>): Promise<Identity> {
    const connection = this.connection
    const identity = await identify(this.route, connection, token, request, this.#reply)
    // Where nobody can say whose tokens are whose, a new one might be anybody's.
    if (identity.userId === undefined) throw new errors.FST_ROOMS_NO_USER_ID()
    if (identity.userId !== connection.userId) throw new errors.FST_ROOMS_OTHER_USER()
    if (this.#host.revocations.bars(identity)) throw new errors.FST_ROOMS_OLD_TOKEN()
    await this.#decideRooms(identity, request, allowed)
    return identity
  }

  async #decideRooms (identity: Identity, request: FastifyRequest, allowed: Map<string, boolean>): Promise<void> {
    for (let room = next(this.connection, allowed); room !== undefined; room = next(this.connection, allowed)) {
      allowed.set(room, await this.#allows(room, identity, request))
    }
  }

  /** Access may have been taken away while the hooks were asked: from the new token, which the socket does not have yet. */
  #checkRevoked (identity: Identity, allowed: Map<string, boolean>): void {
    const { revocations } = this.#host
    if (revocations.bars(identity)) throw new errors.FST_ROOMS_OLD_TOKEN()
    for (const room of allowed.keys()) if (revocations.bars(identity, room)) allowed.set(room, false)
  }

  async #allows (room: string, identity: Identity, request: FastifyRequest): Promise<boolean> {
    const contract = this.connection.memberships?.contractOf(room) ?? contractOf(this.route, room)
    if (this.#host.revocations.bars(identity, room)) return false
    try {
      await authorize(this.route, contract, { user: identity.user, room, params: request.params, request })
      return true
    } catch (error) {
      if (causeOf(error) !== 'forbidden') throw error
      return false
    }
  }

  #renew (identity: Identity, allowed: ReadonlyMap<string, boolean>, id: Id): void {
    const connection = this.connection
    this.#take(identity)
    // First of all: whoever ends from here on is taken out again.
    this.#host.expiry.add(connection)
    for (const [room, may] of allowed) {
      if (may) continue
      if (connection.memberships === undefined) return connection.end('forbidden')
      connection.memberships.putOut(room, 'forbidden')
    }
    if (connection.open) connection.say(refreshedFrame(this.#host.expiry.remaining(connection), id))
  }

  #take ({ user, userId, issuedAt, expiresAt }: Identity): void {
    const connection = this.connection
    connection.user = user
    connection.userId = userId
    connection.issuedAt = issuedAt
    connection.expiresAt = expiresAt * 1_000
  }

  /** A token that is no good ends the socket; a fault of ours does not: the old token still is. */
  #refuse (error: unknown, id: Id): void {
    const connection = this.connection
    if (error === GONE || !connection.open) return
    const cause = causeOf(error)
    if (cause === 'invalid_token' || cause === 'forbidden') {
      connection.log.info({ cause, code: (error as { code?: unknown }).code }, 'new token refused')
      connection.end(cause)
      return
    }
    if (cause === 'unavailable') report(this.route, connection.log, connection, undefined, error, 'new token could not be checked')
    connection.say(errorFrame(new errors.FST_ROOMS_REFRESH_FAILED(), id))
  }
}

/** A room of the socket's, be it about to join it, of which nothing is decided. */
function next ({ names, memberships }: RoomConnection, decided: ReadonlyMap<string, boolean>): string | undefined {
  for (const room of memberships?.names ?? names) if (!decided.has(room)) return room
  return undefined
}

/**
 * With all that the request has, and nothing in common with it that a check of another token writes to. Not with the
 * request as a prototype: that would make it a class of its own to V8, and larger for as long as the socket lives.
 */
function copyOf (request: FastifyRequest): FastifyRequest {
  const copy = cloneOf(request)
  replaceRaw(copy, Object.defineProperty(cloneOf(request.raw), 'headers', { value: { ...request.raw.headers }, writable: true }), aliasesOf(copy))
  return copy
}

function cloneOf<T extends object> (original: T): T {
  return Object.create(Object.getPrototypeOf(original), Object.getOwnPropertyDescriptors(original))
}

/** What a check may look at of a request whose upgrade is long over. */
class Essence {
  readonly headers: IncomingHttpHeaders
  readonly method: string | undefined
  readonly url: string | undefined
  readonly httpVersion: string
  readonly socket: Socket

  constructor ({ headers, method, url, httpVersion, socket }: IncomingMessage) {
    this.headers = headers
    this.method = method
    this.url = url
    this.httpVersion = httpVersion
    this.socket = socket
  }
}
// Not by `extends`, which would have Node make all that is left out here.
Object.setPrototypeOf(Essence.prototype, IncomingMessage.prototype)

function essenceOf (raw: IncomingMessage & { originalUrl?: string }): IncomingMessage {
  const essence = new Essence(raw) as IncomingMessage & { originalUrl?: string }
  if (raw.originalUrl !== undefined) essence.originalUrl = raw.originalUrl // Fastify's, where it rewrites URLs
  return essence
}

/** Fastify keeps the raw request under more than one name: as the stream of a body, too. */
function aliasesOf (request: FastifyRequest): symbol[] {
  const own = request as unknown as Record<PropertyKey, unknown>
  return Object.getOwnPropertySymbols(request).filter(name => own[name] === own.raw)
}

function replaceRaw (request: FastifyRequest, raw: IncomingMessage, aliases: readonly symbol[]): void {
  const own = request as unknown as Record<PropertyKey, unknown>
  for (const name of aliases) if (own[name] === own.raw) own[name] = raw
  own.raw = raw
}

/** What a check has left on the copy: the user, under whatever name, a tenant, a session. */
function keep (copy: FastifyRequest, request: FastifyRequest): void {
  const [from, to] = [copy, request] as unknown as Array<Record<PropertyKey, unknown>> as [Record<PropertyKey, unknown>, Record<PropertyKey, unknown>]
  for (const name of Reflect.ownKeys(from)) {
    if (name !== 'headers' && from[name] !== copy.raw && from[name] !== to[name]) to[name] = from[name]
  }
}
