import { Type } from '@sinclair/typebox'
import type { JsonSchemaToTsProvider } from '@fastify/type-provider-json-schema-to-ts'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { describe, expect, test } from 'tstyche'
import { Type as TypeBox } from 'typebox'
import { WebSocket } from 'ws'
import { z } from 'zod'
import { defineRoom, withTypeProvider } from '../client/define.js'
import { connect } from '../client/index.js'
import type { Position, RoomsError, SocketConstructor, State } from '../client/index.js'

const stand = defineRoom('stand/:standId', {
  params: Type.Object({ standId: Type.String() }),
  messages: {
    UPDATE_USER: Type.Object({ id: Type.String(), paid: Type.Boolean() }),
    CLOSED: Type.Null()
  },
  commands: {
    CALL_NEXT: { data: Type.Object({ desk: Type.Integer() }), reply: Type.Object({ ticket: Type.Integer() }) },
    NOTE: {}
  }
})
const news = defineRoom('news', { messages: { HEADLINE: Type.String() } })
const options = { url: '/ws', token: () => 'a token' }

interface Mark {
  readonly seq?: number
  readonly mid?: string
  readonly room?: string
}

describe('a client of a room with a contract', () => {
  const room = connect(stand({ standId: '7' }), options)

  test('hears what the contract says', () => {
    room.on('UPDATE_USER', (data, message) => {
      expect(data).type.toBe<{ id: string, paid: boolean }>()
      expect(message.command).type.toBe<'UPDATE_USER'>()
      expect(message.seq).type.toBe<number | undefined>()
    })
    room.on('CLOSED', data => { expect(data).type.toBe<null>() })
    expect(room.on).type.not.toBeCallableWith('OTHER', () => {})
    expect(room.on).type.not.toBeCallableWith('UPDATE_USER', (data: number) => data)
    room.on('message', message => {
      if (message.command === 'UPDATE_USER') expect(message.data.paid).type.toBe<boolean>()
      else expect(message.data).type.toBe<null>()
    })
  })

  test('is looped over', async () => {
    for await (const message of room) {
      expect(message.command).type.toBe<'UPDATE_USER' | 'CLOSED'>()
      expect(message).type.toBeAssignableTo<Mark>()
    }
  })

  test('asks what the contract says', async () => {
    expect(room.send('CALL_NEXT', { desk: 4 })).type.toBe<Promise<{ ticket: number }>>()
    expect(room.send('NOTE')).type.toBe<Promise<unknown>>()
    expect(room.send).type.toBeCallableWith('NOTE', { anything: 'goes' }, { timeout: 1_000, whileAway: 'queue', signal: new AbortController().signal, room: news() })
    expect(room.send).type.not.toBeCallableWith('CALL_NEXT')
    expect(room.send).type.not.toBeCallableWith('CALL_NEXT', { desk: 'four' })
    expect(room.send).type.not.toBeCallableWith('UPDATE_USER', { id: '7', paid: true })
    expect(room.send).type.not.toBeCallableWith('NOTE', 1, { whileAway: 'perhaps' })
    expect(connect(news(), options).send).type.not.toBeCallableWith('HEADLINE', 'rain')
  })

  test('has a state and events', () => {
    expect(room.state).type.toBe<State>()
    expect(room.positions).type.toBe<Readonly<Record<string, Position | undefined>>>()
    room.on('state', (state, { code, delay, error }) => {
      expect(state).type.toBe<State>()
      expect(code).type.toBe<number | undefined>()
      expect(delay).type.toBe<number | undefined>()
      expect(error).type.toBe<RoomsError | undefined>()
    })
    room.on('resync', ({ room, reason }) => {
      expect(room).type.toBe<string | undefined>()
      expect(reason).type.toBe<string>()
    })
    room.on('snapshot', data => { expect(data).type.toBe<unknown>() })
    room.on('error', error => { expect(error).type.toBe<unknown>() })
    expect(room.on('recovered', () => {})).type.toBe<() => void>()
    expect(room.on).type.not.toBeCallableWith('state', (state: number) => state)
  })

  test('may know its contract by its type alone', () => {
    const known = connect<typeof stand>('stand/7', options)
    expect(known.send('CALL_NEXT', { desk: 4 })).type.toBe<Promise<{ ticket: number }>>()
    expect(known.on).type.not.toBeCallableWith('OTHER', () => {})
  })
})

