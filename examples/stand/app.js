import { randomBytes, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import Fastify from 'fastify'
import fastifyJwt from '@fastify/jwt'
import fastifyStatic from '@fastify/static'
import fastifyRooms from 'fastify-rooms'
import { openStudents } from './students.js'
import { announceVolunteers } from './volunteers.js'

export const TOKEN_LIFETIME = '1 hour'

const HEADERS = {
  'content-security-policy': [
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'",
    "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"
  ].join('; '),
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff'
}

const SESSION = {
  body: {
    type: 'object',
    required: ['name'],
    additionalProperties: false,
    properties: { name: { type: 'string', maxLength: 40, pattern: '\\S' } }
  }
}

const CHANGE = {
  params: {
    type: 'object',
    properties: { id: { type: 'string', maxLength: 16 } }
  },
  body: {
    type: 'object',
    minProperties: 1,
    additionalProperties: false,
    properties: {
      registered: { type: 'boolean' },
      paid: { type: 'boolean' },
      teeShirt: { type: 'boolean' },
      note: { type: 'string', maxLength: 200 }
    }
  }
}

/** A tablet that was out of reach for less than five minutes is sent what it has missed. */
const HISTORY = { size: 200, ttl: 5 * 60_000 }

/**
 * The stand board, not yet listening.
 * @param secret signs the tokens; processes that share it accept each other's
 * @param redis the URL of a Redis that joins the processes; without it, there is only this one
 */
export async function createStand ({ secret = randomBytes(32).toString('base64url'), redis } = {}) {
  const app = Fastify({
    logger: { level: 'warn', stream: process.stderr },
    // By default, Fastify would drop a misspelt field silently and make booleans out of strings.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false } }
  })
  const students = await openStudents(redis)
  app.addHook('onClose', () => students.close())

  await app.register(fastifyJwt, {
    secret,
    sign: { algorithm: 'HS256', expiresIn: TOKEN_LIFETIME },
    verify: { algorithms: ['HS256'] }
  })
  await app.register(fastifyRooms, { redis })
  await app.register(fastifyStatic, { root: join(import.meta.dirname, 'public') })

  app.addHook('onRequest', async (request, reply) => { reply.headers(HEADERS) })
  const authenticated = { onRequest: request => request.jwtVerify() }
  const volunteersChanged = announceVolunteers(app, 'cdr')

  // A name is all it takes: who is behind it is what a real application would ask its users' accounts.
  app.post('/session', { schema: SESSION }, async request => {
    const name = request.body.name.trim()
    return { name, token: app.jwt.sign({ sub: randomUUID(), name }) }
  })

  app.get('/cdr/users', authenticated, () => students.list())

  app.patch('/cdr/users/:id', { ...authenticated, schema: CHANGE }, async (request, reply) => {
    const user = await students.change(request.params.id, request.body, request.user.name)
    if (user === undefined) return reply.code(404).send({ statusCode: 404, error: 'Not Found', message: 'There is no such student.' })
    reply.sendToRoom('cdr', { command: 'UPDATE_USER', data: user })
    return user
  })

  app.get('/cdr/users/ws', { websocket: true }, app.manageWebsocket('cdr', {
    history: HISTORY,
    onJoin: volunteersChanged,
    onLeave: volunteersChanged
  }))

  return app
}
