import type { Server as HttpsServer } from 'node:https'
import fastifyAuth from '@fastify/auth'
import fastifyJwt from '@fastify/jwt'
import fastifyRedis from '@fastify/redis'
import type { WebsocketHandler } from '@fastify/websocket'
import Fastify from 'fastify'
import type {
  FastifyInstance, FastifyReply, FastifyRequest, FastifyTypeProvider, onRequestAsyncHookHandler, onRequestHookHandler,
  preHandlerAsyncHookHandler, preHandlerHookHandler
} from 'fastify'
import { Cluster, Redis } from 'ioredis'
import { describe, expect, test } from 'tstyche'
import fastifyRooms, { fastifyRooms as named, MemoryBroker, MemoryBus } from '../index.js'
import type {
  AuthenticateHook, Broker, BrokerEvents, Connection, GapEvent, History, Hooks, Message, Origins, Position, Receipt, Revoked, Room, RoomOf, RoomRouteOptions, Rooms, RoomsOptions,
  Stats, User
} from '../index.js'

interface Account {
  sub: string
  roles: string[]
}

declare module '@fastify/jwt' {
  interface FastifyJWT {
    payload: { sub: string }
    user: Account
  }
}

declare module 'fastify' {
  interface FastifyInstance {
    authenticate (request: FastifyRequest, reply: FastifyReply): Promise<void>
  }
}

const app = Fastify()
const socket: Connection = Object.create(null)

describe('registration', () => {
  test('takes the plugin by either name', () => {
    expect(named).type.toBe(fastifyRooms)
    expect(app.register).type.toBeCallableWith(fastifyRooms)
    expect(app.register).type.toBeCallableWith(named, {})
  })

  test('takes every option', () => {
    expect(app.register).type.toBeCallableWith(fastifyRooms, {
      redis: 'redis://127.0.0.1',
      prefix: 'rooms:',
      whenBrokerDown: 'reject',
      publishTimeout: 1,
      subscribeTimeout: 1,
      linger: 1,
      authTimeout: 1,
      maxAuthPayload: 1,
      maxPayload: 1,
      maxFragments: 1,
      maxMessage: 1,
      maxBuffered: 1,
      maxWaiting: 1,
      messageRate: 1,
      keepAlive: 1,
      pongTimeout: 1,
      closeTimeout: 1,
      drainTimeout: 1,
      websocket: { options: { perMessageDeflate: true }, errorHandler: () => {} },
      authenticate: 'upgrade',
      origins: ['https://a.example', /https:\/\/[a-z]+\.example/],
      maxConnections: 1,
      maxConnectionsPerUser: 1,
      maxConnectionsPerAddress: 1,
      acceptRate: 1,
      byteRate: 1,
      authorize: () => true,
      userId: () => 7,
      expiresAt: () => undefined,
      snapshot: async () => [],
      snapshotTimeout: 1,
      maxSnapshot: 1,
      maxSnapshots: 1,
      onJoin: () => {},
      onLeave: async () => {},
      onError: () => {}
    })
  })

  test('takes a client, its options and what @fastify/redis decorates as redis', () => {
    app.register(fastifyRedis, {})
    expect<RoomsOptions['redis']>().type.toBeAssignableFrom('redis://127.0.0.1')
    expect<RoomsOptions['redis']>().type.toBeAssignableFrom({ host: '127.0.0.1', db: 1 })
    expect<RoomsOptions['redis']>().type.toBeAssignableFrom(new Redis())
    expect<RoomsOptions['redis']>().type.toBeAssignableFrom(new Cluster(['127.0.0.1']))
    expect<RoomsOptions['redis']>().type.toBeAssignableFrom(app.redis)
    expect<RoomsOptions['redis']>().type.not.toBeAssignableFrom(6379)
    expect<RoomsOptions['redis']>().type.not.toBeAssignableFrom(null)
  })

  test('takes options that may be undefined, as those of the environment are', () => {
    app.register(fastifyRooms, { redis: process.env.REDIS_URL })
    expect<RoomsOptions>().type.toBeAssignableFrom({ redis: process.env.REDIS_URL })
    expect<RoomsOptions>().type.toBeAssignableFrom({ broker: undefined, keepAlive: undefined, websocket: undefined, onJoin: undefined })
    expect<RoomRouteOptions>().type.toBeAssignableFrom({ authenticate: undefined, authorize: undefined })
  })

  test('refuses options that it does not know and values of the wrong type', () => {
    expect(app.register).type.not.toBeCallableWith(fastifyRooms, { room: 'cdr' })
    expect(app.register).type.not.toBeCallableWith(fastifyRooms, { keepAlive: '25s' })
    expect(app.register).type.not.toBeCallableWith(fastifyRooms, { whenBrokerDown: 'ignore' })
    expect(app.register).type.not.toBeCallableWith(fastifyRooms, { authenticate: true })
    expect(app.register).type.not.toBeCallableWith(fastifyRooms, { authorize: () => 'yes' })
    expect(app.register).type.not.toBeCallableWith(fastifyRooms, { broker: {} })
    expect(app.register).type.not.toBeCallableWith(fastifyRooms, { websocket: { path: '/ws' } })
  })
})

