import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import fastifyRooms, { defineRoom } from '../index.js'
import type { CommandHandlers, RoomsOptions } from '../index.js'
import { connect } from '../testing/index.js'
import type { Client } from '../testing/index.js'
import { until } from './helpers/app.js'
import { Gate } from './helpers/gate.js'
import { frame, openRaw } from './helpers/raw.js'
import { watchForStrays } from './helpers/strays.js'

const noStrays = watchForStrays(t)

const stand = defineRoom('stand/:standId', {
  messages: { CALLED: Type.Object({ ticket: Type.Integer() }) },
  commands: {
    CALL_NEXT: { data: Type.Object({ desk: Type.Integer({ minimum: 1 }) }), reply: Type.Object({ ticket: Type.Integer() }) },
    NOTE: {}
  }
})

interface Stand {
  app: FastifyInstance
  client: Client
  enter: () => Promise<Client>
  reported: unknown[]
}

async function createStand (t: Test, commands: Partial<CommandHandlers<typeof stand>> = {}, options: RoomsOptions = {}, fastify: FastifyServerOptions = {}): Promise<Stand> {
  const app = Fastify(fastify)
  t.teardown(() => app.close())
  const reported: unknown[] = []
  await app.register(fastifyRooms, { onError: ({ error }) => { reported.push(error.message) }, ...options })
  app.get('/stands/:standId/ws', { websocket: true }, app.manageWebsocket(stand, {
    authenticate: false,
    commands: { CALL_NEXT: ({ data }) => ({ ticket: data.desk * 10 }), NOTE: ({ data }) => data, ...commands }
  }))
  await app.ready()
  const enter = async (): Promise<Client> => await connect(app, '/stands/7/ws')
  return { app, client: await enter(), enter, reported }
}

const error = (code: string, message: unknown, id?: unknown) => ({ command: 'WSError', data: { code, message }, ...id !== undefined && { id } })

t.test('a handler knows the room, and the rooms of the socket, as often as it asks', async t => {
  const { client } = await createStand(t, { NOTE: ({ room, connection }) => [room, ...connection.rooms] })
  for (const id of [1, 2]) {
    client.send({ command: 'NOTE', id })
    t.strictSame(await client.expectMessage(), { command: 'NOTE', data: ['stand/7', 'stand/7'], id })
  }
})

t.test('a command is answered, and the answer has its id', async t => {
  const { client, app } = await createStand(t)
  client.send({ command: 'CALL_NEXT', data: { desk: 4 }, id: 'a' })
  t.strictSame(await client.expectMessage(), { command: 'CALL_NEXT', data: { ticket: 40 }, id: 'a' })
  client.send({ command: 'NOTE', data: { any: ['thing'] }, id: 0 })
  t.strictSame(await client.expectMessage(), { command: 'NOTE', data: { any: ['thing'] }, id: 0 })
  client.send({ command: 'NOTE', id: 1 })
  t.strictSame(await client.expectMessage(), { command: 'NOTE', id: 1 }, 'where there is nothing to say, nothing is said')
  client.send({ command: 'CALL_NEXT', data: { desk: 4 } })
  await client.expectNothing()
  t.equal(app.ws.stats().ignored, 0)
})

t.test('a handler knows who asks, and where', async t => {
  const { client } = await createStand(t, {
    NOTE: ({ connection, room, request, signal }) => [connection.rooms.has(room), room, (request.params as { standId: string }).standId, signal.aborted]
  })
  client.send({ command: 'NOTE', id: 1 })
  t.strictSame((await client.expectMessage()).data, [true, 'stand/7', '7', false])
})

