import { createRequire } from 'node:module'
import t from 'tap'
import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import { z } from 'zod'
import fastifyRooms, { defineRoom, withTypeProvider } from '../index.js'
import type { Connection, RoomDefinition } from '../index.js'
import { connect, TestBus } from '../testing/index.js'

const User = Type.Object({ id: Type.String(), paid: Type.Boolean() })
const stand = defineRoom('stand/:standId', { messages: { UPDATE_USER: User, CLOSED: Type.Null() } })

t.test('what a contract throws is an error as all others are, though a page has no Fastify', async t => {
  const { FastifyError } = createRequire(import.meta.url)('@fastify/error')
  for (const make of [() => stand({} as never), () => defineRoom('', { messages: {} })]) {
    const error = thrownBy(make)
    t.ok(error instanceof TypeError)
    t.ok(error instanceof FastifyError)
    t.match(error, { name: 'FastifyError', code: /^FST_ROOMS_INVALID_/, statusCode: 500 })
    t.match(String(error), /^FastifyError \[FST_ROOMS_INVALID_(ROOM|CONTRACT)\]: \S/)
  }
})

t.test('the name of a room', async t => {
  t.test('has the parameters in the places of the pattern', async t => {
    t.equal(stand({ standId: '7' }).name, 'stand/7')
    t.equal(stand({ standId: 7 }).name, 'stand/7')
    t.equal(defineRoom('hall/:row/seat/:seat', { messages: { TAKEN: {} } })({ row: 'a', seat: 9 }).name, 'hall/a/seat/9')
    t.equal(defineRoom('news', { messages: { HEADLINE: {} } })().name, 'news')
  })

  t.test('is one segment for each parameter, whatever stands in it, and no two values are one room', async t => {
    const names = ['a/b', 'a%2Fb', '*', "(o'hara)!", 'é', ' ', '..', ':x', '{y}', '\n'].map(standId => stand({ standId }).name)
    t.strictSame(names, [
      'stand/a%2Fb', 'stand/a%252Fb', 'stand/%2A', 'stand/%28o%27hara%29%21', 'stand/%C3%A9', 'stand/%20', 'stand/..', 'stand/%3Ax', 'stand/%7By%7D', 'stand/%0A'
    ])
    t.equal(new Set(names).size, names.length)
  })

  t.test('needs every parameter, as a string or a number, and has an end', async t => {
    for (const standId of ['', undefined, null, {}, NaN, Infinity, '\ud800', 'x'.repeat(123)]) {
      t.throws(() => stand({ standId } as never), { code: 'FST_ROOMS_INVALID_ROOM' }, String(standId))
    }
    t.throws(() => (stand as unknown as () => unknown)(), { message: /parameter 'standId' is missing/ })
  })
})

t.test('a contract that cannot be used is refused where it is written', async t => {
  const messages = { A: {} }
  for (const pattern of ['', 'a//b', ':', 'a/:1', 'a b', 'a/:x/:x', 'a/:x-y', '*', 7 as unknown as string]) {
    t.throws(() => defineRoom(pattern, { messages }), { code: 'FST_ROOMS_INVALID_CONTRACT' }, String(pattern))
  }
  for (const definition of [undefined, {}, { messages: {} }, { messages: null }, { messages: {}, commands: {} }, { commands: { ASK: {} } }] as unknown as RoomDefinition[]) {
    t.throws(() => defineRoom('a', definition), { code: 'FST_ROOMS_INVALID_CONTRACT', message: /`messages` must have a schema/ })
  }
})

t.test('whatever provider knows the types, a contract is the same', async t => {
  const typed = withTypeProvider().defineRoom('typed/:id', { messages: { A: {} } })
  t.equal(typed({ id: 1 }).name, 'typed/1')
})

t.test('a contract is a value that nobody changes', async t => {
  t.throws(() => { (stand as { pattern: string }).pattern = 'x' })
  t.throws(() => { (stand({ standId: 1 }) as { name: string }).name = 'x' })
  t.equal(stand({ standId: 1 }).contract, stand)
})

async function build (bus = new TestBus(), contract = stand) {
  const app = Fastify()
  await app.register(fastifyRooms, { broker: bus.broker() })
  app.get('/stands/:standId/ws', { websocket: true }, app.manageWebsocket(contract, { authenticate: false }))
  app.patch('/stands/:standId/users/:id', async (request, reply) => {
    const { standId } = request.params as { standId: string }
    reply.sendToRoom(stand({ standId }), { command: 'UPDATE_USER', data: request.body as { id: string, paid: boolean } })
    return 'done'
  })
  await app.ready()
  return app
}

