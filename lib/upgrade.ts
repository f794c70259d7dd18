import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { User } from '../types/index.js'
import { check, verify } from './authenticate.js'
import type { WithUser } from './authenticate.js'
import { errors } from './errors.js'

/** Of an upgrade that has to say by itself whose it is. */
interface Upgrade {
  /** The token that was offered as a subprotocol, until it is checked. */
  bearer: string | undefined
  user: User | null
}

const kUpgrade = Symbol('fastify-rooms.upgrade')
type UpgradeRequest = WithUser & { [kUpgrade]: Upgrade }

export function decorateUpgrades (app: FastifyInstance): void {
  app.decorateRequest<Upgrade | null, symbol>(kUpgrade, null)
}

/** As RFC 6750 has it (§2.1): nothing that could end a header or begin a parameter. */
const TOKEN = /^[\w.~+/-]+=*$/

/** The one token among the subprotocols; undefined where there is none, null for anything that cannot be one. */
export function bearerOf (bearers: readonly string[], longest: number): string | undefined | null {
  const [bearer] = bearers
  if (bearer === undefined) return undefined
  return bearers.length === 1 && bearer.length <= longest && TOKEN.test(bearer) ? bearer : null
}

/** Puts the token where the hooks of the application look for it. */
export function expectUser (request: FastifyRequest, bearer: string | undefined): void {
  const upgrade: Upgrade = { bearer, user: null };
  (request as UpgradeRequest)[kUpgrade] = upgrade
  if (bearer !== undefined) request.raw.headers.authorization ??= `Bearer ${bearer}`
}

/**
 * Whoever the hooks of the application have found is the user. Where they have not looked, @fastify/jwt does.
 * @throws FST_ROOMS_INVALID_TOKEN, or what the check refused with; `causeOf` knows what it means
 */
export async function findUser (request: FastifyRequest): Promise<void> {
  const { user, jwtVerify, [kUpgrade]: upgrade } = request as UpgradeRequest
  const { bearer } = upgrade
  upgrade.bearer = undefined
  if (user !== undefined && user !== null) upgrade.user = user
  else if (jwtVerify === undefined) throw new errors.FST_ROOMS_INVALID_TOKEN()
  // The token that the client has named is meant, also where the application looks in cookies.
  else upgrade.user = await (bearer === undefined ? check(request as UpgradeRequest) : verify(request as UpgradeRequest, bearer))
}

export function userOf (request: FastifyRequest): User | null {
  return (request as UpgradeRequest)[kUpgrade].user
}
