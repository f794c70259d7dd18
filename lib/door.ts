import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyBaseLogger, FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import type { Admission, Full } from './admission.js'
import { causeOf } from './authenticate.js'
import { upgradingSocket } from './drain.js'
import { errors } from './errors.js'
import type { Route } from './policy.js'
import { reportTo } from './report.js'
import { throttled } from './stats.js'
import type { Counters } from './stats.js'
import { takeBearers } from './subprotocol.js'
import { isThenable } from './thenable.js'
import { bearerOf, expectUser, findUser } from './upgrade.js'

/** Why an upgrade is refused. */
export type Refused = Full | 'origin' | 'token' | 'unavailable'

/** Whoever is sent away comes back within so many seconds, and no crowd in one of them. */
const SPREAD = 10

/** What is answered, made once: a stack for each of a flood would be the most expensive part of it. */
const [OVERLOADED, ORIGIN, TOKEN, UNCHECKED] = [
  new errors.FST_ROOMS_OVERLOADED(), new errors.FST_ROOMS_ORIGIN(), new errors.FST_ROOMS_INVALID_TOKEN(), new errors.FST_ROOMS_NOT_CHECKED()
].map(({ statusCode = 500, code, message }) => ({
  status: statusCode, body: JSON.stringify({ statusCode, code, error: STATUS_CODES[statusCode], message })
})) as [Answer, Answer, Answer, Answer]

interface Answer {
  readonly status: number
  readonly body: string
}

/** What stands before the upgrade: who is refused here has cost no hook of the application, and no WebSocket. */
export class Door {
  readonly #admission: Admission
  readonly #counters: Counters
  readonly #log: FastifyBaseLogger
  readonly #maxToken: number
  /** The connections of upgrades whose users are being found. */
  readonly #checking = new Set<Duplex>()
  readonly #told = new Map<Refused, ReturnType<typeof throttled>>()

  /** @param maxToken in bytes */
  constructor (admission: Admission, counters: Counters, log: FastifyBaseLogger, maxToken: number) {
    this.#admission = admission
    this.#counters = counters
    this.#log = log
    this.#maxToken = maxToken
  }

  /** How many upgrades have not proved whose they are. */
  get checking (): number {
    return this.#checking.size
  }

  /** The first of the hooks. */
  enter (route: Route, request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void {
    const bearers = takeBearers(request.raw.headers)
    try {
      const welcome = isWelcome(route, request)
      if (isThenable(welcome)) this.#enterLater(welcome, route, bearers, request, reply, done)
      else this.#decide(route, welcome, bearers, request, reply, done)
    } catch (error) {
      done(asError(error)) // by the application: what it says of its pressure, of origins, or of whom it trusts
    }
  }

  async #enterLater (
    asked: Promise<boolean>, route: Route, bearers: readonly string[], request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction
  ): Promise<void> {
    try {
      this.#decide(route, await asked, bearers, request, reply, done)
    } catch (error) {
      done(asError(error))
    }
  }

  /** The last of them, where a route wants to know its users from the upgrade. */
  async authenticate (route: Route, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
    const failure = await findUser(request).then(() => undefined, (thrown: unknown) => ({ thrown }))
    this.#checking.delete(upgradingSocket(request.raw))
    return failure === undefined ? undefined : this.#fail(failure.thrown, route, request, reply)
  }

  #fail (thrown: unknown, route: Route, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const cause = causeOf(thrown)
    if (cause !== 'invalid_token' && cause !== 'unavailable') throw thrown
    if (cause === 'invalid_token') return this.#refuse('token', request, reply)
    const error = asError(thrown)
    request.log.error({ err: error }, 'token could not be checked')
    reportTo(route, request.log, { error, room: undefined, connection: undefined })
    return this.#refuse('unavailable', request, reply)
  }

  #decide (route: Route, welcome: boolean, bearers: readonly string[], request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void {
    const socket = upgradingSocket(request.raw)
    if (socket.destroyed) return // while somebody was asked about the origin
    if (welcome !== true) {
      this.#refuse('origin', request, reply)
      return
    }
    if (route.authenticate === 'upgrade') {
      const bearer = bearerOf(bearers, this.#maxToken)
      if (bearer === null) {
        this.#refuse('token', request, reply)
        return
      }
      expectUser(request, bearer)
    }
    const full = this.#admission.enter(request, socket)
    if (full !== undefined) {
      this.#refuse(full, request, reply)
      return
    }
    if (route.authenticate === 'upgrade') {
      this.#checking.add(socket)
      socket.once('close', () => this.#checking.delete(socket))
    }
    done()
  }

  /** Past the application's error handler, which would have a line in the log for each of a flood. */
  #refuse (reason: Refused, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    this.#counters.refuse(reason)
    this.#tell(reason, request)
    const { status, body } = answerTo(reason)
    if (status === 401) reply.header('www-authenticate', 'Bearer') // RFC 9110 §11.6.1
    if (status === 503) reply.header('retry-after', String(Math.ceil(Math.random() * SPREAD)))
    return reply.code(status).header('connection', 'close').type('application/json; charset=utf-8').send(body)
  }

  /** At most once a second for each reason. */
  #tell (reason: Refused, request: FastifyRequest): void {
    let tell = this.#told.get(reason)
    if (tell === undefined) {
      tell = throttled(details => this.#log.warn(details, 'upgrade refused'))
      this.#told.set(reason, tell)
    }
    // Of a flood, each address would be asked of the kernel.
    tell(() => ({ reason, origin: request.headers.origin?.slice(0, 256), ip: request.socket === undefined ? undefined : request.ip }))
  }
}

/** Nothing but an error refuses: a hook that is done with undefined lets pass. */
function asError (thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error('A hook threw something that is no error.', { cause: thrown })
}

/** Browsers say where a page is from, and others need not: only where a cookie may say who it is must nobody keep it back. */
function isWelcome ({ origins, cookies }: Route, request: FastifyRequest): boolean | Promise<boolean> {
  if (origins === undefined) return true
  const { origin, cookie } = request.headers
  return origin === undefined ? !(cookies && cookie !== undefined) : origins(origin, request)
}

function answerTo (reason: Refused): Answer {
  switch (reason) {
    case 'origin': return ORIGIN
    case 'token': return TOKEN
    case 'unavailable': return UNCHECKED
    default: return OVERLOADED
  }
}