t.test('a route with a contract leads to the room that its parameters name', async t => {
  const app = await build()
  t.teardown(() => app.close())
  const [seven, eight] = [await connect(app, '/stands/7/ws'), await connect(app, '/stands/8/ws')]
  await app.ws.sendToRoom(stand({ standId: '7' }), { command: 'UPDATE_USER', data: { id: 'a', paid: true } })
  t.strictSame(await seven.expectMessage(), { command: 'UPDATE_USER', data: { id: 'a', paid: true } })
  await app.inject({ method: 'PATCH', url: '/stands/8/users/b', payload: { id: 'b', paid: false } })
  t.match(await eight.expectMessage(), { data: { id: 'b', paid: false } })
  await app.ws.sendToRoom('stand/8', { command: 'ANYTHING' })
  t.match(await eight.expectMessage(), { command: 'ANYTHING' }, 'its plain name is still a name')
  await seven.expectNothing()
  t.equal(await app.ws.count(stand({ standId: 8 })), 1)
})

t.test('what the schema does not name does not leave', async t => {
  const app = await build()
  t.teardown(() => app.close())
  const client = await connect(app, '/stands/7/ws')
  const row = { id: 'a', paid: true, password: 'secret', nested: { more: 1 }, toJSON: undefined }
  await app.ws.sendToRoom(stand({ standId: '7' }), { command: 'UPDATE_USER', data: row })
  t.strictSame(await client.expectMessage(), { command: 'UPDATE_USER', data: { id: 'a', paid: true } })
  t.equal(row.password, 'secret', 'and the caller’s object is as it was')
})

t.test('what the contract does not have, or the serialiser cannot write, is rejected before anything is published', async t => {
  const app = await build()
  t.teardown(() => app.close())
  const client = await connect(app, '/stands/7/ws')
  const send = async (message: unknown) => await app.ws.sendToRoom(stand({ standId: '7' }), message as never)
  await t.rejects(send({ command: 'OTHER', data: 1 }), { code: 'FST_ROOMS_INVALID_MESSAGE', message: /has no message 'OTHER'; it has UPDATE_USER, CLOSED/ })
  await t.rejects(send({ command: 'UPDATE_USER', data: { id: 'a' } }), { code: 'FST_ROOMS_INVALID_MESSAGE', message: /"paid" is required/ })
  await t.rejects(send(undefined), { code: 'FST_ROOMS_INVALID_MESSAGE' })
  await t.rejects(send({ command: 'UPDATE_USER', data: { id: 'x'.repeat(300_000), paid: true } }), { code: 'FST_ROOMS_MESSAGE_TOO_LARGE' })
  await client.expectNothing()
})

t.test('a contract says more than names and messages', async t => {
  const policed = defineRoom('desk/:desk', {
    params: Type.Object({ desk: Type.Integer({ minimum: 1 }) }),
    messages: { CALLED: Type.Integer() },
    history: { size: 2, ttl: 60_000 },
    authorize: ({ room }) => room !== 'desk/13',
    snapshot: ({ room }) => `what ${room} looks like`
  })
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyRooms, { broker: new TestBus().broker() })
  app.get('/desks/:desk/ws', { websocket: true }, app.manageWebsocket(policed, { authenticate: false }))
  app.get('/open/:desk/ws', { websocket: true }, app.manageWebsocket(policed, { authenticate: false, authorize: () => true }))
  await app.ready()

  t.test('the parameters are checked by its schema', async t => {
    const client = await connect(app, '/desks/007/ws')
    t.match(client.connected, { rooms: { 'desk/7': {} } }, 'and made what it says')
    for (const desk of ['0', 'x', '1.5']) await t.rejects(connect(app, `/desks/${desk}/ws`), { code: 4403, status: 'forbidden' })
  })

  t.test('who may enter, unless the route says otherwise', async t => {
    await t.rejects(connect(app, '/desks/13/ws'), { code: 4403 })
    await connect(app, '/open/13/ws')
  })

  t.test('what comes first', async t => {
    const client = await connect(app, '/desks/1/ws')
    t.match(await client.expectMessage('WSSnapshot'), { data: 'what desk/1 looks like' })
  })

  t.test('what is kept, also of what is sent by the plain name', async t => {
    t.match(await app.ws.sendToRoom(policed({ desk: 1 }), { command: 'CALLED', data: 1 }), { seq: 1 })
    t.match(await app.ws.sendToRoom('desk/1', { command: 'CALLED', data: 2 }), { seq: 2 })
    t.strictSame((await app.ws.history(policed({ desk: 1 }))).messages.map(({ data }) => data), [1, 2])
    t.notOk('seq' in await app.ws.sendToRoom('desks/1', { command: 'CALLED', data: 2 }), 'other names are not meant')
    t.notOk('seq' in await app.ws.sendToRoom('desk/1/2', { command: 'CALLED', data: 2 }))
  })

  t.test('also to a process that only sends', async t => {
    const sender = Fastify()
    t.teardown(() => sender.close())
    await sender.register(fastifyRooms)
    t.match(await sender.ws.sendToRoom(policed({ desk: 1 }), { command: 'CALLED', data: 1 }), { seq: 1 })
  })
})

