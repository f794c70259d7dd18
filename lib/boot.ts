import type {
  FastifyInstance, FastifyReply, FastifyRequest, HookHandlerDoneFunction, onRouteHookHandler, preHandlerAsyncHookHandler, preHandlerHookHandler, RouteOptions as FastifyRouteOptions
} from 'fastify'
import type { WebsocketHandler, WebsocketPluginOptions } from '@fastify/websocket'
import type { Room, RoomContract, RoomRouteOptions, RoomSource } from '../types/index.js'
import { isContract, isRoom, nameOf } from './contract.js'
import { Checks } from './checks.js'
import type { Dialect } from './dialect.js'
import type { Door } from './door.js'
import { errors } from './errors.js'
import { connectionOf, onError } from './listeners.js'
import { checkRouteOptions, invalid } from './options.js'
import { originCheck } from './origin.js'
import type { OriginCheck } from './origin.js'
import type { ResolvedOptions } from './options.js'
import { checkRoomName } from './name.js'
import type { Addresses } from './address.js'
import type { Destination, Route, Taker } from './policy.js'
import type { Sockets } from './route.js'
import { servedBy } from './served.js'
import type { Serializers } from './serializers.js'
import { answering } from './subprotocol.js'
import type { Turnstile } from './turnstile.js'
import { decorateUpgrades } from './upgrade.js'
import { validated } from './validate.js'

/** Of all kinds of routes. */
type GivenOptions = RoomRouteOptions & { commands?: Record<string, unknown> | undefined, contracts?: readonly unknown[] | undefined }

/** What a route was made of. */
interface Source {
  readonly sources: readonly RoomSource[]
}

/** Of a route's `config`, where it is found before any hook of the application has run. */
const kRoute = Symbol('fastify-rooms.route')

const kReply = Symbol('fastify-rooms.reply')
type ReplyingRequest = FastifyRequest & { [kReply]: FastifyReply }

const HOOKS = ['authenticate', 'authorize', 'userId', 'issuedAt', 'expiresAt', 'snapshot', 'onJoin', 'onLeave', 'onError'] as const

