import type { FastifyInstance, FastifyReply, FastifyRequest, onRouteHookHandler, RouteOptions as FastifyRouteOptions } from 'fastify'
import type { WebsocketHandler, WebsocketPluginOptions } from '@fastify/websocket'
import type { HistoryBounds, RoomOf, RoomRouteOptions } from '../types/index.js'
import { errors } from './errors.js'
import { checkRouteOptions, invalid } from './options.js'
import type { ResolvedOptions } from './options.js'
import { checkRoomName } from './address.js'
import type { Addresses } from './address.js'
import { connectionOf, onError } from './route.js'
import type { Route, Sockets } from './route.js'

const kReply = Symbol('fastify-rooms.reply')
type ReplyingRequest = FastifyRequest & { [kReply]: FastifyReply }

const HOOKS = ['authenticate', 'authorize', 'userId', 'expiresAt', 'snapshot', 'onJoin', 'onLeave', 'onError'] as const

/** The routes that lead to rooms, and the checks that catch a mistake in one before the application starts. */
export function createRoutes (app: FastifyInstance, sockets: Sockets, options: ResolvedOptions, addresses: Addresses, keeps: boolean) {
  const routes = new WeakMap<object, Route>()
  const unchecked: Array<{ route: Route, url: string, instance: FastifyInstance }> = []

  // `authenticate` needs a reply, which @fastify/websocket does not hand to handlers.
  app.decorateRequest<FastifyReply | null, symbol>(kReply, null)

  app.addHook('onReady', async () => {
    // Only now: @fastify/jwt may be registered after the route.
    for (const { route, url, instance } of unchecked) {
      if (route.authenticate === 'jwt' && !instance.hasRequestDecorator('jwtVerify')) throw new errors.FST_ROOMS_NO_JWT(url)
    }
  })

  function manageWebsocket (room: RoomOf, given: RoomRouteOptions = {}): WebsocketHandler {
    const own = checkRouteOptions(given)
    if (typeof room !== 'function') checkRoomName(room)
    if (own.history !== undefined) declareHistory(room, own.history)
    const route = resolveRoute(room, own, options)
    const handler: WebsocketHandler = (socket, request) => {
      sockets.serve(route, socket, request, (request as ReplyingRequest)[kReply])
    }
    routes.set(handler, route)
    return handler
  }

  function declareHistory (room: RoomOf, history: HistoryBounds): void {
    if (typeof room === 'function') invalid('history', 'of a route needs a room with a fixed name. Give the plugin a function `history(room)`, which every process can ask')
    if (!keeps) invalid('history', 'needs a broker that keeps messages, and this one has no `history`: see docs/brokers.md')
    if (!addresses.declare(room, history)) invalid('history', `of the room '${room}' differs between two routes`)
  }

  const onRoute: onRouteHookHandler = function (this: FastifyInstance, options: FastifyRouteOptions) {
    const route = routes.get(options.wsHandler ?? options.handler)
    if (route === undefined) return
    if (options.websocket !== true && options.wsHandler === undefined) throw new errors.FST_ROOMS_NOT_WEBSOCKET(options.url)
    unchecked.push({ route, url: options.url, instance: this })
  }

  return { manageWebsocket, onRoute, keepReply: (request: FastifyRequest, reply: FastifyReply) => { (request as ReplyingRequest)[kReply] = reply } }
}

/** Without context takeover, and with one window for all, a message is compressed once and not once for each member. */
const SHARED_DEFLATE = { serverNoContextTakeover: true, clientNoContextTakeover: true, serverMaxWindowBits: false }

function resolveRoute (room: RoomOf, given: RoomRouteOptions, options: ResolvedOptions): Route {
  const hooks = HOOKS.map(hook => [hook, given[hook] ?? options[hook]]).filter(([, value]) => value !== undefined)
  return { room, authenticate: 'jwt', ...Object.fromEntries(hooks) }
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