test('a client of a plain room may hear and ask anything', () => {
  const room = connect('cdr', options)
  room.on('ANY', (data, message) => {
    expect(data).type.toBe<unknown>()
    expect(message.command).type.toBe<string>()
  })
  expect(room.send('ANY')).type.toBe<Promise<unknown>>()
  expect(room.send).type.toBeCallableWith('ANY', 7)
})

test('a client of several rooms hears and asks what any of them has', () => {
  const room = connect([news(), stand], options)
  room.on('HEADLINE', data => { expect(data).type.toBe<string>() })
  room.on('UPDATE_USER', (data, message) => {
    expect(data).type.toBe<{ id: string, paid: boolean }>()
    expect(message.room).type.toBe<string | undefined>()
  })
  expect(room.on).type.not.toBeCallableWith('OTHER', () => {})
  expect(room.send('CALL_NEXT', { desk: 4 }, { room: 'stand/7' })).type.toBe<Promise<{ ticket: number }>>()
  expect(room.send).type.not.toBeCallableWith('HEADLINE')
  const mixed = connect([news, 'plain'], options)
  mixed.on('HEADLINE', data => { expect(data).type.toBe<unknown>() })
  mixed.on('ANY', data => { expect(data).type.toBe<unknown>() })
})

test('options are what they are', () => {
  expect(connect).type.toBeCallableWith('cdr', { url: async () => new URL('ws://a'), token: async () => 'a', WebSocket, protocols: (token: string) => [token] })
  expect(connect).type.toBeCallableWith('cdr', { url: '/ws', token: false, maxQueued: 7 })
  expect(connect).type.not.toBeCallableWith('cdr', { url: '/ws' })
  expect(connect).type.not.toBeCallableWith('cdr', { url: '/ws', token: 'a token' })
  expect(connect).type.not.toBeCallableWith('cdr', { url: '/ws', token: () => 7 })
  expect(connect).type.not.toBeCallableWith('cdr', { ...options, maxQueued: '7' })
  expect(connect).type.not.toBeCallableWith(7, options)
  expect<typeof WebSocket>().type.toBeAssignableTo<SocketConstructor>()
  expect(connect('cdr', options)).type.toBeAssignableTo<AsyncIterable<{ readonly command: string }>>()
})

test('contracts of every provider give their types', () => {
  const zod = defineRoom('zod/:id', {
    params: z.object({ id: z.string() }),
    messages: { UPDATE: z.object({ id: z.string(), tags: z.array(z.string()) }) },
    commands: { CALL: { data: z.object({ desk: z.number() }), reply: z.object({ ticket: z.number() }) } }
  })
  const ofZod = connect(zod({ id: '7' }), options)
  ofZod.on('UPDATE', data => { expect(data).type.toBe<{ id: string, tags: string[] }>() })
  expect(ofZod.send('CALL', { desk: 1 })).type.toBe<Promise<{ ticket: number }>>()
  expect(ofZod.send).type.not.toBeCallableWith('CALL', { desk: '1' })
  expect(ofZod.on).type.not.toBeCallableWith('OTHER', () => {})

  const typebox = withTypeProvider<TypeBoxTypeProvider>().defineRoom('typebox', {
    messages: { UPDATE: TypeBox.Object({ id: TypeBox.String(), tags: TypeBox.Array(TypeBox.String()) }) },
    commands: { CALL: { data: TypeBox.Object({ desk: TypeBox.Integer() }), reply: TypeBox.Object({ ticket: TypeBox.Integer() }) } }
  })
  const ofTypebox = connect(typebox(), options)
  ofTypebox.on('UPDATE', data => { expect(data).type.toBe<{ id: string, tags: string[] }>() })
  expect(ofTypebox.send('CALL', { desk: 1 })).type.toBe<Promise<{ ticket: number }>>()
  expect(ofTypebox.send).type.not.toBeCallableWith('CALL', {})

  const json = withTypeProvider<JsonSchemaToTsProvider>().defineRoom('json', {
    messages: { UPDATE: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'], additionalProperties: false } },
    commands: { CALL: { data: { type: 'integer' }, reply: { type: 'string' } } }
  })
  const ofJson = connect(json(), options)
  ofJson.on('UPDATE', data => { expect(data).type.toBe<{ id: string }>() })
  expect(ofJson.send('CALL', 7)).type.toBe<Promise<string>>()
  expect(ofJson.send).type.not.toBeCallableWith('CALL', 'seven')
})
