import { Type } from '@sinclair/typebox'
import { defineRoom } from 'fastify-rooms'
import { text } from '../codecs/text.js'

/** The one room of the chat: texts, both ways. */
export const chat = defineRoom('chat', {
  messages: { MESSAGE: Type.String() },
  commands: { MESSAGE: { data: Type.String({ maxLength: 1_000 }) } },
  codec: text
})