t.test('what does not pass the schema is answered with what is wrong, and the socket stays', async t => {
  const { client } = await createStand(t)
  const cases: Array<[frame: object, message: string | RegExp, code?: string]> = [
    [{ data: { desk: 0 } }, 'The command cannot be carried out: desk must be >= 1.'],
    [{ data: { desk: 'x' } }, 'The command cannot be carried out: desk must be integer.'],
    [{ data: {} }, "The command cannot be carried out: it must have required property 'desk'."],
    [{ data: null }, 'The command cannot be carried out: it must be object.'],
    [{}, 'The command cannot be carried out: it must be object.'],
    [{ command: 'OTHER' }, 'This room has no command "OTHER".', 'FST_ROOMS_UNKNOWN_COMMAND'],
    [{ command: 'toString' }, 'This room has no command "toString".', 'FST_ROOMS_UNKNOWN_COMMAND'],
    [{ command: 7 }, 'This room has no command "7".', 'FST_ROOMS_UNKNOWN_COMMAND'],
    [{ command: { toString: 1 } }, 'This room has no command "{\\"toString\\":1}".', 'FST_ROOMS_UNKNOWN_COMMAND'],
    [{ command: 'x'.repeat(99) }, `This room has no command "${'x'.repeat(40)}".`, 'FST_ROOMS_UNKNOWN_COMMAND']
  ]
  for (const [frame, message, code = 'FST_ROOMS_INVALID_COMMAND'] of cases) {
    client.send({ command: 'CALL_NEXT', ...frame, id: 5 })
    t.match(await client.expectMessage('WSError'), error(code, message, 5), JSON.stringify(frame))
  }
  client.send({ command: 'OTHER' })
  t.match(await client.expectMessage('WSError'), error('FST_ROOMS_UNKNOWN_COMMAND', String), 'also where no reply is wanted')
  client.send({ command: 'CALL_NEXT', data: { desk: '3', more: 1 }, id: 6 })
  t.match(await client.expectMessage(), { data: { ticket: 30 }, id: 6 }, 'Fastify’s compiler makes a number of a string, as it does for parameters')
})

t.test('an id that JSON could not give back ends the socket', async t => {
  const { client } = await createStand(t)
  client.send('{"command":"NOTE","id":1e999}')
  t.match(await client.expectClose(), { code: 4400 })
})

t.test('frames that would change what objects are, or are nested too deeply, reach nobody', async t => {
  const { client } = await createStand(t)
  const deep = (levels: number): string => `{"command":"NOTE","id":1,"data":${'['.repeat(levels)}${']'.repeat(levels)}}`
  for (const frame of ['{"command":"NOTE","data":{"__proto__":{"polluted":1}}}', '{"command":"NOTE","data":{"constructor":{"prototype":{"polluted":1}}}}', '{"\\u005f_proto__":1,"command":"NOTE"}', deep(64), deep(30_000)]) {
    client.send(frame)
    t.match(await client.expectMessage('WSError'), error('FST_ROOMS_INVALID_COMMAND', String), frame.slice(0, 60))
  }
  t.notOk('polluted' in {})
  client.send(deep(63))
  t.match(await client.expectMessage(), { command: 'NOTE', id: 1 })
  client.send(JSON.stringify({ command: 'NOTE', id: 2, data: `\\"${'[{'.repeat(100)}` }))
  t.match(await client.expectMessage(), { id: 2 }, 'brackets in a text are text')
  client.send({ command: 'NOTE', id: 3, data: { constructor: '__proto__' } })
  t.match(await client.expectMessage(), { id: 3, data: { constructor: '__proto__' } }, 'and so are such words')
  client.send('{"__proto__":1')
  t.match(await client.expectClose(), { code: 4400 }, 'what is no JSON is no JSON')
})

t.test('commands of one socket are carried out in order, those of others meanwhile', async t => {
  const gate = new Gate()
  const calls: unknown[] = []
  const { client, enter } = await createStand(t, {
    NOTE: async ({ data }) => {
      calls.push(data)
      if (data === 'slow') await gate.pass()
      return data
    }
  })
  const other = await enter()
  client.send({ command: 'NOTE', data: 'slow', id: 1 })
  client.send({ command: 'NOTE', data: 'next', id: 2 })
  await gate.reached
  other.send({ command: 'NOTE', data: 'other', id: 1 })
  t.match(await other.expectMessage(), { data: 'other' })
  t.strictSame(calls, ['slow', 'other'])
  gate.open()
  t.match([await client.expectMessage(), await client.expectMessage()], [{ id: 1 }, { id: 2 }])
})

