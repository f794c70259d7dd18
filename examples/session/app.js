import { randomBytes, randomUUID } from 'node:crypto'
import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import fastifyJwt from '@fastify/jwt'
import fastifyRooms from 'fastify-rooms'
import { servePages } from '../common/pages.js'
import { session } from './room.js'
import { Saved } from './saved.js'
import { Search } from './search.js'

const LOGIN = Type.Object({ name: Type.String({ maxLength: 40, pattern: '\\S' }) })

/**
 * The sessions, not yet listening.
 * @param {object} [settings]
 * @param {string} [settings.secret] signs the tokens
 * @param {string} [settings.lifetime] of a token
 */
export async function createSession ({ secret = randomBytes(32).toString('base64url'), lifetime = '1 hour' } = {}) {
  const app = Fastify({ logger: { level: 'warn', stream: process.stderr } })
  await app.register(fastifyJwt, {
    secret,
    sign: { algorithm: 'HS256', expiresIn: lifetime },
    verify: { algorithms: ['HS256'], requiredClaims: ['sub', 'exp'] }
  })
  await app.register(fastifyRooms)
  await servePages(app, import.meta.dirname)

  const saved = new Saved()
  /** @type {WeakMap<import('fastify-rooms').Connection, Search>} */
  const searches = new WeakMap()
  /** @param {import('fastify-rooms').Connection} connection */
  const searchOf = connection => {
    const search = searches.get(connection) ?? new Search()
    searches.set(connection, search)
    return search
  }

  app.get('/session', { websocket: true }, app.manageWebsocket(session, {
    commands: {
      startThings: ({ data, connection }) => searchOf(connection).start(data.things),
      nextThing: ({ connection, signal }) => searchOf(connection).next(signal),
      save: ({ connection }) => {
        const { found } = searchOf(connection)
        connection.send({ command: 'save', data: saved.save(String(connection.userId), found) })
        connection.close() // what was sent goes out first, and a reply would come too late
      }
    }
  }))

  // A name is all it takes: who is behind it is what a real application would ask its users' accounts.
  app.post('/login', { schema: { body: LOGIN } }, async request => {
    const { name } = /** @type {{ name: string }} */ (request.body)
    return { token: app.jwt.sign({ sub: randomUUID(), name: name.trim() }) }
  })

  app.get('/things', async request => {
    const { sub } = /** @type {{ sub: string }} */ (await request.jwtVerify())
    return { things: saved.of(sub) }
  })

  return app
}
