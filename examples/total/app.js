import Fastify from 'fastify'
import fastifyRooms from 'fastify-rooms'
import { servePages } from '../common/pages.js'
import { openCounter } from './counter.js'
import { total } from './room.js'

/**
 * The running total, not yet listening.
 * @param {import('../common/serve.js').Settings} [settings]
 */
export async function createTotal ({ redis } = {}) {
  const app = Fastify({ logger: { level: 'warn', stream: process.stderr } })
  await app.register(fastifyRooms, { redis })
  await servePages(app, import.meta.dirname)
  const counter = await openCounter(app, redis)
  app.addHook('onClose', async () => { counter.close() })

  app.get('/ws', { websocket: true }, app.manageWebsocket(total, {
    authenticate: false,
    commands: { ADD: async ({ data }) => { await counter.add(data.number) } }
  }))

  app.get('/total', () => counter.read())

  return app
}
