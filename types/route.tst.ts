import type { Server as HttpsServer } from 'node:https'
import fastifyAuth from '@fastify/auth'
import fastifyJwt from '@fastify/jwt'
import type { WebsocketHandler } from '@fastify/websocket'
import Fastify from 'fastify'
import type {
  FastifyInstance, FastifyReply, FastifyRequest, FastifyTypeProvider, onRequestAsyncHookHandler, onRequestHookHandler,
  preHandlerAsyncHookHandler, preHandlerHookHandler
} from 'fastify'
import { describe, expect, test } from 'tstyche'
import fastifyRooms from '../index.js'
import type { AuthenticateHook, Connection, Hooks, Origins, Room, RoomOf, RoomRouteOptions } from '../index.js'

/** The user of the application that these tests are about. */
export interface Account {
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