t.test('a room may be one whose members only ask, and are sent nothing', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyRooms)
  const desk = defineRoom('desk', { messages: {}, commands: { ASK: { reply: Type.Integer() } } })
  app.get('/', { websocket: true }, app.manageWebsocket(desk, { authenticate: false, commands: { ASK: () => 7 } }))
  const client = await connect(app, '/')
  client.send({ command: 'ASK', id: 1 })
  t.strictSame(await client.expectMessage(), { command: 'ASK', data: 7, id: 1 })
  await t.rejects(app.ws.sendToRoom(desk(), { command: 'TOLD', data: 7 } as never), { code: 'FST_ROOMS_INVALID_MESSAGE', message: /it has none/ })
})

t.test('what the boot finds', async t => {
  const boot = async (contract: typeof stand, url = '/:standId', options: object = {}) => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(fastifyRooms, options)
    app.get(url, { websocket: true }, app.manageWebsocket(contract, { authenticate: false }))
    await app.ready()
  }
  const withMessages = (messages: object): typeof stand => defineRoom('stand/:standId', { messages } as never) as never

  await t.rejects(boot(stand, '/:stand'), { code: 'FST_ROOMS_INVALID_CONTRACT', message: /the route '\/:stand' has no parameter :standId/ })
  await t.rejects(boot(withMessages({ A: { type: 'nonsense' } })), { code: 'FST_ROOMS_INVALID_CONTRACT', message: /the schema of A does not compile/ })
  await t.rejects(boot(withMessages({ WSStatus: {} })), { code: 'FST_ROOMS_INVALID_CONTRACT', message: /WSStatus is reserved/ })
  await t.rejects(boot(defineRoom('stand/:standId', { messages: { A: {} }, history: { size: 0, ttl: 1 } }) as never), { code: 'FST_ROOMS_INVALID_OPTION', message: /of the contract 'stand\/:standId' must be/ })
  const methods = { start () {}, publish () {}, subscribe () {}, unsubscribe () {}, report () {}, count () {}, flush: async () => {}, close: async () => {} }
  await t.rejects(boot(defineRoom('stand/:standId', { messages: { A: {} }, history: { size: 1, ttl: 1_000 } }) as never, '/:standId', { broker: methods }), { message: /needs a broker that keeps messages/ })
})

t.test('the application’s own compilers are used', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.addSchema({ $id: 'user', type: 'object', properties: { id: { type: 'string' } } })
  app.setSerializerCompiler(() => data => JSON.stringify({ own: data }))
  // As those of type providers answer.
  const answers: Record<string, unknown> = { 7: { value: { standId: 'seven' } }, 8: { error: new Error('unknown stand') }, 9: false }
  app.setValidatorCompiler(() => ((data: { standId: string }) => answers[data.standId]) as never)
  await app.register(fastifyRooms)
  const checked = defineRoom('stand/:standId', { params: { any: 'schema' }, messages: { UPDATE_USER: { any: 'schema' } } })
  app.get('/:standId', { websocket: true }, app.manageWebsocket(checked, { authenticate: false }))
  await app.ready()
  const client = await connect(app, '/7')
  t.match(client.connected, { rooms: { 'stand/seven': {} } })
  await app.ws.sendToRoom(checked({ standId: 'seven' } as never), { command: 'UPDATE_USER', data: 1 })
  t.match(await client.expectMessage(), { data: { own: 1 } })
  await t.rejects(connect(app, '/8'), { code: 4403 })
  await t.rejects(connect(app, '/9'), { code: 4403 })
})