describe('sending', () => {
  test('app.ws.sendToRoom tells what became of the message', () => {
    expect(app.ws).type.toBe<Rooms>()
    expect(app.ws.sendToRoom('cdr', { command: 'UPDATE_USER' })).type.toBe<Promise<Receipt>>()
    expect<Receipt>().type.toBe<{ id: string, seq?: number, subscribers: number, degraded?: true }>()
  })

  test('reply.sendToRoom returns nothing to wait for', () => {
    const reply: FastifyReply = Object.create(null)
    expect(reply.sendToRoom('cdr', { command: 'UPDATE_USER', data: [1] })).type.toBe<void>()
  })

  test('a message has a command, and may have data', () => {
    expect(app.ws.sendToRoom).type.toBeCallableWith('cdr', { command: 'UPDATE_USER', data: { id: 7 } }, {})
    expect(app.ws.sendToRoom).type.not.toBeCallableWith({ command: 'UPDATE_USER' })
    expect(app.ws.sendToRoom).type.not.toBeCallableWith(7, { command: 'UPDATE_USER' })
    expect(app.ws.sendToRoom).type.not.toBeCallableWith('cdr', 'UPDATE_USER')
    expect(app.ws.sendToRoom).type.not.toBeCallableWith('cdr', { data: 7 })
    expect(app.ws.sendToRoom).type.not.toBeCallableWith('cdr', { command: 7 })
    expect(app.ws.sendToRoom).type.not.toBeCallableWith('cdr', { command: 'UPDATE_USER', dtaa: 7 })
    expect(app.ws.sendToRoom).type.toBeCallableWith('cdr', { command: 'UPDATE_USER' }, { volatile: true })
    expect(app.ws.sendToRoom).type.not.toBeCallableWith('cdr', { command: 'UPDATE_USER' }, { volatile: 1 })
    expect(app.ws.sendToRoom).type.not.toBeCallableWith('cdr', { command: 'UPDATE_USER' }, { volatil: true })
    expect<Message['data']>().type.toBe<unknown>()
  })

  test('app.ws.history is what a room still holds', async () => {
    expect(app.ws.history('cdr')).type.toBe<Promise<History>>()
    const { position, messages } = await app.ws.history('cdr', { since: { epoch: '1', seq: 7 }, limit: 10 })
    expect(position).type.toBe<Position | undefined>()
    expect(messages[0]?.data).type.toBe<unknown>()
    expect(app.ws.history).type.toBeCallableWith('cdr', { since: position })
    expect(app.ws.history).type.not.toBeCallableWith('cdr', { since: 7 })
    expect(app.ws.history).type.not.toBeCallableWith()
  })

  test('rooms keep what routes and the plugin say', () => {
    expect(app.manageWebsocket).type.toBeCallableWith('cdr', { history: { size: 100, ttl: 60_000 } })
    expect(app.manageWebsocket).type.not.toBeCallableWith('cdr', { history: { size: 100 } })
    expect(app.manageWebsocket).type.not.toBeCallableWith('cdr', { history: true })
    expect<RoomsOptions>().type.toBeAssignableFrom({ history: { size: 100, ttl: 60_000 } })
    app.register(fastifyRooms, { history: room => room.startsWith('a') ? { size: 1, ttl: 1_000 } : undefined, onGap: event => { expect(event).type.toBe<GapEvent>() } })
    expect(app.register).type.not.toBeCallableWith(fastifyRooms, { history: () => 7 })
  })

  test('counts and statistics are numbers', () => {
    expect(app.ws.count('cdr')).type.toBe<Promise<number>>()
    expect(app.ws.count).type.not.toBeCallableWith()
    expect(app.ws.stats()).type.toBe<Stats>()
    expect(app.ws.stats().broker).type.toBe<'up' | 'down'>()
    expect(app.ws.stats().ended.too_slow).type.toBe<number | undefined>()
    expect(app.ws.stats().refused.origin).type.toBe<number | undefined>()
  })

  test('access is taken away from users, by their names, and from rooms', () => {
    expect(app.ws.disconnectUser('7')).type.toBe<Promise<Revoked>>()
    expect(app.ws.disconnectUser(7, { lifetime: 60_000 })).type.toBe<Promise<Revoked>>()
    expect(app.ws.removeFromRoom('cdr', 7)).type.toBe<Promise<Revoked>>()
    expect(app.ws.closeRoom('cdr')).type.toBe<Promise<Revoked>>()
    expect(app.ws.disconnectUser).type.not.toBeCallableWith()
    expect(app.ws.disconnectUser).type.not.toBeCallableWith({ id: 7 })
    expect(app.ws.disconnectUser).type.not.toBeCallableWith('7', { code: 4410 })
    expect(app.ws.removeFromRoom).type.not.toBeCallableWith('cdr')
    expect(app.ws.closeRoom).type.not.toBeCallableWith(7)
  })
})

