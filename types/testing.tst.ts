import type { Http2Server } from 'node:http2'
import type { Server as HttpsServer } from 'node:https'
import Fastify from 'fastify'
import type { FastifyBaseLogger, FastifyInstance, FastifyTypeProvider, RawReplyDefaultExpression, RawRequestDefaultExpression, RawServerDefault } from 'fastify'
import { describe, expect, test } from 'tstyche'
import type { WebSocket } from 'ws'
import fastifyRooms from '../index.js'
import type { Broker, Position } from '../index.js'
import { connect, ExpectationError, RefusedError, TestBus } from '../testing/index.js'
import type {
  Call, CallKind, Client, Connected, ConnectOptions, Delivery, Ending, Fault, Frame, Hold, ReceivedMessage, RoomStatus, Status, TestBroker
} from '../testing/index.js'

const app = Fastify()
const bus = new TestBus()
const client: Client = Object.create(null)

describe('connect', () => {
  test('takes any application, whatever its server and its type provider', () => {
    interface SomeProvider extends FastifyTypeProvider { validator: string, serializer: string }
    expect(connect).type.toBeCallableWith(app, '/cdr/users/ws')
    expect(connect).type.toBeCallableWith(app.withTypeProvider<SomeProvider>(), '/cdr/users/ws', 'a token')
    expect(connect).type.toBeCallableWith(Object.create(null) as FastifyInstance<HttpsServer>, '/cdr/users/ws')
    expect(connect).type.toBeCallableWith(Object.create(null) as FastifyInstance<Http2Server>, '/cdr/users/ws')
    expect(connect).type.toBeCallableWith(
      Object.create(null) as FastifyInstance<RawServerDefault, RawRequestDefaultExpression, RawReplyDefaultExpression, FastifyBaseLogger, SomeProvider>, '/cdr'
    )
    expect(connect).type.not.toBeCallableWith({}, '/cdr')
    expect(connect).type.not.toBeCallableWith(app)
  })

  test('takes options, and where a client had come', () => {
    expect(connect(app, '/cdr', undefined, { headers: { origin: 'x' }, query: { stand: '7' }, recover: client.positions, timeout: 1 })).type.toBe<Promise<Client>>()
    expect<ConnectOptions>().type.toBeAssignableFrom({ headers: undefined, query: undefined, recover: undefined, timeout: undefined })
    expect<ConnectOptions>().type.not.toBeAssignableFrom({ recover: { cdr: 7 } })
    expect(connect).type.not.toBeCallableWith(app, '/cdr', 'a token', { header: {} })
    expect(connect).type.not.toBeCallableWith(app, '/cdr', 7)
  })

  test('says how it was refused', () => {
    const error: RefusedError = Object.create(null)
    expect(error).type.toBeAssignableTo<Error>()
    expect(error.code).type.toBe<number | undefined>()
    expect(error.status).type.toBe<string | undefined>()
    expect(error.statusCode).type.toBe<number | undefined>()
    expect<ExpectationError>().type.toBeAssignableTo<Error>()
  })
})

describe('a client', () => {
  test('expects messages by command, pattern or function, with the type of their data where it is given', () => {
    expect(client.expectMessage()).type.toBe<Promise<ReceivedMessage<unknown>>>()
    expect(client.expectMessage<{ id: string }>('UPDATE_USER', { timeout: 1 })).type.toBe<Promise<ReceivedMessage<{ id: string }>>>()
    expect<ReceivedMessage<number>['data']>().type.toBe<number>()
    expect(client.expectMessage).type.toBeCallableWith({ command: 'UPDATE_USER', data: { id: 7 }, seq: 1, mid: undefined, more: true })
    expect(client.expectMessage).type.toBeCallableWith(({ data, seq }: Frame) => data === seq)
    expect(client.expectMessage).type.not.toBeCallableWith({ command: 7 })
    expect(client.expectMessage).type.not.toBeCallableWith(7)
    expect(client.expectNothing('UPDATE_USER')).type.toBe<Promise<void>>()
    expect(client.expectNothing).type.toBeCallableWith()
  })

  test('expects statuses and its end', () => {
    expect(client.expectStatus('resync')).type.toBe<Promise<Status>>()
    expect(client.expectStatus).type.not.toBeCallableWith()
    expect<Status['rooms']>().type.toBe<Readonly<Record<string, RoomStatus>> | undefined>()
    expect(client.expectClose(1012, { timeout: 1 })).type.toBe<Promise<Ending>>()
    expect(client.expectClose).type.not.toBeCallableWith('restarting')
    expect(client.closed).type.toBe<Promise<Ending>>()
  })

  test('knows what it has seen, and where it is', () => {
    expect(client.frames).type.toBe<readonly Frame[]>()
    expect<Frame['data']>().type.toBe<unknown>()
    expect(client.connected).type.toBe<Connected>()
    expect(client.connected.rooms.cdr?.recovered).type.toBe<boolean | undefined>()
    expect(client.connected.degraded).type.toBe<true | undefined>()
    expect(client.position).type.toBe<Position | undefined>()
    expect(client.positions).type.toBe<Readonly<Record<string, Position>>>()
    expect(client.socket).type.toBe<WebSocket>()
  })

  test('sends, and goes', () => {
    expect(client.send).type.toBeCallableWith({ command: 'CALL_NEXT' })
    expect(client.send).type.toBeCallableWith('text')
    expect(client.send).type.toBeCallableWith(Buffer.alloc(1))
    expect(client.send).type.not.toBeCallableWith(7)
    expect(client.close(1000, 'enough')).type.toBe<Promise<Ending>>()
    expect(client.terminate()).type.toBe<Promise<Ending>>()
  })
})

