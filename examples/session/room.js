import { Type } from '@sinclair/typebox'
import { defineRoom } from 'fastify-rooms'
import { state } from '../codecs/state.js'

const MOST = 20

/** Nothing is ever sent to all who are in it: each socket is a session of its own, and is answered what it asks. */
export const session = defineRoom('session', {
  messages: {
    save: Type.Object({ saved: Type.Integer() })
  },
  commands: {
    startThings: {
      data: Type.Object({ things: Type.Integer({ minimum: 1, maximum: MOST }) }),
      reply: Type.Object({ things: Type.Integer() })
    },
    nextThing: {
      reply: Type.Object({ done: Type.Integer(), things: Type.Integer(), thing: Type.String() })
    },
    save: {}
  },
  codec: state
})
