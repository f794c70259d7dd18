import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import fastifyRooms from 'fastify-rooms'
import { servePages } from '../common/pages.js'
import { chat } from './room.js'

/** A number, as in the tutorial, and no more digits than JavaScript can count. */
const PARAMS = Type.Object({ clientId: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }) })

/**
 * The chat, not yet listening.
 * @param {import('../common/serve.js').Settings} [settings]
 */
export async function createChat ({ redis } = {}) {
  const app = Fastify({ logger: { level: 'warn', stream: process.stderr } })
  await app.register(fastifyRooms, { redis })
  await servePages(app, import.meta.dirname)

  /** @type {WeakMap<import('fastify-rooms').Connection, number>} */
  const ids = new WeakMap()
  /** @param {string} data */
  const tellAll = data => app.ws.sendToRoom(chat(), { command: 'MESSAGE', data })

  app.get('/ws/:clientId', { websocket: true, schema: { params: PARAMS } }, app.manageWebsocket(chat, {
    authenticate: false,
    commands: {
      MESSAGE: async ({ data, connection, request }) => {
        connection.send({ command: 'MESSAGE', data: `You wrote: ${data}` })
        await tellAll(`Client #${idOf(request)} says: ${data}`)
      }
    },
    // Of the request, nothing is left when somebody goes.
    onJoin: ({ connection, request }) => { ids.set(connection, idOf(request)) },
    onLeave: async ({ connection }) => { await tellAll(`Client #${ids.get(connection)} left the chat`) }
  }))

  return app
}

/** @param {import('fastify').FastifyRequest} request */
function idOf (request) {
  return /** @type {{ clientId: number }} */ (request.params).clientId
}
