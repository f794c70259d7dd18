import type { FastifyInstance, FastifyReply, FastifyRequest, onRouteHookHandler, RouteOptions as FastifyRouteOptions } from 'fastify'
import type { WebsocketHandler, WebsocketPluginOptions } from '@fastify/websocket'
import type { Room, RoomContract, RoomRouteOptions, RoomSource } from '../types/index.js'
import { isContract, isRoom, nameOf } from './contract.js'
import type { Dialect } from './dialect.js'
import { errors } from './errors.js'
import { checkRouteOptions, invalid } from './options.js'
import type { ResolvedOptions } from './options.js'
import { checkRoomName } from './name.js'
import type { Addresses } from './address.js'
import type { Destination, Route, Taker } from './policy.js'
import { connectionOf, onError } from './route.js'
import type { Sockets } from './route.js'
import { servedBy } from './served.js'
import type { Serializers } from './serializers.js'
import { validated } from './validate.js'

/** Of all kinds of routes. */
type GivenOptions = RoomRouteOptions & { commands?: Record<string, unknown> | undefined, contracts?: readonly unknown[] | undefined }

/** What a route was made of. */
interface Origin {
  readonly sources: readonly RoomSource[]
}

const kReply = Symbol('fastify-rooms.reply')
type ReplyingRequest = FastifyRequest & { [kReply]: FastifyReply }

const HOOKS = ['authenticate', 'authorize', 'userId', 'expiresAt', 'snapshot', 'onJoin', 'onLeave', 'onError'] as const

/** The routes that lead to rooms, and the checks that catch a mistake in one before the application starts. */
export function createRoutes (app: FastifyInstance, sockets: Sockets, options: ResolvedOptions, addresses: Addresses, serializers: Serializers) {
  const routes = new WeakMap<object, Route & Origin>()
  const unchecked: Array<{ route: Route, url: string, instance: FastifyInstance }> = []

  // `authenticate` needs a reply, which @fastify/websocket does not hand to handlers.
  app.decorateRequest<FastifyReply | null, symbol>(kReply, null)

  app.addHook('onReady', async () => {
    // Only now: @fastify/jwt may be registered after the route.
    for (const { route, url, instance } of unchecked) {
      for (const contract of route.contracts) serializers.compile(contract)
      if (route.authenticate === 'jwt' && !instance.hasRequestDecorator('jwtVerify')) throw new errors.FST_ROOMS_NO_JWT(url)
    }
  })

  function manageWebsocket (rooms: RoomSource | readonly RoomSource[], given: GivenOptions = {}): WebsocketHandler {
    const own = checkRouteOptions(given)
    const sources = (Array.isArray(rooms) ? rooms : [rooms]) as readonly RoomSource[]
    const several = Array.isArray(rooms)
    const dialect = several ? () => undefined : () => dialectTo(sources[0] as RoomSource, addresses)
    const route = { ...resolveRoute(sources, several, own, options), dialect }
    for (const contract of route.contracts) addresses.meet(contract)
    declare(sources, several, own, addresses)
    const handler: WebsocketHandler = (socket, request) => {
      sockets.serve(route, socket, request, (request as ReplyingRequest)[kReply])
    }
    routes.set(handler, route)
    return handler
  }

  const onRoute: onRouteHookHandler = function (this: FastifyInstance, options: FastifyRouteOptions) {
    const route = routes.get(options.wsHandler ?? options.handler)
    if (route === undefined) return
    if (options.websocket !== true && options.wsHandler === undefined) throw new errors.FST_ROOMS_NOT_WEBSOCKET(options.url)
    for (const room of route.sources) if (isContract(room)) checkParameters(room, options.url)
    unchecked.push({ route, url: options.url, instance: this })
    servedBy(app).push({
      url: options.url, options, instance: this, route, rooms: route.sources, contracts: route.contracts, several: route.several, history: name => addresses.of(name).history
    })
  }

  return { manageWebsocket, onRoute, keepReply: (request: FastifyRequest, reply: FastifyReply) => { (request as ReplyingRequest)[kReply] = reply } }
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

function resolveRoute (sources: readonly RoomSource[], several: boolean, own: GivenOptions, options: ResolvedOptions): Omit<Route, 'dialect'> & Origin {
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
export function websocketOptions ({ websocket, maxPayload, maxFragments, closeTimeout, perMessageDeflate }: ResolvedOptions): WebsocketPluginOptions {
  for (const name of ['maxPayload', 'maxFragments', 'closeTimeout', 'perMessageDeflate']) {
    if (websocket?.options !== undefined && name in websocket.options) invalid(`websocket.options.${name}`, `is set by the option ${name} of fastify-rooms`)
  }
  return {
    ...websocket,
    options: { maxBufferedChunks: chunksOf(maxPayload), ...websocket?.options, maxPayload, maxFragments, closeTimeout, perMessageDeflate: perMessageDeflate !== false && SHARED_DEFLATE } as never,
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