t.test('schemas of zod, with the compilers of its provider', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  await app.register(fastifyRooms)
  const room = defineRoom('desk/:desk', {
    params: z.object({ desk: z.coerce.number().min(1) }),
    messages: { CALLED: z.object({ ticket: z.number() }) },
    commands: { CALL: { data: z.object({ by: z.string() }), reply: z.object({ ticket: z.number() }) } }
  })
  app.get('/:desk', { websocket: true }, app.manageWebsocket(room, { authenticate: false, commands: { CALL: ({ data }) => ({ ticket: data.by.length }) } }))
  await app.ready()
  await t.rejects(connect(app, '/0'), { code: 4403 })
  const client = await connect(app, '/7')
  await app.ws.sendToRoom(room({ desk: 7 }), { command: 'CALLED', data: { ticket: 1, more: 1 } as never })
  t.strictSame(await client.expectMessage(), { command: 'CALLED', data: { ticket: 1 } })
  await t.rejects(app.ws.sendToRoom(room({ desk: 7 }), { command: 'CALLED', data: {} as never }), { code: 'FST_ROOMS_INVALID_MESSAGE' })
  client.send({ command: 'CALL', data: { by: 'ada' }, id: 1 })
  t.match(await client.expectMessage(), { data: { ticket: 3 }, id: 1 })
  client.send({ command: 'CALL', data: { by: 7 }, id: 2 })
  t.match(await client.expectMessage('WSError'), { data: { code: 'FST_ROOMS_INVALID_COMMAND', message: /by / }, id: 2 })
})

t.test('references to what addSchema has added are found', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.addSchema({ $id: 'user', type: 'object', properties: { id: { type: 'string' } } })
  await app.register(fastifyRooms)
  const room = defineRoom('users', { messages: { UPDATE_USER: { $ref: 'user#' } } })
  app.get('/', { websocket: true }, app.manageWebsocket(room, { authenticate: false }))
  await app.ready()
  const client = await connect(app, '/')
  await app.ws.sendToRoom(room(), { command: 'UPDATE_USER', data: { id: 'a', password: 'secret' } })
  t.strictSame(await client.expectMessage(), { command: 'UPDATE_USER', data: { id: 'a' } })
})

t.test('data that there are none of are left out, whatever the schema', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyRooms)
  const room = defineRoom('bells', { messages: { RING: {} }, commands: { RING: { reply: {} } } })
  app.get('/', { websocket: true }, app.manageWebsocket(room, { authenticate: false, commands: { RING: () => {} } }))
  await app.ready()
  const client = await connect(app, '/')
  await app.ws.sendToRoom(room(), { command: 'RING', data: undefined })
  t.strictSame(await client.expectMessage(), { command: 'RING' })
  client.send({ command: 'RING', id: 1 })
  t.strictSame(await client.expectMessage(), { command: 'RING', id: 1 })
})

t.test('what is sent to one socket is held to the contract of its route', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyRooms, { maxMessage: 1_000 })
  const thrown: unknown[] = []
  app.get('/:standId', { websocket: true }, app.manageWebsocket(stand, {
    authenticate: false,
    onJoin: ({ connection }) => {
      const row = { id: 'a', paid: true, password: 'secret' }
      connection.send({ command: 'UPDATE_USER', data: row })
      const plain: Connection = connection
      const wrong = [{ command: 'OTHER' }, { command: 'UPDATE_USER', data: {} }, { command: 'UPDATE_USER', data: { id: 'x'.repeat(1_000), paid: true } }, undefined]
      for (const message of wrong) {
        try {
          plain.send(message as never)
        } catch (error) {
          thrown.push((error as { code: unknown }).code)
        }
      }
      connection.send({ command: 'CLOSED', data: null })
    }
  }))
  await app.ready()
  const client = await connect(app, '/7')
  t.strictSame(await client.expectMessage(), { command: 'UPDATE_USER', data: { id: 'a', paid: true } })
  t.strictSame(await client.expectMessage(), { command: 'CLOSED', data: null })
  t.strictSame(thrown, ['FST_ROOMS_INVALID_MESSAGE', 'FST_ROOMS_INVALID_MESSAGE', 'FST_ROOMS_MESSAGE_TOO_LARGE', 'FST_ROOMS_INVALID_MESSAGE'])
})

