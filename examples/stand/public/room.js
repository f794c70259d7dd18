import { withTypeProvider } from 'fastify-rooms/contract'
import { EVENT, STUDENT } from './schemas.js'

// The types of what is sent come from the schemas.
const { defineRoom } = /** @type {typeof withTypeProvider<import('../types.js').Schemas>} */ (withTypeProvider)()

/** The one room of the board: what its members are sent, what they may ask, and what it keeps. The page has it, too. */
export const cdr = defineRoom('cdr', {
  messages: {
    UPDATE_USER: STUDENT,
    EVENT,
    VOLUNTEERS: {
      type: 'object',
      required: ['count'],
      properties: { count: { type: 'integer' } }
    },
    WRITING: {
      type: 'object',
      description: 'Somebody is writing a note.',
      required: ['id', 'by', 'from'],
      properties: {
        id: { type: 'string', description: 'Of the student.' },
        by: { type: 'string' },
        from: { type: 'string', description: 'Of the connection, so that who writes knows that it is nobody else.' }
      }
    }
  },
  commands: {
    WRITING: {
      data: {
        type: 'object',
        required: ['id'],
        additionalProperties: false,
        properties: { id: STUDENT.properties.id }
      }
    }
  },
  // A tablet that was out of reach for less than five minutes is sent what it has missed.
  history: { size: 200, ttl: 5 * 60_000 }
})
