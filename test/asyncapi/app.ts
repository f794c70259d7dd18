import { Parser } from '@asyncapi/parser'
import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import fastifyJwt from '@fastify/jwt'
import type { Test } from 'tap'
import { fastifyRoomsAsyncapi } from '../../asyncapi/index.js'
import type { AsyncapiDocument, AsyncapiOptions } from '../../asyncapi/index.js'
import fastifyRooms, { defineRoom } from '../../index.js'
import type { RoomsOptions } from '../../index.js'

export const INFO = { title: 'Stands', version: '1.0.0', description: 'What volunteers see of each other.' }

export const stand = defineRoom('stand/:standId', {
  params: Type.Object({ standId: Type.String({ description: 'Which stand.', examples: ['7'] }) }),
  messages: {
    UPDATE_USER: Type.Object({ id: Type.String(), paid: Type.Boolean(), seen: Type.Optional(Type.String({ format: 'date-time' })) }),
    CLOSED: Type.Null(),
    STUDENT: { $ref: 'student#' }
  },
  commands: {
    CALL_NEXT: { data: Type.Object({ desk: Type.Integer({ minimum: 1 }) }), reply: Type.Object({ ticket: Type.Integer() }) },
    UPDATE_USER: { data: { $ref: 'student#/properties/id' } },
    NOTE: {}
  },
  history: { size: 100, ttl: 60_000 }
})

/** An application with the rooms that its set-up makes, and their document. */
export async function describe (
  t: Test, setup: (app: FastifyInstance) => void | Promise<void>, options: Partial<AsyncapiOptions> = {}, rooms: RoomsOptions = {}
): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyJwt, { secret: 'a secret of the tests', verify: { algorithms: ['HS256'] } })
  await app.register(fastifyRooms, rooms)
  await app.register(fastifyRoomsAsyncapi, { asyncapi: { info: INFO }, ...options })
  await setup(app)
  await app.ready()
  return app
}

/** The stands, with everything that a document can have. */
export async function describeStands (t: Test, options: Partial<AsyncapiOptions> = {}): Promise<FastifyInstance> {
  return await describe(t, async app => {
    app.addSchema({ $id: 'student', type: 'object', properties: { id: { type: 'string' }, friends: { type: 'array', items: { $ref: '#' } }, school: { $ref: 'school#' } }, required: ['id'] })
    app.addSchema({ $id: 'school', type: 'object', properties: { name: { type: 'string' } } })
    const commands = { CALL_NEXT: () => ({ ticket: 1 }), UPDATE_USER: () => {}, NOTE: () => {} }
    app.get('/stands/:standId/ws', { websocket: true, schema: { summary: 'A stand', tags: ['stands'] } as object }, app.manageWebsocket(stand, { commands, snapshot: () => [] }))
    app.get('/cdr/ws', { websocket: true }, app.manageWebsocket('cdr', { authenticate: false }))
    app.get('/mine', { websocket: true }, app.manageWebsocket(() => 'mine'))
    app.get('/http', async () => 'no room')
  }, { asyncapi: { info: INFO, servers: { production: { host: 'stands.example.com', protocol: 'wss' } } }, ...options })
}

/** All that the official parser has to say of a document, hints included. */
export async function diagnosticsOf (document: AsyncapiDocument | string): Promise<string[]> {
  const parser = new Parser()
  const { diagnostics, document: parsed } = await parser.parse(document as never)
  return [...diagnostics.map(({ severity, code, message, path }) => `${severity} ${code} ${path.join('/')}: ${message}`), ...parsed === undefined ? ['no document'] : []]
}