describe('a bus', () => {
  test('has brokers for applications', () => {
    expect(new TestBus({ prefix: '', answerTimeout: 1 })).type.toBe<TestBus>()
    expect(bus.broker({ name: 'one', polled: true })).type.toBe<TestBroker>()
    expect<TestBroker>().type.toBeAssignableTo<Broker>()
    expect(app.register).type.toBeCallableWith(fastifyRooms, { broker: bus.broker() })
    expect(bus.broker).type.not.toBeCallableWith('one')
  })

  test('disturbs messages', () => {
    const [one, two] = [bus.broker(), bus.broker()]
    expect(bus.drop(2)).type.toBe<Fault<Delivery>>()
    expect(bus.drop({ from: one, to: two, room: 'cdr', command: 'UPDATE_USER', data: { id: 7 } }, { times: 1 })).type.toBe<Fault<Delivery>>()
    expect(bus.duplicate(({ to, from }) => to === from)).type.toBe<Fault<Delivery>>()
    expect(bus.reorder()).type.toBe<Fault<Delivery>>()
    expect(bus.hold()).type.toBe<Hold<Delivery>>()
    expect(bus.hold().release).type.toBe<(count?: number) => void>()
    expect(bus.drop().hits).type.toBe<readonly Delivery[]>()
    expect(bus.drop).type.not.toBeCallableWith({ by: one })
    expect(bus.drop).type.not.toBeCallableWith({ to: 'one' })
    expect(bus.drop).type.not.toBeCallableWith('UPDATE_USER')
    expect<Delivery['from']>().type.toBe<TestBroker | undefined>()
  })

  test('disturbs calls', () => {
    const one = bus.broker()
    expect<CallKind>().type.toBe<'send' | 'subscribe' | 'unsubscribe' | 'read' | 'records' | 'count' | 'flush'>()
    expect(bus.refuse('send', { by: one }, { times: 1, error: new Error('no') })).type.toBe<Fault<Call>>()
    expect(bus.unconfirm({ by: one }, { arrive: false })).type.toBe<Fault<Call>>()
    expect(bus.stall('subscribe')).type.toBe<Hold<Call>>()
    expect(bus.watch('unsubscribe', 1).reached(2, { timeout: 1 })).type.toBe<Promise<void>>()
    expect(bus.refuse).type.not.toBeCallableWith()
    expect(bus.refuse).type.not.toBeCallableWith('publish')
    expect(bus.stall).type.not.toBeCallableWith('send', { to: one })
  })

  test('goes down, and comes back', () => {
    const [one, two] = [bus.broker(), bus.broker()]
    expect(bus.outage()).type.toBe<void>()
    expect(bus.partition(one, { oneSided: true })).type.toBe<void>()
    expect(bus.partition).type.toBeCallableWith([one, two])
    expect(bus.partition).type.not.toBeCallableWith('one')
    expect(bus.restore).type.toBeCallableWith()
    expect(bus.restore).type.toBeCallableWith(one)
    expect(bus.missed('cdr')).type.toBe<void>()
    expect(bus.forget).type.toBeCallableWith()
    expect(bus.rollBack('cdr', 5)).type.toBe<void>()
    expect(bus.publish('cdr', { command: 'UPDATE_USER' })).type.toBe<number>()
    expect(bus.publish).type.toBeCallableWith('cdr', Buffer.alloc(1))
    expect(bus.publish).type.not.toBeCallableWith('cdr', { data: 7 })
    expect(bus.settled()).type.toBe<Promise<void>>()
  })
})
