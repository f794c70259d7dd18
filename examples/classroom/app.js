import { createHash, timingSafeEqual } from 'node:crypto'
import Fastify from 'fastify'
import fastifyRooms from 'fastify-rooms'
import { servePages } from '../common/pages.js'
import { chat, match, SCORE, speakers } from './room.js'

const BEFORE = { home: 0, away: 0 }

/**
 * The classroom, not yet listening.
 * @param {import('../common/serve.js').Settings & { key: string }} settings `key` is what the one writer of the score has
 */
export async function createClassroom ({ redis, key }) {
  const app = Fastify({ logger: { level: 'warn', stream: process.stderr } })
  await app.register(fastifyRooms, { redis, prefix: '' }) // so the channel is the room's name, and nothing else
  await servePages(app, import.meta.dirname)

  app.get('/ws/receive', { websocket: true }, app.manageWebsocket(chat, { authenticate: false }))

  app.get('/ws/send', { websocket: true }, app.manageWebsocket(speakers, {
    authenticate: false,
    commands: {
      SAY: async ({ data }) => { await app.ws.sendToRoom(chat(), { command: 'SAID', data }) }
    }
  }))

  app.get('/ws/score', { websocket: true }, app.manageWebsocket(match, {
    authenticate: false,
    snapshot: async () => {
      const { messages: [last] } = await app.ws.history(match(), { limit: 1 })
      return last?.data ?? BEFORE
    }
  }))

  app.put('/score', { schema: { body: SCORE } }, async request => {
    if (!isSame(request.headers.authorization, `Bearer ${key}`)) throw Object.assign(new Error('Only who has the key writes the score.'), { statusCode: 401 })
    const score = /** @type {typeof BEFORE} */ (request.body)
    await app.ws.sendToRoom(match(), { command: 'SCORE', data: score })
    return score
  })

  return app
}

/**
 * Takes as long for a key that is nearly right as for any other.
 * @param {string | undefined} given
 * @param {string} expected
 */
function isSame (given = '', expected) {
  const [one, other] = [given, expected].map(text => createHash('sha256').update(text).digest())
  return timingSafeEqual(/** @type {Buffer} */ (one), /** @type {Buffer} */ (other))
}
