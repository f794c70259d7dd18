import Fastify from 'fastify'
import fastifyRooms, { fastifyRooms as named, MemoryBroker } from 'fastify-rooms'
import fastifyRoomsAsyncapi from 'fastify-rooms/asyncapi'
import type { AsyncapiDocument } from 'fastify-rooms/asyncapi'
import { connect as connectRoom } from 'fastify-rooms/client'
import { defineRoom } from 'fastify-rooms/contract'
import { connect, TestBus } from 'fastify-rooms/testing'
import type { Client, Delivery, Fault, TestBroker } from 'fastify-rooms/testing'
import type { Broker, Connection, Message, Receipt, RoomsOptions, User } from 'fastify-rooms'

const options: RoomsOptions = { redis: process.env.REDIS_URL, keepAlive: 25_000 }
const broker: Broker = new MemoryBroker()
const message: Message = { command: 'UPDATE_USER' }

export const app = Fastify()
await app.register(fastifyRooms, options)
await app.register(named, { broker })

export const receipt: Receipt = await app.ws.sendToRoom('cdr', message)
export const client = await app.injectWS('/cdr')

app.get('/cdr', { websocket: true }, app.manageWebsocket('cdr', { onJoin: ({ connection }: { connection: Connection }) => { connection.send(message) } }))
app.patch('/cdr', async (request, reply) => {
  reply.sendToRoom('cdr', message)
  // @ts-expect-error Without @fastify/jwt there is no such method.
  await request.jwtVerify()
})

await app.register(fastifyRoomsAsyncapi, { asyncapi: { info: { title: 'Consumer', version: '1.0.0' } } })
export const document: AsyncapiDocument = app.asyncapi()
export const text: string = app.asyncapi({ yaml: true })
// @ts-expect-error Without a version, no document is valid.
await app.register(fastifyRoomsAsyncapi, { asyncapi: { info: { title: 'Consumer' } } })

const bus = new TestBus()
const testBroker: TestBroker = bus.broker()
await app.register(named, { broker: testBroker })
export const member: Client = await connect(app, '/cdr', 'a token', { recover: { cdr: { epoch: '1', seq: 2, mid: 'x' } } })
export const lost: Fault<Delivery> = bus.drop({ to: testBroker, command: 'UPDATE_USER' })
member.socket.close(1000)
// @ts-expect-error
member.socket.noSuchMethod()
// @ts-expect-error
bus.drop({ colour: 'red' })

// Where @types/ws is missing, a socket is `any`, and nothing is an error.
app.get('/plain', { websocket: true }, socket => {
  socket.close(1000)
  // @ts-expect-error
  socket.noSuchMethod()
})

// @ts-expect-error Who the user is, the application has to say.
export const name: string = undefined as User

const stand = defineRoom('stand/:standId', { messages: { CALLED: {} } })
export const room = connectRoom(stand({ standId: '7' }), { url: 'wss://example.org', token: async () => 'a token' })
room.on('CALLED', data => data)
// @ts-expect-error There is no such message.
room.on('OTHER', data => data)
