import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import fastifyWebsocket from '@fastify/websocket'
import type { Message, Room, RoomsOptions, SendOptions } from './types/index.js'
import { Admission } from './lib/admission.js'
import { createBroker } from './lib/brokers/create.js'
import { nameOf } from './lib/contract.js'
import { Door } from './lib/door.js'
import { drain, Upgrades } from './lib/drain.js'
import { errors } from './lib/errors.js'
import { untrustedJson } from './lib/json.js'
import { compressFrom, historyOf, resolveOptions } from './lib/options.js'
import { decorateReply } from './lib/reply.js'
import { Addresses } from './lib/address.js'
import { userNamed } from './lib/revocation.js'
import { RoomTable } from './lib/rooms.js'
import { createRoutes, websocketOptions } from './lib/boot.js'
import { reportTo } from './lib/report.js'
import { Sockets } from './lib/route.js'
import { Serializers } from './lib/serializers.js'
import { Counters, throttled } from './lib/stats.js'
import { Turnstile } from './lib/turnstile.js'

const rooms: FastifyPluginAsync<RoomsOptions> = async function (app, given) {
  // What it is made of
  checkPlace(app)
  const options = resolveOptions(given, app.initialConfig.pluginTimeout as number)
  const turnstile = new Turnstile(options.maxWaiting)
  const websockets = websocketOptions(options, turnstile)
  const counters = new Counters()
  const log = app.log.child({ module: 'fastify-rooms' })
  const { broker, trusted } = await createBroker(options)
  const parse = untrustedJson(app)
  const failed = throttled(details => log.error(details, 'codec failed, and clients are not told what it was to say'))
  const addresses = new Addresses(options.prefix, historyOf(options), broker.history !== undefined, options.codec, {
    maxMessage: options.maxMessage, parse, failed: err => failed({ err })
  })
  const serializers = new Serializers(app, options)
  const table = new RoomTable({ ...options, broker, trusted, addresses, serializers, compressFrom: compressFrom(options) }, counters, log)
  const sockets = new Sockets(table, counters, options, log, serializers, parse)
  const waiting = (): number => sockets.handshakes.waiting + door.checking
  const door = new Door(new Admission(options, () => waiting() >= options.maxWaiting), counters, log, options.maxAuthPayload)
  const routes = createRoutes(app, sockets, options, addresses, serializers, door)
  const upgrades = new Upgrades(options.authTimeout)
  const requests = decorateReply(app, table.sender, (error, room) => reportTo(options, log, { error, room, connection: undefined }))

  // What the application calls
  app.decorate('manageWebsocket', routes.manageWebsocket)
  app.decorate('ws', {
    sendToRoom: (room: string | Room, message: Message, options?: SendOptions) => table.sender.send(room, message, options),
    count: room => table.count(nameOf(room)),
    history: (room, options) => table.history(nameOf(room), options?.since, options?.limit),
    disconnectUser: async (userId, options) => await table.revoker.revoke({ user: userNamed(userId) }, options),
    removeFromRoom: async (room, userId, options) => await table.revoker.revoke({ room: nameOf(room), user: userNamed(userId) }, options),
    closeRoom: async (room, options) => await table.revoker.revoke({ room: nameOf(room) }, options),
    stats: () => ({
      broker: table.healthy ? 'up' : 'down',
      connections: sockets.connections.size,
      waiting: waiting() + turnstile.size,
      revocations: table.revocations.size,
      ...table.totals(),
      ...counters.snapshot()
    })
  })

  // How it lives and ends. Our preClose and onRoute come before those of @fastify/websocket.
  app.addHook('onRoute', routes.onRoute)
  app.addHook('onReady', async () => { table.start(revocation => sockets.evict(revocation)) })
  app.addHook('preClose', async () => { await drain(options, sockets, requests, table, upgrades, turnstile) })
  app.addHook('onClose', async () => {
    sockets.close()
    await table.close()
  })
  await app.register(fastifyWebsocket, websockets)
  app.addHook('onRequest', (request, reply, done) => {
    if (request.ws) return routes.onUpgrade(request, reply, done)
    requests.enter(reply)
    done()
  })
  upgrades.watch(turnstile, app.websocketServer)
  turnstile.watch(options.websocket?.options?.server ?? app.server)
}

const servers = new WeakSet<object>()

function checkPlace (app: FastifyInstance): void {
  for (const name of ['ws', 'manageWebsocket']) {
    if (app.hasDecorator(name)) throw new errors.FST_ROOMS_ALREADY_REGISTERED(`app.${name}`)
  }
  if (app.hasDecorator('websocketServer')) throw new errors.FST_ROOMS_REGISTER_FIRST()
  // Two registrations in scopes that do not see each other would both answer the upgrades of the one server.
  if (servers.has(app.server)) throw new errors.FST_ROOMS_ALREADY_REGISTERED('fastify-rooms')
  servers.add(app.server)
}

/** Authenticated rooms for Fastify 5. */
export const fastifyRooms = fp(rooms, { fastify: '5.x', name: 'fastify-rooms' })

export default fastifyRooms
// What require() gives is then the plugin itself, as it is with every Fastify plugin.
export { fastifyRooms as 'module.exports' }

export type * from './types/index.js'
export type { Appended, Broker, BrokerEvents, BrokerHistory, BrokerRecords, Entry, Kept, Range } from './lib/brokers/broker.js'
export { defineRoom, withTypeProvider } from './lib/contract.js'
export { MemoryBroker, MemoryBus } from './lib/brokers/memory.js'