describe('manageWebsocket', () => {
  test('gives the handler of a WebSocket route', () => {
    expect(app.manageWebsocket('cdr')).type.toBe<WebsocketHandler>()
    app.get('/cdr', { websocket: true }, app.manageWebsocket('cdr'))
    app.route({ method: 'GET', url: '/cdr', websocket: true, handler: app.manageWebsocket('cdr') })
    app.route({ method: 'GET', url: '/cdr', handler: async () => [], wsHandler: app.manageWebsocket('cdr') })
  })

  test('gives a handler that no other route takes', () => {
    expect(app.get).type.not.toBeCallableWith('/cdr', app.manageWebsocket('cdr'))
    expect(app.get).type.not.toBeCallableWith('/cdr', { websocket: false }, app.manageWebsocket('cdr'))
  })

  test('fits routes with parameters, of every kind of instance', () => {
    interface Provider extends FastifyTypeProvider { validator: this['schema'] }
    interface Route { Params: { id: string }, Querystring: { since?: string } }
    const secure: FastifyInstance<HttpsServer> = Fastify({ https: {} })
    secure.register(fastifyRooms)
    secure.get('/cdr/:id', { websocket: true }, secure.manageWebsocket('cdr'))
    app.get<Route>('/cdr/:id', { websocket: true }, app.manageWebsocket<Route>(request => request.params.id))
    app.get<Route>('/cdr/:id', { websocket: true, onRequest: app.authenticate }, app.manageWebsocket('cdr'))
    const provided = app.withTypeProvider<Provider>()
    provided.register(fastifyRooms)
    provided.get('/cdr', { websocket: true, schema: { params: {} } }, provided.manageWebsocket('cdr'))
  })

  test('the room is a name, or a function of the typed request', () => {
    interface Route { Params: { id: string } }
    app.manageWebsocket<Route>(request => {
      expect(request.params).type.toBe<{ id: string }>()
      expect(request.user).type.toBe<Account>()
      return `cdr:${request.params.id}`
    })
    app.manageWebsocket(async request => {
      expect(request).type.toBe<FastifyRequest>()
      return 'cdr'
    })
    expect(app.manageWebsocket).type.not.toBeCallableWith()
    expect(app.manageWebsocket).type.not.toBeCallableWith(7)
    expect(app.manageWebsocket).type.not.toBeCallableWith(() => 7)
    expect(app.manageWebsocket).type.not.toBeCallableWith(() => undefined)
    expect(app.manageWebsocket<Route>(request => request.params.name)).type.toRaiseError("'name' does not exist")
  })

  test('hooks know the route', () => {
    interface Route { Params: { id: string }, Querystring: { since: string } }
    app.manageWebsocket<Route>('cdr', {
      authorize ({ user, room, params, request }) {
        expect(user).type.toBe<Account | null>()
        expect(room).type.toBe<string>()
        expect(params).type.toBe<{ id: string }>()
        expect(request.params).type.toBe<{ id: string }>()
        return user?.roles.includes(params.id) === true
      },
      snapshot ({ user, room, params, request }) {
        expect(user).type.toBe<Account | null>()
        expect(room).type.toBe<string>()
        expect(params).type.toBe<{ id: string }>()
        expect(request.query).type.toBe<{ since: string }>()
        return []
      },
      onJoin ({ connection, room, request }) {
        expect(connection).type.toBe<Connection>()
        expect(room).type.toBe<string>()
        expect(request.query).type.toBe<{ since: string }>()
      },
      onLeave ({ connection, room }) {
        expect(connection).type.toBe<Connection>()
        expect(room).type.toBe<string>()
      },
      onError ({ error, room, connection }) {
        expect(error).type.toBe<Error>()
        expect(room).type.toBe<string | undefined>()
        expect(connection).type.toBe<Connection | undefined>()
      },
      userId: user => {
        expect(user).type.toBe<Account>()
        return user.sub
      },
      expiresAt: ({ user }) => {
        expect(user).type.toBe<Account>()
        return undefined
      }
    })
  })

  test('takes policies only: what is of the plugin stays with the plugin', () => {
    expect<keyof Omit<RoomRouteOptions, keyof Hooks>>().type.toBe<'history' | 'codec'>()
    expect(app.manageWebsocket).type.not.toBeCallableWith('cdr', { redis: 'redis://127.0.0.1' })
    expect(app.manageWebsocket).type.not.toBeCallableWith('cdr', { keepAlive: 1 })
    expect(app.manageWebsocket).type.not.toBeCallableWith('cdr', { authorise: () => true })
    expect(app.manageWebsocket).type.not.toBeCallableWith('cdr', { authorize: () => undefined })
    expect(app.manageWebsocket).type.not.toBeCallableWith('cdr', { expiresAt: () => new Date() })
    expect<RoomOf>().type.toBe<string | ((request: FastifyRequest) => string | Room | Promise<string | Room>)>()
  })
})