t.test('nor are those that come with one that is refused carried out at once', async t => {
  const gate = new Gate()
  const signals = new Map<unknown, AbortSignal>()
  const { app } = await createStand(t, {
    NOTE: async ({ data, signal }) => {
      signals.set(data, signal)
      await gate.pass()
    }
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const raw = await openRaw(t, `ws://127.0.0.1:${(app.server.address() as AddressInfo).port}/stands/7/ws`)
  await raw.received('connected')
  raw.write(...['{"command":"OTHER"}', '{"command":"NOTE","data":1,"id":1}', '{"command":"NOTE","data":2,"id":2}'].map(text => frame(text)))
  await gate.reached
  raw.write(frame('{"command":"WSPing"}'))
  await raw.received('WSPong')
  t.strictSame([...signals.keys()], [1])
  raw.socket.destroy()
  await until(() => signals.get(1)?.aborted)
  gate.open()
  await app.close()
  t.strictSame([...signals.keys()], [1], 'and the one at work is told when its client has left')
})

t.test('only so many commands wait; one more is refused', async t => {
  const gate = new Gate()
  const { client } = await createStand(t, { NOTE: async ({ data }) => { await gate.pass(); return data } }, { maxCommands: 2 })
  for (let id = 1; id <= 4; id++) client.send({ command: 'NOTE', id })
  t.match(await client.expectMessage('WSError'), error('FST_ROOMS_TOO_MANY_COMMANDS', /^More than 2 commands/, 4))
  gate.open()
  for (let id = 1; id <= 3; id++) t.match(await client.expectMessage(), { command: 'NOTE', id })
})

t.test('and only so many bytes of them, whatever they are made into', async t => {
  const gate = new Gate()
  const { client } = await createStand(t, { NOTE: async ({ data }) => { await gate.pass(); return (data as string).length } }, { maxPayload: 10_000 })
  for (let id = 1; id <= 4; id++) client.send({ command: 'NOTE', data: 'x'.repeat(4_000), id })
  t.match(await client.expectMessage('WSError'), error('FST_ROOMS_TOO_MANY_COMMANDS', /10000 bytes/, 4))
  gate.open()
  for (let id = 1; id <= 3; id++) t.match(await client.expectMessage(), { command: 'NOTE', data: 4_000, id })
})

t.test('a handler that fails', async t => {
  t.test('is an answer that tells nothing, and is reported', async t => {
    const { client, reported } = await createStand(t, {
      CALL_NEXT: () => { throw new Error('the password is 1234') },
      NOTE: async () => await Promise.reject(new Error('no database')),
    })
    client.send({ command: 'CALL_NEXT', data: { desk: 1 }, id: 1 })
    t.match(await client.expectMessage('WSError'), error('FST_ROOMS_COMMAND_FAILED', 'The command failed.', 1))
    client.send({ command: 'NOTE', id: 2 })
    t.match(await client.expectMessage('WSError'), error('FST_ROOMS_COMMAND_FAILED', 'The command failed.', 2))
    t.strictSame(reported, ['the password is 1234', 'no database'])
  })

  t.test('with an error for the client is an answer in the handler’s words', async t => {
    const { client, reported } = await createStand(t, { NOTE: () => { throw Object.assign(new Error('the stand is closed'), { statusCode: 409, code: 'CLOSED' }) } })
    client.send({ command: 'NOTE', id: 1 })
    t.match(await client.expectMessage('WSError'), error('CLOSED', 'the stand is closed', 1))
    t.strictSame(reported, [])
  })

  t.test('because its reply is not what the contract says, is at fault itself', async t => {
    const { client, reported } = await createStand(t, { CALL_NEXT: () => ({}) as never })
    client.send({ command: 'CALL_NEXT', data: { desk: 1 }, id: 1 })
    t.match(await client.expectMessage('WSError'), error('FST_ROOMS_COMMAND_FAILED', String, 1))
    t.equal(reported.length, 1)
  })

  t.test('with an error that cannot be told, or not even be looked at, is answered all the same, and reported', async t => {
    const circle: { circle?: unknown } = {}
    circle.circle = circle
    const thrown: unknown[] = [
      Object.assign(new Error('a number that JSON has not'), { statusCode: 409, code: 10n }), Object.assign(new Error('a circle'), { statusCode: 409, code: circle }),
      Object.defineProperty(new Error('bare'), 'statusCode', { get: () => { throw new Error('no look') } })
    ]
    const { client, reported } = await createStand(t, { NOTE: () => { throw thrown.shift() } })
    for (const id of [1, 2, 3]) {
      client.send({ command: 'NOTE', id })
      t.match(await client.expectMessage('WSError'), error('FST_ROOMS_COMMAND_FAILED', 'The command failed.', id))
    }
    t.match(reported, [/cannot be told/, /cannot be told/, /cannot be told/])
  })

  t.test('with something that is no error is reported too', async t => {
    // eslint-disable-next-line no-throw-literal
    const { client, reported } = await createStand(t, { NOTE: () => { throw null } })
    client.send({ command: 'NOTE', id: 1 })
    t.match(await client.expectMessage('WSError'), error('FST_ROOMS_COMMAND_FAILED', String, 1))
    t.match(reported, [/no error/])
  })
})

t.test('a schema that answers with a promise lets nothing pass, and nothing ends', async t => {
  const ran: unknown[] = []
  const schema = { $async: true, type: 'object', required: ['id'], properties: { id: { type: 'string', maxLength: 2 } } }
  const room = defineRoom('desk/:id', { params: schema, messages: { SAID: {} } })
  const asks = defineRoom('asks', { messages: {}, commands: { ASK: { data: schema } } })
  const app = Fastify()
  t.teardown(() => app.close())
  const reported: unknown[] = []
  await app.register(fastifyRooms, { authenticate: false, onError: ({ error }) => { reported.push((error as { code?: string }).code) } })
  app.get('/desks/:id', { websocket: true }, app.manageWebsocket(room))
  app.get('/asks', { websocket: true }, app.manageWebsocket(asks, { commands: { ASK: ({ data }) => { ran.push(data) } } }))
  await app.ready()
  const client = await connect(app, '/asks')
  for (const [id, data] of [[1, { evil: 1 }], [2, { id: 'ok' }]] as const) {
    client.send({ command: 'ASK', data, id })
    t.match(await client.expectMessage('WSError'), error('FST_ROOMS_COMMAND_FAILED', String, id))
  }
  t.match(await connect(app, '/desks/toolong').then(async client => await client.closed, (refusal: unknown) => refusal), { code: 1011 })
  t.strictSame(ran, [])
  t.strictSame(reported, Array(3).fill('FST_ROOMS_ASYNC_SCHEMA'))
})

t.test('where there are several rooms, a command that is no name is unknown, and no fault of anybody’s', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  const reported: unknown[] = []
  await app.register(fastifyRooms, { authenticate: false, onError: ({ error }) => { reported.push(error) } })
  app.get('/stands', { websocket: true }, app.manageWebsocket([() => stand({ standId: 7 })], {
    contracts: [stand], commands: { 'stand/:standId': { CALL_NEXT: () => ({ ticket: 1 }), NOTE: () => {} } }
  }))
  await app.ready()
  const client = await connect(app, '/stands')
  client.send({ command: { toString: 1, valueOf: 1 }, id: 1 } as never)
  t.match(await client.expectMessage('WSError'), error('FST_ROOMS_UNKNOWN_COMMAND', String, 1))
  t.strictSame(reported, [])
})

t.test('a handler that never returns is given up, and the next command has its turn', async t => {
  const signals: AbortSignal[] = []
  const { client, reported } = await createStand(t, {
    NOTE: ({ data, signal }) => {
      signals.push(signal)
      return data === 'never' ? new Promise(() => {}) : data
    }
  }, { commandTimeout: 50 })
  client.send({ command: 'NOTE', data: 'never', id: 1 })
  client.send({ command: 'NOTE', data: 'next', id: 2 })
  t.match(await client.expectMessage('WSError'), error('FST_ROOMS_COMMAND_TIMEOUT', /50 ms/, 1))
  t.match(await client.expectMessage(), { data: 'next', id: 2 })
  t.strictSame(signals.map(({ aborted }) => aborted), [true, false])
  t.match(reported, [/longer than 50 ms/])
})

t.test('a client that leaves: what is at work is told, and what waits is not begun', async t => {
  const gate = new Gate()
  const calls: unknown[] = []
  let gone: AbortSignal | undefined
  const { app, client } = await createStand(t, {
    NOTE: async ({ data, signal }) => {
      calls.push(data)
      gone = signal
      await gate.pass()
      return data
    }
  })
  client.send({ command: 'NOTE', data: 1, id: 1 })
  client.send({ command: 'NOTE', data: 2, id: 2 })
  await gate.reached
  await client.terminate()
  await until(() => app.ws.stats().connections === 0)
  t.equal(gone?.aborted, true)
  gate.open()
  await new Promise(resolve => setImmediate(resolve))
  t.strictSame(calls, [1])
})

t.test('a handler that stops because its client has left has not failed; one that fails has, all the same', async t => {
  for (const [fails, expected] of [[undefined, []], [new Error('no money left'), ['no money left']]] as const) {
    const stopped = new Gate()
    const { app, client, reported } = await createStand(t, {
      NOTE: async ({ signal }) => {
        await new Promise(resolve => { signal.addEventListener('abort', resolve) })
        setImmediate(() => stopped.open())
        throw fails ?? signal.reason
      }
    })
    client.send({ command: 'NOTE', id: 1 })
    client.send({ command: 'WSPing' })
    await client.expectMessage('WSPong')
    await client.terminate()
    await until(() => app.ws.stats().connections === 0)
    await stopped.pass()
    t.strictSame(reported, expected)
  }
})

t.test('a handler may end its socket', async t => {
  const { client } = await createStand(t, { NOTE: ({ connection }) => { connection.close() } })
  client.send({ command: 'NOTE', id: 1 })
  client.send({ command: 'NOTE', id: 2 })
  t.match(await client.expectClose(), { code: 1000 })
})

t.test('handlers and commands belong together, and a contract to both', async t => {
  const app = Fastify()
  await app.register(fastifyRooms)
  const handlers = { CALL_NEXT: () => ({ ticket: 1 }), NOTE: () => {} }
  const route = (commands: unknown): unknown => app.manageWebsocket(stand, { commands } as never)
  t.throws(() => route({ CALL_NEXT: handlers.CALL_NEXT }), { message: /'commands.NOTE' has no handler/ })
  t.throws(() => route(undefined), { message: /'commands.CALL_NEXT' has no handler/ })
  t.throws(() => route({ ...handlers, OTHER: () => {} }), { message: /'commands.OTHER' is no command of the contract/ })
  t.throws(() => route({ ...handlers, NOTE: 7 }), { message: /'commands.NOTE' must be a function/ })
  t.throws(() => route(7), { message: /'commands' must have a handler/ })
  t.throws(() => app.manageWebsocket('cdr', { commands: handlers } as never), { message: /'commands' needs a contract/ })
  await app.close()
})

noStrays()
