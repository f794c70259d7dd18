import { randomBytes, randomUUID } from 'node:crypto'
import Fastify from 'fastify'
import fastifyJwt from '@fastify/jwt'
import fastifyRooms from 'fastify-rooms'
import fastifyRoomsAsyncapi from 'fastify-rooms/asyncapi'
import { servePage } from './page.js'
import { cdr } from './public/room.js'
import { BOARD, CHANGES, EVENT, STUDENT } from './public/schemas.js'
import { openStore } from './store.js'
import { announceVolunteers } from './volunteers.js'

const SESSION = /** @type {const} */ ({
  type: 'object',
  required: ['name'],
  additionalProperties: false,
  properties: { name: { type: 'string', maxLength: 40, pattern: '\\S' } }
})

const WHICH = /** @type {const} */ ({
  type: 'object',
  required: ['id'],
  properties: { id: { type: 'string', maxLength: 16 } }
})

/**
 * The stand board, not yet listening.
 * @param {object} [options]
 * @param {string} [options.secret] signs the tokens; processes that share it accept each other's
 * @param {string} [options.lifetime] of a token; a page that is open renews its own in time
 * @param {string} [options.redis] the URL of a Redis that joins the processes; without it, there is only this one
 */
export async function createStand ({ secret = randomBytes(32).toString('base64url'), lifetime = '1 hour', redis } = {}) {
  const app = /** @type {import('fastify').FastifyInstance} */ (Fastify({
    logger: { level: 'warn', stream: process.stderr },
    // By default, Fastify would drop a misspelt field silently and make booleans out of strings.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false } }
  }))
  const store = await openStore(redis)
  app.addHook('onClose', () => store.close())

  await app.register(fastifyJwt, {
    secret,
    sign: { algorithm: 'HS256', expiresIn: lifetime },
    verify: { algorithms: ['HS256'], requiredClaims: ['sub', 'exp'] }
  })
  await app.register(fastifyRooms, { redis })
  await app.register(fastifyRoomsAsyncapi, {
    asyncapi: { info: { title: 'The stand board', version: '1.0.0', description: 'What volunteers see of each other’s work on the files of students.' } }
  })
  await servePage(app)

  // A name is all it takes: who is behind it is what a real application would ask its users' accounts.
  app.post('/session', { schema: { body: SESSION } }, async request => {
    const { name } = /** @type {{ name: string }} */ (request.body)
    return openSession(app, { sub: randomUUID(), name: name.trim() })
  })

  await app.register(async volunteers => {
    volunteers.addHook('onRequest', async request => {
      // The socket brings its token as its first message, and the room asks the same of it.
      if (request.ws) return
      await request.jwtVerify()
      if (!isVolunteer(request.user)) throw problem(403, 'Only volunteers see the board.')
    })
    // Whoever has a good token gets another one. A real application would ask whether this is still a volunteer.
    volunteers.post('/session/renewal', async ({ user }) => openSession(app, user))
    serveBoard(volunteers, store)
  })

  return app
}

/**
 * The room, and what tells it something.
 * @param {import('fastify').FastifyInstance} app
 * @param {import('./store.js').Store} store
 */
function serveBoard (app, store) {
  const routes = /** @type {import('./types.js').TypedApp} */ (app)
  const room = cdr()
  const volunteersChanged = announceVolunteers(app, room)

  app.get('/cdr/users/ws', { websocket: true }, app.manageWebsocket(cdr, {
    authorize: ({ user }) => isVolunteer(user),
    snapshot: async () => ({ event: await store.event(), students: await store.list() }),
    commands: {
      WRITING: async ({ data, connection }) => {
        const writing = { id: data.id, by: connection.user?.name ?? '', from: connection.id }
        await app.ws.sendToRoom(room, { command: 'WRITING', data: writing }, { volatile: true })
      }
    },
    onJoin: volunteersChanged,
    onLeave: volunteersChanged
  }))

  routes.get('/cdr/users', { schema: { response: { 200: BOARD.properties.students } } }, () => store.list())

  routes.patch('/cdr/users/:id', { schema: { params: WHICH, body: CHANGES, response: { 200: STUDENT } } }, async (request, reply) => {
    const event = await store.event()
    const user = await store.change(request.params.id, request.body, request.user.name)
    if (user === undefined) throw problem(404, 'There is no such student.')
    // If it cannot be sent, that is logged, and the change stays what it is: made. Members are told to look again.
    if (event.status === 'onsite') reply.sendToRoom(room, { command: 'UPDATE_USER', data: user })
    return user
  })

  routes.get('/cdr/event', { schema: { response: { 200: EVENT } } }, () => store.event())

  routes.patch('/cdr/event', { schema: { body: EVENT, response: { 200: EVENT } } }, async (request, reply) => {
    const event = await store.setEvent(request.body)
    reply.sendToRoom(room, { command: 'EVENT', data: event })
    return event
  })
}

/**
 * @param {import('fastify').FastifyInstance} app
 * @param {{ sub: string, name: string }} user
 */
function openSession (app, { sub, name }) {
  return { name, token: app.jwt.sign({ sub, name, volunteer: true }) }
}

/** @param {import('fastify-rooms').User | null} user */
function isVolunteer (user) {
  return user?.volunteer === true
}

/**
 * @param {number} statusCode
 * @param {string} message
 */
function problem (statusCode, message) {
  return Object.assign(new Error(message), { statusCode })
}
