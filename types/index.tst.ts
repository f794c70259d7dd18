import fastifyRedis from '@fastify/redis'
import Fastify from 'fastify'
import type { FastifyReply } from 'fastify'
import { Cluster, Redis } from 'ioredis'
import { describe, expect, test } from 'tstyche'
import fastifyRooms, { fastifyRooms as named, MemoryBroker, MemoryBus } from '../index.js'
import type {
  Broker, BrokerEvents, GapEvent, History, Message, Position, Receipt, Revoked, RoomRouteOptions, Rooms, RoomsOptions, Stats
} from '../index.js'

const app = Fastify()

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