describe('origins', () => {
  test('are origins, patterns, or a function of one and of the request', () => {
    expect<Origins>().type.toBeAssignableFrom(['https://a.example'])
    expect<Origins>().type.toBeAssignableFrom([/https:\/\/a\.example/])
    expect<Origins>().type.toBeAssignableFrom((origin: string) => origin === 'https://a.example')
    expect<Origins>().type.toBeAssignableFrom(async (origin: string, request: FastifyRequest) => request.hostname === origin)
    app.manageWebsocket<{ Params: { stand: string } }>('cdr', { origins: (origin, { params }) => origin === `https://${params.stand}.example` })
  })

  test('are nothing else', () => {
    expect<Origins>().type.not.toBeAssignableFrom('https://a.example')
    expect<Origins>().type.not.toBeAssignableFrom([7])
    expect<Origins>().type.not.toBeAssignableFrom(() => 'yes')
    expect(app.manageWebsocket).type.not.toBeCallableWith('cdr', { maxConnections: 1 })
  })
})

describe('authenticate', () => {
  test('takes hooks that are written in place', () => {
    app.manageWebsocket('cdr', {
      authenticate: async (request, reply) => {
        expect(request).type.toBe<FastifyRequest>()
        expect(reply).type.toBe<FastifyReply>()
      }
    })
    app.manageWebsocket('cdr', {
      authenticate (request, reply, done) {
        expect(this).type.toBe<FastifyInstance>()
        expect(request).type.toBe<FastifyRequest>()
        expect(reply).type.toBe<FastifyReply>()
        done(new Error('no'))
      }
    })
    app.manageWebsocket('cdr', { authenticate: async () => {} })
    app.manageWebsocket('cdr', { authenticate: request => request.jwtVerify() })
  })

  test('takes hooks that the application has already', () => {
    app.register(fastifyJwt, { secret: 'a secret of the tests' })
    app.register(fastifyAuth)
    expect<AuthenticateHook>().type.toBeAssignableFrom(app.authenticate)
    expect<AuthenticateHook>().type.toBeAssignableFrom(app.auth([app.authenticate]))
    expect<AuthenticateHook>().type.toBeAssignableFrom<onRequestHookHandler>()
    expect<AuthenticateHook>().type.toBeAssignableFrom<onRequestAsyncHookHandler>()
    expect<AuthenticateHook>().type.toBeAssignableFrom<preHandlerHookHandler>()
    expect<AuthenticateHook>().type.toBeAssignableFrom<preHandlerAsyncHookHandler>()
    expect<Hooks['authenticate']>().type.toBeAssignableFrom(false)
    expect<Hooks['authenticate']>().type.toBeAssignableFrom('upgrade' as const)
  })

  test('refuses what is no hook', () => {
    expect<Hooks['authenticate']>().type.not.toBeAssignableFrom(true)
    expect<Hooks['authenticate']>().type.not.toBeAssignableFrom('jwt')
    expect<Hooks['authenticate']>().type.not.toBeAssignableFrom((request: string) => request)
    expect<Hooks['authenticate']>().type.not.toBeAssignableFrom((request: FastifyRequest, reply: FastifyReply, done: () => void, more: number) => more)
  })
})

