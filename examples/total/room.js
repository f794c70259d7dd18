import { Type } from '@sinclair/typebox'
import { defineRoom } from 'fastify-rooms'
import { text } from '../codecs/text.js'

/** Of one number, either way. */
const LIMIT = 1_000_000_000

/** The room of all who add. What a client sends is a number as text; what is none becomes NaN, which no schema lets pass. */
export const total = defineRoom('total', {
  messages: { TOTAL: Type.Integer() },
  commands: { ADD: { data: Type.Object({ number: Type.Integer({ minimum: -LIMIT, maximum: LIMIT }) }) } },
  codec: {
    ...text,
    command: text => ({ command: 'ADD', data: { number: Number(text.trim() || NaN) } }),
    message: ({ data }) => `Server records total=${data}`
  }
})
