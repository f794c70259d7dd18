import { Type } from '@sinclair/typebox'
import { defineRoom } from 'fastify-rooms'
import { shared } from '../codecs/shared.js'

const LINE = Type.Object({ user: Type.String(), message: Type.String() })

/** Who listens to the chat. What is said comes from clients, or from any program that publishes on the channel `chat`. */
export const chat = defineRoom('chat', { messages: { SAID: LINE }, codec: shared })

/** Who speaks. Nothing is ever sent to these sockets, but for what was wrong. */
export const speakers = defineRoom('speakers', {
  messages: {},
  commands: {
    SAY: {
      data: Type.Object({
        user: Type.String({ maxLength: 40, pattern: '\\S' }),
        message: Type.String({ maxLength: 500, pattern: '\\S' })
      })
    }
  },
  codec: shared
})

const GOALS = Type.Integer({ minimum: 0, maximum: 999 })
export const SCORE = Type.Object({ home: GOALS, away: GOALS })

const DAY = 24 * 60 * 60 * 1_000
/** @type {(score: unknown) => string} */
const write = score => JSON.stringify(score)

/** The score of the match. The room keeps the last one, for those who come. */
export const match = defineRoom('match', {
  messages: { SCORE },
  history: { size: 1, ttl: DAY },
  codec: { message: ({ data }) => write(data), snapshot: write, status: () => undefined, ping: false }
})
