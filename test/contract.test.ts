import t from 'tap'
import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import { z } from 'zod'
import fastifyRooms, { defineRoom, withTypeProvider } from '../index.js'
import type { RoomDefinition } from '../index.js'
import { connect, TestBus } from '../testing/index.js'

const User = Type.Object({ id: Type.String(), paid: Type.Boolean() })
const stand = defineRoom('stand/:standId', { messages: { UPDATE_USER: User, CLOSED: Type.Null() } })

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
  for (const definition of [undefined, {}, { messages: {} }, { messages: null }] as unknown as RoomDefinition[]) {
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