/** The routes that lead to rooms, and the checks that catch a mistake in one before the application starts. */
export function createRoutes (app: FastifyInstance, sockets: Sockets, options: ResolvedOptions, addresses: Addresses, serializers: Serializers, door: Door) {
  const routes = new WeakMap<object, Route & Source>()
  const origins = options.origins && originCheck(options.origins)
  const checks = new Checks(app.log.child({ module: 'fastify-rooms' }))
  const unchecked: Array<{ route: Route, url: string, instance: FastifyInstance }> = []

  // `authenticate` needs a reply, which @fastify/websocket does not hand to handlers.
  app.decorateRequest<FastifyReply | null, symbol>(kReply, null)
  decorateUpgrades(app)

  app.addHook('onReady', async () => {
    // Only now: @fastify/jwt may be registered after the route.
    for (const { route, url, instance } of unchecked) {
      for (const contract of route.contracts) serializers.compile(contract)
      checks.check(route, url, instance)
    }
  })

  function manageWebsocket (rooms: RoomSource | readonly RoomSource[], given: GivenOptions = {}): WebsocketHandler {
    const own = checkRouteOptions(given)
    const sources = (Array.isArray(rooms) ? rooms : [rooms]) as readonly RoomSource[]
    const several = Array.isArray(rooms)
    const dialect = several ? () => undefined : () => dialectTo(sources[0] as RoomSource, addresses)
    const route = { ...resolveRoute(sources, several, own, options, origins), dialect }
    for (const contract of route.contracts) addresses.meet(contract)
    declare(sources, several, own, addresses)
    const handler: WebsocketHandler = (socket, request: FastifyRequest & { [kReply]?: FastifyReply | null }) => {
      const reply = request[kReply] as FastifyReply
      request[kReply] = null // who keeps the request need not keep all that
      sockets.serve(route, socket, request, reply)
    }
    routes.set(handler, route)
    return handler
  }

  const onRoute: onRouteHookHandler = function (this: FastifyInstance, options: FastifyRouteOptions) {
    const route = routes.get(options.wsHandler ?? options.handler)
    if (route === undefined) return
    if (options.websocket !== true && options.wsHandler === undefined) throw new errors.FST_ROOMS_NOT_WEBSOCKET(options.url)
    for (const room of route.sources) if (isContract(room)) checkParameters(room, options.url)
    options.config = { ...options.config, [kRoute]: route } as typeof options.config & object
    if (route.authenticate === 'upgrade') options.preHandler = [options.preHandler ?? [], authenticating(route, door)].flat() as preHandlerHookHandler[]
    unchecked.push({ route, url: options.url, instance: this })
    servedBy(app).push({
      url: options.url, options, instance: this, route, rooms: route.sources, contracts: route.contracts, several: route.several, history: name => addresses.of(name).history
    })
  }

  /** Ahead of all hooks of an upgrade, which may lead elsewhere. */
  function onUpgrade (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void {
    const route = (request.routeOptions.config as { [kRoute]?: Route } | undefined)?.[kRoute]
    if (route === undefined) {
      done()
      return
    }
    (request as ReplyingRequest)[kReply] = reply
    door.enter(route, request, reply, done)
  }

  return { manageWebsocket, onRoute, onUpgrade }
}

/** The last of the hooks, so that those of the application come first. A route may also answer requests that are no upgrades. */
function authenticating (route: Route, door: Door): preHandlerAsyncHookHandler {
  return async (request, reply) => request.ws ? await door.authenticate(route, request, reply) : undefined
}

/** Without context takeover, and with one window for all, a message is compressed once and not once for each member. */
const SHARED_DEFLATE = { serverNoContextTakeover: true, clientNoContextTakeover: true, serverMaxWindowBits: false }

/** @throws FST_ROOMS_INVALID_ROOM */
function destinationOf (source: RoomSource): Destination {
  if (isContract(source)) return roomOf(source)
  if (typeof source !== 'function') checkRoomName(nameOf(source as string | Room))
  return source as Destination
}

/** The room that a request's parameters name. */
function roomOf (contract: RoomContract): (request: FastifyRequest) => Room {
  const { params: schema } = contract.definition
  const called = contract as (params: unknown) => Room
  return request => called(schema === undefined ? request.params : validated(request, schema, request.params))
}

/** Each once, in the order in which they were given. @throws FST_ROOMS_INVALID_OPTION */
function contractsOf (sources: readonly RoomSource[], more: readonly unknown[]): RoomContract[] {
  const contracts = new Set<RoomContract>()
  for (const source of sources) {
    if (isContract(source)) contracts.add(source)
    else if (isRoom(source)) contracts.add(source.contract)
  }
  for (const contract of more) contracts.add(isContract(contract) ? contract : invalid('contracts', 'must be an array of contracts'))
  return [...contracts]
}

/**
 * What a route says of a room that all processes must know.
 * @throws FST_ROOMS_INVALID_OPTION where that is not by the room's name
 */
function declare (sources: readonly RoomSource[], several: boolean, own: GivenOptions, addresses: Addresses): void {
  const [room] = sources
  if (!several && typeof room === 'string') addresses.declare(room, own)
  else if (own.history !== undefined) invalid('history', 'of a route needs a room with a fixed name, and one only. Give the plugin a function `history(room)`, which every process can ask, or put it into a contract')
  else if (own.codec !== undefined) invalid('codec', 'of a route needs a room with a fixed name, and one only. Give it to the plugin, or put it into a contract')
}

/** How the sockets of a route to one room are spoken to. */
function dialectTo (source: RoomSource, addresses: Addresses): Dialect | undefined {
  if (isContract(source)) return addresses.dialectOf(source)
  return typeof source === 'function' ? addresses.dialectOf(undefined) : addresses.of(nameOf(source as string | Room)).dialect
}

/** @throws FST_ROOMS_INVALID_CONTRACT when the route does not say which of the rooms is meant */
function checkParameters ({ pattern }: RoomContract, url: string): void {
  const given = new Set(url.split(/[/?]/))
  const missing = pattern.split('/').find(segment => segment.startsWith(':') && !given.has(segment))
  if (missing !== undefined) throw new errors.FST_ROOMS_INVALID_CONTRACT(pattern, `the route '${url}' has no parameter ${missing}`)
}

/**
 * The handlers of the contracts' commands: by the command, or, where there may be several rooms, by the contract's
 * pattern first.
 * @throws FST_ROOMS_INVALID_OPTION when a command has no handler, or a handler no command
 */
function takersOf (contracts: readonly RoomContract[], several: boolean, commands: Record<string, unknown> | undefined): Taker[] {
  if (!several) {
    const [contract] = contracts
    if (contract === undefined && commands !== undefined) invalid('commands', 'needs a contract: see docs/contracts.md')
    return contract === undefined ? [] : taking(contract, 'commands', commands)
  }
  const patterns = contracts.map(({ pattern }) => pattern)
  for (const pattern of Object.keys(commands ?? {})) {
    if (!patterns.includes(pattern)) invalid(`commands['${pattern}']`, 'is the pattern of no contract of this route')
  }
  for (const pattern of patterns) {
    if (patterns.indexOf(pattern) !== patterns.lastIndexOf(pattern)) invalid('contracts', `has two contracts with the pattern '${pattern}'`)
  }
  return contracts.flatMap(contract => taking(contract, `commands['${contract.pattern}']`, commands?.[contract.pattern]))
}

function taking (contract: RoomContract, name: string, handlers: unknown): Taker[] {
  const [defined, given] = [contract.definition.commands ?? {}, (handlers ?? {}) as Record<string, unknown>]
  for (const command of Object.keys(given)) {
    if (!Object.hasOwn(defined, command)) invalid(`${name}.${command}`, 'is no command of the contract')
    if (typeof given[command] !== 'function') invalid(`${name}.${command}`, 'must be a function')
  }
  for (const command of Object.keys(defined)) {
    if (!Object.hasOwn(given, command)) invalid(`${name}.${command}`, 'has no handler, though the contract has the command')
  }
  return Object.keys(defined).length === 0 ? [] : [{ contract, handlers: given as Taker['handlers'] }]
}

function resolveRoute (sources: readonly RoomSource[], several: boolean, own: GivenOptions, options: ResolvedOptions, origins: OriginCheck | undefined): Omit<Route, 'dialect'> & Source {
  if (sources.length > options.maxRooms) invalid('maxRooms', `(${options.maxRooms}) is less than the ${sources.length} rooms of a route`)
  if (own.contracts !== undefined && !several) invalid('contracts', 'needs a route whose sockets may be in several rooms. Give manageWebsocket() an array')
  const contracts = contractsOf(sources, own.contracts ?? [])
  if (several && [options, ...contracts.map(({ definition }) => definition)].some(({ codec }) => codec !== undefined)) {
    invalid('codec', 'is for sockets in one room: those that may be in several are told of each frame in which, as the protocol has it. Give manageWebsocket() a room, not an array')
  }
  const hooks = HOOKS.map(hook => [hook, own[hook] ?? options[hook]]).filter(([, value]) => value !== undefined)
  return {
    sources,
    destinations: sources.map(destinationOf),
    several,
    contracts,
    takers: takersOf(contracts, several, own.commands),
    own: { ...own.authorize !== undefined && { authorize: own.authorize }, ...own.snapshot !== undefined && { snapshot: own.snapshot } },
    origins: own.origins === undefined ? origins : originCheck(own.origins),
    cookies: false,
    authenticate: 'jwt',
    ...Object.fromEntries(hooks)
  }
}

/**
 * In how many pieces a message may arrive. What `ws` keeps of each is 190 bytes, even if it is of one; and no network cuts a
 * message into smaller ones than 512, since 536 is what every host must take at once (RFC 9293 §3.7.1).
 */
function chunksOf (maxPayload: number): number {
  return Math.max(128, Math.ceil(maxPayload / 512))
}

/** @throws FST_ROOMS_INVALID_OPTION when an option of @fastify/websocket would undo one of ours */
export function websocketOptions ({ websocket, maxPayload, maxFragments, closeTimeout, perMessageDeflate }: ResolvedOptions, turnstile: Turnstile): WebsocketPluginOptions {
  for (const name of ['maxPayload', 'maxFragments', 'closeTimeout', 'perMessageDeflate', 'maxPendingAutoPongs']) {
    if (websocket?.options === undefined || !(name in websocket.options)) continue
    invalid(`websocket.options.${name}`, name === 'maxPendingAutoPongs' ? 'is set by fastify-rooms, as docs/limits.md says' : `is set by the option ${name} of fastify-rooms`)
  }
  return {
    ...websocket,
    options: {
      maxBufferedChunks: chunksOf(maxPayload),
      ...websocket?.options,
      server: turnstile,
      maxPayload,
      maxFragments,
      closeTimeout,
      maxPendingAutoPongs: 60,
      perMessageDeflate: perMessageDeflate !== false && SHARED_DEFLATE,
      handleProtocols: answering(websocket?.options?.handleProtocols as never)
    } as never,
    // For sockets of rooms it is called only where the application listens to errors, too: see `listen`.
    errorHandler (error, socket, request, reply) {
      if (connectionOf(socket) !== undefined) onError.call(socket, error)
      else if (websocket?.errorHandler !== undefined) websocket.errorHandler.call(this, error, socket, request, reply)
      else {
        request.log.error(error)
        socket.terminate()
      }
    }
  }
}
