import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { errors } from './errors.js'
import type { Route } from './policy.js'

interface Jwt {
  readonly cookie?: unknown
  readonly options?: { readonly verify?: { readonly algorithms?: unknown, readonly requiredClaims?: unknown } }
}

const ADVICE = {
  algorithms: "@fastify/jwt is registered without `verify.algorithms`, so the token says itself how it is to be checked. Name what you sign with, such as `verify: { algorithms: ['HS256'] }`.",
  requiredClaims: "@fastify/jwt is registered without `verify.requiredClaims`, so a token that has no `exp` is good for ever. Name what your tokens have, such as `verify: { requiredClaims: ['sub', 'exp'] }`."
} as const

/** What can be said of the routes only when all of the application is there: @fastify/jwt may come after them. */
export class Checks {
  readonly #log: FastifyBaseLogger
  readonly #given = new Set<keyof typeof ADVICE>()

  constructor (log: FastifyBaseLogger) {
    this.#log = log
  }

  /** @throws FST_ROOMS_NO_JWT, FST_ROOMS_NO_USER, FST_ROOMS_NO_ORIGINS */
  check (route: Route, url: string, instance: FastifyInstance): void {
    const { authenticate } = route
    if (authenticate === false) return
    const verifies = instance.hasRequestDecorator('jwtVerify')
    if (authenticate === 'upgrade') {
      if (!verifies && !instance.hasRequestDecorator('user')) throw new errors.FST_ROOMS_NO_USER(url)
      route.cookies = hasCookies(instance)
      if (route.cookies && route.origins === undefined) throw new errors.FST_ROOMS_NO_ORIGINS(url)
    } else if (authenticate === 'jwt' && !verifies) {
      throw new errors.FST_ROOMS_NO_JWT(url)
    }
    this.#advise(jwtOf(instance)) // a hook of the application's calls it, too, as a rule
  }

  /** Once for each application, and not for what is no @fastify/jwt. */
  #advise (jwt: Jwt | undefined): void {
    const verify = jwt?.options?.verify
    if (verify === undefined) return
    for (const [name, advice] of Object.entries(ADVICE) as Array<[keyof typeof ADVICE, string]>) {
      if (verify[name] !== undefined || this.#given.has(name)) continue
      this.#given.add(name)
      this.#log.warn(advice)
    }
  }
}

/** Whether a cookie may say who the user is, which browsers send along with what pages of others open. */
function hasCookies (instance: FastifyInstance): boolean {
  if (instance.hasRequestDecorator('cookies') || instance.hasRequestDecorator('session')) return true
  const jwt = jwtOf(instance)
  // Registrations with a namespace are properties of it.
  return jwt !== undefined && [jwt, ...Object.values(jwt)].some(jwt => jwt?.cookie !== undefined)
}

function jwtOf (instance: FastifyInstance): Jwt | undefined {
  return (instance as { jwt?: Jwt }).jwt
}
