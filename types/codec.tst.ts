import Fastify from 'fastify'
import { describe, expect, test } from 'tstyche'
import fastifyRooms, { defineRoom } from '../index.js'
import type { ClientCommand, Codec, Message, ParseJson, Position } from '../index.js'

const app = Fastify()
app.register(fastifyRooms)

describe('a codec', () => {
  test('may leave out anything', () => {
    expect<Codec>().type.toBeAssignableFrom({})
    expect<Codec>().type.toBeAssignableFrom({ ping: false as const, status: () => undefined })
    expect<Codec>().type.not.toBeAssignableFrom({ ping: true as const })
    expect<Codec>().type.not.toBeAssignableFrom({ message: async () => 'late' })
    expect<Codec>().type.not.toBeAssignableFrom({ message: () => undefined })
    expect<Codec>().type.not.toBeAssignableFrom({ broker: { encode: () => '' } })
  })

  test('knows what it is given', () => {
    const codec = {
      first: (text, json) => {
        expect(text).type.toBe<string>()
        expect(json).type.toBe<ParseJson>()
        return { token: text }
      },
      command: text => ({ command: text }),
      binary: bytes => {
        expect(bytes).type.toBe<Buffer>()
        return undefined
      },
      message: (message, { position }) => {
        expect(message).type.toBe<Message>()
        expect(position).type.toBe<Position | undefined>()
        return ''
      },
      error: ({ code, message, id }) => {
        expect(id).type.toBe<ClientCommand['id']>()
        return code + message
      },
      broker: { encode: ({ command }) => command, decode: command => ({ command }) }
    } satisfies Codec
    expect(fastifyRooms).type.toBeCallableWith(app, { codec })
    expect(app.manageWebsocket).type.toBeCallableWith('cdr', { codec })
    expect(app.manageWebsocket).type.not.toBeCallableWith('cdr', { codec: 'text' })
    expect(defineRoom).type.toBeCallableWith('cdr', { messages: { A: {} }, codec })
    expect(defineRoom).type.not.toBeCallableWith('cdr', { messages: { A: {} }, codec: { message: 7 } })
  })
})
