import type { FastifyInstance, FastifyReply, FastifyRequest, onRouteHookHandler, RouteOptions as FastifyRouteOptions } from 'fastify'
import type { WebsocketHandler, WebsocketPluginOptions } from '@fastify/websocket'
import type { Room, RoomContract, RoomOf, RoomRouteOptions } from '../types/index.js'
import { isContract } from './contract.js'
import type { Dialect } from './dialect.js'
import { errors } from './errors.js'
import { checkRouteOptions, invalid } from './options.js'
import type { ResolvedOptions } from './options.js'
import { checkRoomName } from './name.js'
import type { Addresses } from './address.js'
import { connectionOf, onError } from './route.js'
import type { Route, Sockets } from './route.js'
import { servedBy } from './served.js'
import type { Serializers } from './serializers.js'
import { validated } from './validate.js'

/** Of routes with and without a contract. */
type GivenOptions = RoomRouteOptions & { commands?: Record<string, unknown> | undefined }

const kReply = Symbol('fastify-rooms.reply')
type ReplyingRequest = FastifyRequest & { [kReply]: FastifyReply }

const HOOKS = ['authenticate', 'authorize', 'userId', 'expiresAt', 'snapshot', 'onJoin', 'onLeave', 'onError'] as const

/** The routes that lead to rooms, and the checks that catch a mistake in one before the application starts. */
export function createRoutes (app: FastifyInstance, sockets: Sockets, options: ResolvedOptions, addresses: Addresses, serializers: Serializers) {
  const routes = new WeakMap<object, Route>()
  const unchecked: Array<{ route: Route, url: string, instance: FastifyInstance }> = []

  // `authenticate` needs a reply, which @fastify/websocket does not hand to handlers.
  app.decorateRequest<FastifyReply | null, symbol>(kReply, null)

  app.addHook('onReady', async () => {
    // Only now: @fastify/jwt may be registered after the route.
    for (const { route, url, instance } of unchecked) {
      if (route.contract !== undefined) serializers.compile(route.contract)
      if (route.authenticate === 'jwt' && !instance.hasRequestDecorator('jwtVerify')) throw new errors.FST_ROOMS_NO_JWT(url)
    }
  })

  function manageWebsocket (room: RoomOf | RoomContract, given: GivenOptions = {}): WebsocketHandler {
    const own = checkRouteOptions(given)
    if (typeof room !== 'function') checkRoomName(room)
    const contract = isContract(room) ? room : undefined
    checkCommands(contract, own.commands)
    if (contract !== undefined) addresses.meet(contract)
    if (typeof room !== 'function') addresses.declare(room, own)
    else if (own.history !== undefined) invalid('history', 'of a route needs a room with a fixed name. Give the plugin a function `history(room)`, which every process can ask, or put it into a contract')
    else if (own.codec !== undefined) invalid('codec', 'of a route needs a room with a fixed name. Give it to the plugin, or put it into a contract')
    const dialect = (): Dialect | undefined => typeof room === 'function' ? addresses.dialectOf(contract) : addresses.of(room).dialect
    const route = { ...resolveRoute(contract === undefined ? room as RoomOf : roomOf(contract), { ...policiesOf(contract), ...own }, options, contract), dialect }
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
    if (route.contract !== undefined) checkParameters(route.contract, options.url)
    unchecked.push({ route, url: options.url, instance: this })
    const { contract, room } = route
    servedBy(app).push({
      url: options.url, options, instance: this, route, rooms: [contract ?? room], contracts: contract === undefined ? [] : [contract], several: false, history: name => addresses.of(name).history
    })
  }

  return { manageWebsocket, onRoute, keepReply: (request: FastifyRequest, reply: FastifyReply) => { (request as ReplyingRequest)[kReply] = reply } }
}

/** Without context takeover, and with one window for all, a message is compressed once and not once for each member. */
const SHARED_DEFLATE = { serverNoContextTakeover: true, clientNoContextTakeover: true, serverMaxWindowBits: false }

/** The room that a request's parameters name. */
function roomOf (contract: RoomContract): (request: FastifyRequest) => string {
  const { params: schema } = contract.definition
  const called = contract as (params: unknown) => Room
  return request => called(schema === undefined ? request.params : validated(request, schema, request.params)).name
}

/** What a contract says of who may enter, for routes that do not say it. */
function policiesOf (contract: RoomContract | undefined): RoomRouteOptions {
  const { authorize, snapshot } = contract?.definition ?? {}
  return { ...authorize !== undefined && { authorize }, ...snapshot !== undefined && { snapshot } }
}

/** @throws FST_ROOMS_INVALID_CONTRACT when the route does not say which of the rooms is meant */
function checkParameters ({ pattern }: RoomContract, url: string): void {
  const given = new Set(url.split(/[/?]/))
  const missing = pattern.split('/').find(segment => segment.startsWith(':') && !given.has(segment))
  if (missing !== undefined) throw new errors.FST_ROOMS_INVALID_CONTRACT(pattern, `the route '${url}' has no parameter ${missing}`)
}

/** @throws FST_ROOMS_INVALID_OPTION when a command has no handler, or a handler no command */
function checkCommands (contract: RoomContract | undefined, handlers: Record<string, unknown> | undefined): void {
  const [defined, given] = [contract?.definition.commands ?? {}, handlers ?? {}]
  if (handlers !== undefined && contract === undefined) invalid('commands', 'needs a contract: see docs/contracts.md')
  for (const command of Object.keys(given)) {
    if (!Object.hasOwn(defined, command)) invalid(`commands.${command}`, 'is no command of the contract')
    if (typeof given[command] !== 'function') invalid(`commands.${command}`, 'must be a function')
  }
  for (const command of Object.keys(defined)) {
    if (!Object.hasOwn(given, command)) invalid(`commands.${command}`, 'has no handler, though the contract has the command')
  }
}

function resolveRoute (room: RoomOf, given: GivenOptions, options: ResolvedOptions, contract: RoomContract | undefined): Omit<Route, 'dialect'> {
  const hooks = HOOKS.map(hook => [hook, given[hook] ?? options[hook]]).filter(([, value]) => value !== undefined)
  return { room, contract, ...given.commands !== undefined && { commands: given.commands }, authenticate: 'jwt', ...Object.fromEntries(hooks) }
}

/** @throws FST_ROOMS_INVALID_OPTION when an option of @fastify/websocket would undo one of ours */
export function websocketOptions ({ websocket, maxPayload, maxFragments, closeTimeout, perMessageDeflate }: ResolvedOptions): WebsocketPluginOptions {
  for (const name of ['maxPayload', 'maxFragments', 'closeTimeout', 'perMessageDeflate']) {
    if (websocket?.options !== undefined && name in websocket.options) invalid(`websocket.options.${name}`, `is set by the option ${name} of fastify-rooms`)
  }
  return {
    ...websocket,
    options: { maxBufferedChunks: 1_024, ...websocket?.options, maxPayload, maxFragments, closeTimeout, perMessageDeflate: perMessageDeflate !== false && SHARED_DEFLATE } as never,
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
