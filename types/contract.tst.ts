import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import type { JsonSchemaToTsProvider } from '@fastify/type-provider-json-schema-to-ts'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { describe, expect, test } from 'tstyche'
import { Type as TypeBox } from 'typebox'
import { z } from 'zod'
import type { FastifyTypeProvider } from 'fastify'
import fastifyRooms, { defineRoom, withTypeProvider } from '../index.js'
import type { Connection, Room, RoomMessage } from '../index.js'

const app = Fastify()
app.register(fastifyRooms)

const stand = defineRoom('stand/:standId', {
  params: Type.Object({ standId: Type.String() }),
  messages: {
    UPDATE_USER: Type.Object({ id: Type.String(), paid: Type.Boolean() }),
    CLOSED: Type.Null()
  }
})
const desk = defineRoom('desk', {
  messages: { CALLED: Type.Integer() },
  commands: { CALL: { data: Type.Object({ desk: Type.Integer() }), reply: Type.Object({ ticket: Type.Integer() }) }, NOTE: {} }
})
const news = defineRoom('news', { messages: { HEADLINE: Type.String() } })
const seat = defineRoom('hall/:row/seat/:seat', { messages: { TAKEN: {} } })

describe('a contract', () => {
  test('says what its rooms are called', () => {
    expect(stand({ standId: '7' })).type.toBe<Room<typeof stand>>()
    expect(stand).type.not.toBeCallableWith({})
    expect(stand).type.not.toBeCallableWith({ standId: 7 })
    expect(stand).type.not.toBeCallableWith()
    expect(news).type.toBeCallableWith()
    expect(seat).type.toBeCallableWith({ row: 7, seat: 'a' })
    expect(seat).type.not.toBeCallableWith({ row: 7 })
  })

  test('says what its rooms are sent', () => {
    expect<RoomMessage<typeof stand>>().type.toBe<{ command: 'UPDATE_USER', data: { id: string, paid: boolean } } | { command: 'CLOSED', data: null }>()
    expect(app.ws.sendToRoom).type.toBeCallableWith(stand({ standId: '7' }), { command: 'UPDATE_USER', data: { id: '7', paid: true } })
    expect(app.ws.sendToRoom).type.toBeCallableWith(stand({ standId: '7' }), { command: 'CLOSED', data: null })
    expect(app.ws.sendToRoom).type.not.toBeCallableWith(stand({ standId: '7' }), { command: 'UPDATE_USER', data: { id: '7' } })
    expect(app.ws.sendToRoom).type.not.toBeCallableWith(stand({ standId: '7' }), { command: 'UPDATE', data: null })
    expect(app.ws.sendToRoom).type.not.toBeCallableWith(news(), { command: 'HEADLINE', data: 7 })
  })

  test('says what clients may ask', () => {
    app.manageWebsocket(desk, {
      commands: {
        CALL: ({ data, connection, room, signal }) => {
          expect(data).type.toBe<{ desk: number }>()
          expect(connection).type.toBe<Connection<{ command: 'CALLED', data: number }>>()
          expect(room).type.toBe<string>()
          expect(signal).type.toBe<AbortSignal>()
          return { ticket: 1 }
        },
        NOTE: async ({ data }) => {
          expect(data).type.toBe<unknown>()
        }
      }
    })
    expect(app.manageWebsocket).type.not.toBeCallableWith(desk, { commands: { CALL: () => ({ ticket: '1' }), NOTE: () => {} } })
    expect(app.manageWebsocket).type.not.toBeCallableWith(desk, { commands: { CALL: () => ({ ticket: 1 }) } })
    expect(app.manageWebsocket).type.not.toBeCallableWith(desk, { commands: { CALL: () => ({ ticket: 1 }), NOTE: () => {}, OTHER: () => {} } })
    expect(app.manageWebsocket).type.toBeCallableWith(stand)
    expect(app.manageWebsocket).type.not.toBeCallableWith('cdr', { commands: {} })
  })

  test('says what clients may ask in each of several rooms', () => {
    app.manageWebsocket([desk, news, 'plain', stand({ standId: '7' }), () => 'any'], {
      authorize: ({ room }) => room !== 'secret',
      contracts: [seat],
      commands: {
        desk: {
          CALL: ({ data, room, connection }) => {
            expect(data).type.toBe<{ desk: number }>()
            expect(room).type.toBe<string | undefined>()
            expect(connection.join).type.toBeCallableWith('plain')
            return { ticket: 1 }
          },
          NOTE: ({ data }) => { expect(data).type.toBe<unknown>() }
        }
      }
    })
    const other = defineRoom('other/:id', { messages: { M: {} }, commands: { COUNT: { reply: Type.Integer() }, NOTE: { data: Type.String() } } })
    app.manageWebsocket([other({ id: 7 })], { contracts: [desk], commands: { 'other/:id': { COUNT: () => 1, NOTE: ({ data }) => { expect(data).type.toBe<string>() } }, desk: { CALL: ({ data }) => ({ ticket: data.desk }), NOTE: () => {} } } })
    expect(app.manageWebsocket).type.toBeCallableWith([])
    expect(app.manageWebsocket).type.toBeCallableWith(['a', news])
    expect(app.manageWebsocket).type.not.toBeCallableWith([7])
    expect(app.manageWebsocket).type.not.toBeCallableWith([desk], { commands: { CALL: () => ({ ticket: 1 }), NOTE: () => {} } })
    expect(app.manageWebsocket).type.not.toBeCallableWith([desk], { commands: { desk: { CALL: () => ({ ticket: '1' }), NOTE: () => {} } } })
    expect(app.manageWebsocket).type.not.toBeCallableWith([desk], { commands: { desk: { CALL: () => ({ ticket: 1 }) } } })
    expect(app.manageWebsocket).type.not.toBeCallableWith([desk], { commands: { desk: { CALL: () => ({ ticket: 1 }), NOTE: () => {} }, news: {} } })
    expect(app.manageWebsocket).type.not.toBeCallableWith([news], { contracts: ['desk'] })
  })

  test('may be that of one room', () => {
    app.manageWebsocket(stand({ standId: '7' }))
    app.manageWebsocket(desk(), { commands: { CALL: ({ data }) => ({ ticket: data.desk }), NOTE: () => {} } })
    expect(app.manageWebsocket).type.not.toBeCallableWith(desk(), { commands: { CALL: () => ({ ticket: '1' }), NOTE: () => {} } })
  })

  test('says what a socket of its route is sent', () => {
    const greet = (connection: Connection): boolean => connection.send({ command: 'ANYTHING' })
    app.manageWebsocket(news, {
      onJoin: ({ connection }) => {
        expect(connection.send).type.toBeCallableWith({ command: 'HEADLINE', data: 'rain' })
        expect(connection.send).type.not.toBeCallableWith({ command: 'HEADLINE', data: 7 })
        expect(connection.send).type.not.toBeCallableWith({ command: 'HEADLINE' })
        expect(connection.send).type.not.toBeCallableWith({ command: 'OTHER', data: 'rain' })
        expect(greet).type.toBeCallableWith(connection)
      },
      onLeave: ({ connection }) => { expect(connection.send).type.not.toBeCallableWith({ command: 'OTHER' }) }
    })
    app.manageWebsocket(desk, {
      commands: {
        CALL: ({ connection }) => {
          expect(connection.send).type.toBeCallableWith({ command: 'CALLED', data: 7 })
          expect(connection.send).type.not.toBeCallableWith({ command: 'CALLED', data: 'seven' })
          return { ticket: 1 }
        },
        NOTE: ({ connection }) => { expect(connection.send).type.not.toBeCallableWith({ command: 'NOTE', data: 7 }) }
      }
    })
    app.manageWebsocket('cdr', { onJoin: ({ connection }) => { expect(connection).type.toBe<Connection>() } })
  })

  test('a route may choose one of its rooms', () => {
    app.manageWebsocket<{ Params: { id: string } }>(request => stand({ standId: request.params.id }))
    app.manageWebsocket<{ Params: { id: string } }>(['a', news, request => stand({ standId: request.params.id })], { authorize: ({ params }) => params.id !== '' })
    expect(app.ws.count).type.toBeCallableWith(stand({ standId: '7' }))
    expect(app.ws.history).type.toBeCallableWith(news())
  })

  test('takes the types of another provider', () => {
    interface Provider extends FastifyTypeProvider {
      validator: this['schema'] extends { kind: 'number' } ? number : never
      serializer: this['schema'] extends { kind: 'number' } ? number : never
    }
    const counter = withTypeProvider<Provider>().defineRoom('counter', { messages: { COUNT: { kind: 'number' } } })
    expect<RoomMessage<typeof counter>>().type.toBe<{ command: 'COUNT', data: number }>()
    expect(app.ws.sendToRoom).type.not.toBeCallableWith(counter(), { command: 'COUNT', data: '7' })
  })

  test('takes schemas of every provider', () => {
    const zod = defineRoom('zod/:id', {
      params: z.object({ id: z.string() }),
      messages: { UPDATE: z.object({ id: z.string(), tags: z.array(z.string()) }) },
      commands: { CALL: { data: z.object({ desk: z.number() }), reply: z.object({ ticket: z.number() }) } }
    })
    expect<RoomMessage<typeof zod>>().type.toBe<{ command: 'UPDATE', data: { id: string, tags: string[] } }>()
    expect(zod).type.not.toBeCallableWith({ id: 7 })
    app.manageWebsocket(zod, { commands: { CALL: ({ data }) => ({ ticket: data.desk }) } })
    expect(app.manageWebsocket).type.not.toBeCallableWith(zod, { commands: { CALL: () => ({ ticket: 'x' }) } })

    const typebox = withTypeProvider<TypeBoxTypeProvider>().defineRoom('typebox', {
      messages: { UPDATE: TypeBox.Object({ id: TypeBox.String(), tags: TypeBox.Array(TypeBox.String()) }) },
      commands: { CALL: { data: TypeBox.Object({ desk: TypeBox.Integer() }) } }
    })
    expect<RoomMessage<typeof typebox>>().type.toBe<{ command: 'UPDATE', data: { id: string, tags: string[] } }>()
    app.manageWebsocket(typebox, { commands: { CALL: ({ data }) => { expect(data).type.toBe<{ desk: number }>() } } })
    expect(app.ws.sendToRoom).type.not.toBeCallableWith(typebox(), { command: 'UPDATE', data: { id: 7, tags: [] } })

    const json = withTypeProvider<JsonSchemaToTsProvider>().defineRoom('json', {
      messages: { UPDATE: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'], additionalProperties: false } }
    })
    expect<RoomMessage<typeof json>>().type.toBe<{ command: 'UPDATE', data: { id: string } }>()
    expect(app.ws.sendToRoom).type.not.toBeCallableWith(json(), { command: 'UPDATE', data: {} })
  })

  test('needs messages', () => {
    expect(defineRoom).type.not.toBeCallableWith('news', {})
    expect(defineRoom).type.not.toBeCallableWith('news', { messages: {}, history: true })
  })
})