t.test('full checks of what is sent', async t => {
  const Seat = Type.Object({ row: Type.Integer({ minimum: 1 }), kind: Type.Optional(Type.String({ default: 'plain' })), at: Type.Optional(Type.String({ format: 'date-time' })) }, { additionalProperties: false })
  const hall = defineRoom('hall', { messages: { TAKEN: Seat, NOTE: {} }, commands: { TAKE: { reply: Seat }, SHOW: {} } })
  const build = async (validateMessages: boolean, fastify: FastifyServerOptions = {}, setup?: (app: FastifyInstance) => void) => {
    const [bus, reported, app] = [new TestBus(), [] as string[], Fastify(fastify)]
    t.teardown(() => app.close())
    setup?.(app)
    await app.register(fastifyRooms, { broker: bus.broker(), validateMessages, onError: ({ error }) => { reported.push(error.message) } })
    app.get('/', { websocket: true }, app.manageWebsocket(hall, {
      authenticate: false,
      commands: { TAKE: ({ data }) => data as { row: number }, SHOW: ({ data, connection }) => { connection.send({ command: 'TAKEN', data: data as { row: number } }) } }
    }))
    app.post('/', async (request, reply) => {
      reply.sendToRoom(hall(), { command: 'TAKEN', data: request.body as { row: number } })
      return 'done'
    })
    return { app, bus, reported }
  }
  const taken = (data: object) => ({ command: 'TAKEN' as const, data: data as { row: number } })

  t.test('reject what a serialiser would write, and name the field, before anything is published', async t => {
    const { app, reported } = await build(true)
    const client = await connect(app, '/')
    for (const [data, message] of [[{ row: 0 }, /TAKEN are not what the contract of 'hall' says: row must be >= 1/], [{ row: 1, at: 'noon' }, /at must match format "date-time"/], [{}, /required property 'row'/]] as const) {
      await t.rejects(app.ws.sendToRoom(hall(), taken(data)), { code: 'FST_ROOMS_INVALID_MESSAGE', message })
    }
    t.equal((await app.inject({ method: 'POST', url: '/', payload: { row: 0 } })).statusCode, 200)
    t.match(reported, [/row must be >= 1/])
    await client.expectNothing()
  })

  t.test('are made only where they are asked for', async t => {
    const { app } = await build(false)
    const client = await connect(app, '/')
    await app.ws.sendToRoom(hall(), taken({ row: 0 }))
    t.match(await client.expectMessage(), { data: { row: 0 } })
  })

  t.test('never touch the object, nor what is sent of it', async t => {
    const { app } = await build(true)
    const client = await connect(app, '/')
    const data = Object.freeze({ row: 1, at: new Date(0), more: Object.freeze(['x']) })
    await app.ws.sendToRoom(hall(), taken(data))
    t.strictSame(await client.expectMessage(), { command: 'TAKEN', data: { row: 1, kind: 'plain', at: '1970-01-01T00:00:00.000Z' } })
    t.strictSame(Object.keys(data), ['row', 'at', 'more'])
    await app.ws.sendToRoom(hall(), { command: 'NOTE', data: undefined })
    t.strictSame(await client.expectMessage(), { command: 'NOTE' })
  })

  t.test('are made of replies too, which are the handler’s fault, and of what goes to one socket', async t => {
    const { app, reported } = await build(true)
    const client = await connect(app, '/')
    client.send({ command: 'TAKE', data: { row: 1 }, id: 1 })
    t.match(await client.expectMessage('TAKE'), { data: { row: 1 }, id: 1 })
    for (const command of ['TAKE', 'SHOW']) {
      client.send({ command, data: { row: 0 }, id: 2 })
      t.match(await client.expectMessage('WSError'), { data: { code: 'FST_ROOMS_COMMAND_FAILED', message: 'The command failed.' }, id: 2 })
    }
    t.match(reported, [/the reply to TAKE is not what the contract of 'hall' says: row must be >= 1/, /the data of TAKEN are/])
  })

  t.test('have the application’s own options and schemas, also where it has no route but rooms', async t => {
    const { app } = await build(true, { ajv: { customOptions: { formats: { even: /^[02468]$/ } } } }, app => { app.addSchema({ $id: 'even', type: 'string', format: 'even' }) })
    await app.ready()
    const numbers = defineRoom('numbers', { messages: { EVEN: { $ref: 'even#' } } })
    await t.rejects(app.ws.sendToRoom(numbers(), { command: 'EVEN', data: '3' }), { message: /it must match format "even"/ })
    await app.ws.sendToRoom(numbers(), { command: 'EVEN', data: '4' })
    t.equal((await app.inject('/fastify-rooms/validator')).statusCode, 404, 'and what it takes to have them is not to be seen')
  })

  t.test('take the application’s own compiler', async t => {
    const { app } = await build(true, {}, app => { app.setValidatorCompiler(() => () => ({ error: new Error('not today') }) as never) })
    await t.rejects(app.ws.sendToRoom(hall(), taken({ row: 1 })), { message: /says: not today/ })
  })

  t.test('need an application that is ready', async t => {
    const { app } = await build(true)
    await t.rejects(app.ws.sendToRoom(hall(), taken({ row: 1 })), { message: /before app\.ready\(\)/ })
    await app.ready()
    t.match(await app.ws.sendToRoom(hall(), taken({ row: 1 })), { subscribers: 0 })
  })
})

function thrownBy (make: () => unknown): unknown {
  try {
    make()
  } catch (error) {
    return error
  }
}