describe('a connection', () => {
  test('has the user that FastifyJWT declares', () => {
    expect<User>().type.toBe<Account>()
    expect(socket.user).type.toBe<Account | null>()
    expect(socket.userId).type.toBe<string | undefined>()
  })

  test('is read, sent to and closed, and never changed', () => {
    expect(socket.send({ command: 'HELLO' })).type.toBe<boolean>()
    expect(socket.close).type.toBeCallableWith(4_003, 'forbidden')
    expect(socket.close()).type.toBe<void>()
    expect(socket.join('cdr')).type.toBe<Promise<boolean>>()
    expect(socket.join('cdr', { recover: undefined })).type.toBe<Promise<boolean>>()
    expect(socket.leave('cdr')).type.toBe<Promise<boolean>>()
    expect(socket.join).type.not.toBeCallableWith(7)
    expect(socket.join).type.not.toBeCallableWith('cdr', { from: 7 })
    expect(socket.leave).type.not.toBeCallableWith()
    expect(socket.rooms).type.toBe<ReadonlySet<string>>()
    expect(socket.send).type.not.toBeCallableWith('HELLO')
    expect(socket.close).type.not.toBeCallableWith('forbidden')
    expect(() => { socket.user = null }).type.toRaiseError('read-only property')
    expect(() => { socket.rooms.add('cdr') }).type.toRaiseError("'add' does not exist")
  })
})

describe('brokers', () => {
  class OwnBroker implements Broker {
    start (_events: BrokerEvents): void {}
    async publish (_channel: string, text: string): Promise<number> { return text.length }
    async subscribe (_channel: string): Promise<void> {}
    async unsubscribe (_channel: string): Promise<void> {}
    report (_channel: string, _members: number): void {}
    async count (_channel: string): Promise<number> { return 0 }
    async flush (): Promise<void> {}
    async close (): Promise<void> {}
  }

  test('an application can bring its own', () => {
    expect<RoomsOptions['broker']>().type.toBeAssignableFrom(new OwnBroker())
    expect<Broker>().type.not.toBeAssignableFrom<Omit<OwnBroker, 'count'>>()
  })

  test('the memory broker is there to be shared', () => {
    const bus = new MemoryBus()
    expect(MemoryBroker).type.toBeConstructableWith()
    expect(MemoryBroker).type.toBeConstructableWith(bus)
    expect(MemoryBroker).type.not.toBeConstructableWith({})
    expect<Broker>().type.toBeAssignableFrom(new MemoryBroker(bus))
  })

  test('are told about by events', () => {
    expect<keyof BrokerEvents>().type.toBe<'message' | 'up' | 'down' | 'missed' | 'error'>()
  })
})
