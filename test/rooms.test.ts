import { mock } from 'node:test'
import t from 'tap'
import type { Test } from 'tap'
import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import fastifyRooms, { defineRoom } from '../index.js'
import type { Connection, Hooks, JoinOptions, RoomsOptions, RoomSource } from '../index.js'
import { connect, TestBus } from '../testing/index.js'
import type { Client, ConnectOptions } from '../testing/index.js'
import { createApp, until, untilJoined } from './helpers/app.js'
import { endingOf, join, open } from './helpers/client.js'
import { Gate } from './helpers/gate.js'
import { startRedis } from './helpers/redis.js'
import { watchForStrays } from './helpers/strays.js'
import { unpinged } from './helpers/unpinged.js'

const noStrays = watchForStrays(t)

/** Whose commands have a socket join and leave whatever a client asks for. */
const desk = defineRoom('desk', {
  messages: { M: {} },
  commands: { JOIN: {}, LEAVE: {}, ASK: {} }
})
const HISTORY = { size: 100, ttl: 60_000 }
const kept = (room: string): typeof HISTORY | undefined => room.startsWith('kept') ? HISTORY : undefined

interface Settings {
  rooms?: readonly RoomSource[]
  route?: Hooks
  plugin?: RoomsOptions
  bus?: TestBus
  setup?: (app: FastifyInstance) => void
}

/** An application with a route to several rooms, and what its handlers were called with. */
async function build (t: Test, { rooms = [desk, 'a'], route = {}, plugin = {}, bus = new TestBus(), setup }: Settings = {}) {
  const app = Fastify()
  t.teardown(() => app.close())
  const calls: string[] = []
  const reported: unknown[] = []
  const connections: Connection[] = []
  await app.register(fastifyRooms, { broker: bus.broker(), history: kept, userId: user => user as never, onError: ({ error }) => { reported.push(error.message) }, ...plugin })
  app.get('/ws/:id', { websocket: true }, app.manageWebsocket<{ Params: { id: string } }>(rooms, {
    authenticate: async request => { Object.assign(request, { user: request.headers.authorization?.slice(7) }) },
    expiresAt: () => undefined,
    onJoin: ({ room, connection }) => {
      calls.push(`join ${room}`)
      if (!connections.includes(connection)) connections.push(connection)
    },
    onLeave: ({ room }) => { calls.push(`leave ${room}`) },
    ...route,
    contracts: [desk],
    commands: {
      desk: {
        JOIN: ({ data, connection }: { data: unknown, connection: Connection }) => {
          const { room, ...options } = data as { room: string } & JoinOptions
          return connection.join(room, options)
        },
        LEAVE: ({ data, connection }: { data: unknown, connection: Connection }) => connection.leave(data as string),
        ASK: ({ room, data, connection }: { data: unknown, room: string | undefined, connection: Connection }) => [room ?? null, data ?? null, [...connection.rooms]]
      }
    }
  } as Hooks))
  setup?.(app)
  await app.ready()
  const enter = async (options?: ConnectOptions): Promise<Client> => await connect(app, '/ws/7', 'ada', options)
  const send = async (room: string, data: unknown): Promise<unknown> => await app.ws.sendToRoom(room, { command: 'M', data })
  const connection = (): Connection => connections.at(-1) as Connection
  return { app, bus, enter, send, calls, reported, connections, connection }
}

let ids = 0
/** What a command is answered with. */
async function ask (client: Client, command: string, data?: unknown, room?: string): Promise<unknown> {
  const id = ++ids
  client.send({ command, data, id, room })
  const { data: answer } = await client.expectMessage({ id })
  return answer
}

const commandsOf = (client: Client): Array<[command: string, data: unknown, room: string | undefined]> => unpinged(client).map(({ command, data, room }) => [command === 'WSStatus' ? (data as { status: string }).status : command, data, room])
/** The messages of rooms, in order. */
const heard = ({ frames }: Client): unknown[] => frames.filter(({ command }) => command === 'M' || command === 'WSSnapshot').map(({ room, data }) => `${room} ${String(data)}`)
/** Has everything arrive. */
const settled = async (client: Client): Promise<void> => await client.expectNothing({ command: 'no such command' })

t.test('a socket that was opened for several rooms is told of all in one word, and of each message whose it is', async t => {
  const stand = defineRoom('stand/:id', { messages: { M: {} } })
  const hall = defineRoom('hall/:row', { messages: { M: {} } })
  const { app, enter, calls, connection } = await build(t, { rooms: ['a', stand, request => `own.${(request.params as { id: string }).id}`, hall({ row: 3 }), () => hall({ row: 4 }), 'a'] })
  const client = await enter()
  const rooms = ['a', 'stand/7', 'own.7', 'hall/3', 'hall/4']
  t.same(Object.keys(client.connected.rooms).sort(), [...rooms].sort())
  t.strictSame(client.connected.rooms.a, {})
  for (const room of rooms) {
    await app.ws.sendToRoom(room, { command: 'M', data: room })
    t.strictSame(await client.expectMessage(), { command: 'M', data: room, room })
  }
  await app.ws.sendToRoom('a', { command: 'M' })
  t.strictSame(await client.expectMessage(), { command: 'M', room: 'a' })
  connection().send({ command: 'M', data: 'to one' })
  t.strictSame(await client.expectMessage(), { command: 'M', data: 'to one' }, 'what is of no room names none')
  t.same([...connection().rooms].sort(), [...rooms].sort())
  t.match(app.ws.stats(), { connections: 1, rooms: 5, members: 5 }, 'a socket counts once for each of its rooms')
  t.equal(await app.ws.count('a'), 1)
  t.strictSame(calls.sort(), rooms.map(room => `join ${room}`).sort())
  await client.close()
  t.match(app.ws.stats(), { connections: 0, rooms: 0, members: 0 })
  t.strictSame(calls.sort(), [...rooms.map(room => `join ${room}`), ...rooms.map(room => `leave ${room}`)].sort())
})

t.test('members of one room and of several get the same messages, in one order, and only the latter with a name', async t => {
  const { app, url, token } = await createApp(t, {
    rooms: { perMessageDeflate: { threshold: 1 } },
    setup: app => { app.get('/ws', { websocket: true }, app.manageWebsocket(['cdr', 'other'], { authenticate: false })) }
  })
  const text = 'one and the same sentence, again and again. '.repeat(20)
  const one = await join(t, url, token())
  const plain = await open(t, url, { perMessageDeflate: false })
  plain.send({ token: token() })
  const several = [await open(t, url.replace('/cdr/users/ws', '/ws')), await open(t, url.replace('/cdr/users/ws', '/ws'), { perMessageDeflate: false })]
  for (const client of [plain, ...several]) await client.next()
  const stringify = mock.method(JSON, 'stringify')
  for (let data = 0; data < 20; data++) app.ws.sendToRoom('cdr', { command: 'M', data: `${data} ${text}` }, { volatile: data % 3 === 0 })
  const encodings = stringify.mock.calls.filter(({ arguments: [value] }) => (value as { command?: string } | undefined)?.command === 'M').length
  stringify.mock.restore()
  t.equal(encodings, 20)
  for (let data = 0; data < 20; data++) {
    const message = { command: 'M', data: `${data} ${text}` }
    for (const client of [one, plain]) t.strictSame(await client.next(), message)
    for (const client of several) t.strictSame(await client.next(), { ...message, room: 'cdr' })
  }
})

t.test('a message of another program cannot pass for one of another room', async t => {
  const { enter, bus } = await build(t)
  const client = await enter()
  for (const payload of ['{"command":"M","room":"b"}', '{"room":"b","command":"M"}\n', '{"command":"M","\\u0072oom":"b"} ']) {
    bus.publish('a', payload)
    t.equal((await client.expectMessage('M')).room, 'a')
  }
})

t.test('a handler may have a socket join and leave', async t => {
  const { app, enter, send, calls } = await build(t)
  const client = await enter()
  t.equal(await ask(client, 'JOIN', { room: 'b' }), true)
  t.strictSame(await client.expectStatus('joined'), { status: 'joined', rooms: { b: {} } })
  t.equal(await ask(client, 'JOIN', { room: 'b' }), true, 'where it is already, nothing is said, and nobody is called')
  await send('b', 1)
  await send('a', 2)
  t.strictSame(await client.expectMessage(), { command: 'M', data: 1, room: 'b' })
  t.strictSame(await client.expectMessage(), { command: 'M', data: 2, room: 'a' })
  t.equal(app.ws.stats().members, 3)
  t.equal(await ask(client, 'LEAVE', 'b'), true)
  t.strictSame(await client.expectStatus('left'), { status: 'left', rooms: { b: {} } })
  t.equal(await ask(client, 'LEAVE', 'b'), false)
  t.equal(await app.ws.count('b'), 0)
  await send('b', 3)
  await client.expectNothing()
  t.strictSame(calls, ['join desk', 'join a', 'join b', 'leave b'])
  await client.close()
  t.strictSame(calls.slice(4).sort(), ['leave a', 'leave desk'])
})

t.test('what was sent before a socket leaves still comes, and nothing of what is sent after', async t => {
  const { enter, send, connection } = await build(t)
  const client = await enter()
  send('a', 1)
  const leaving = connection().leave('a')
  send('a', 2)
  t.equal(await leaving, true)
  await settled(client)
  t.strictSame(commandsOf(client).slice(1), [['M', 1, 'a'], ['left', { status: 'left', rooms: { a: {} } }, undefined]])
})

t.test('a socket that has left its last room stays, and its commands are carried out', async t => {
  const { app, enter, connection } = await build(t)
  const client = await enter()
  for (const room of ['desk', 'a']) await connection().leave(room)
  t.match(app.ws.stats(), { connections: 1, members: 0, rooms: 0 })
  t.strictSame(await ask(client, 'ASK'), [null, null, []])
  t.equal(await ask(client, 'JOIN', { room: 'b' }), true)
  client.send({ command: 'WSPing' })
  await client.expectMessage('WSPong')
})

t.test('a route may begin with no room at all', async t => {
  const { app, enter } = await build(t, { rooms: [] })
  const client = await enter()
  t.strictSame(client.connected.rooms, {})
  t.match(app.ws.stats(), { connections: 1, members: 0 })
  t.equal(await ask(client, 'JOIN', { room: 'b' }), true)
  await app.ws.sendToRoom('b', { command: 'M' })
  await client.expectMessage({ command: 'M', room: 'b' })
})

t.test('each entry is authorised', async t => {
  const gate = new Gate()
  const asked: unknown[] = []
  const faults: Record<string, Error> = {
    full: Object.assign(new Error('full'), { statusCode: 403, code: 'FULL' }),
    broken: new Error('no database')
  }
  const { app, enter, reported, connection, calls } = await build(t, {
    route: {
      authorize: async ({ room, user, params }) => {
        asked.push([room, user, params])
        if (room === 'slow') await gate.pass()
        const fault = faults[room]
        if (fault !== undefined) throw fault
        return room !== 'secret'
      }
    }
  })
  const client = await enter()
  t.same(asked, [['desk', 'ada', { id: '7' }], ['a', 'ada', { id: '7' }]])

  t.test('a refusal rejects, the socket stays, and its other rooms too', async t => {
    await t.rejects(connection().join('secret'), { code: 'FST_ROOMS_FORBIDDEN', statusCode: 403 })
    t.match(await ask(client, 'JOIN', { room: 'secret' }), { code: 'FST_ROOMS_FORBIDDEN' })
    t.match(await ask(client, 'JOIN', { room: 'full' }), { code: 'FULL', message: 'full' })
    t.strictSame(reported, [], 'which is no fault')
    await app.ws.sendToRoom('secret', { command: 'M', data: 'secret' })
    await app.ws.sendToRoom('a', { command: 'M', data: 'open' })
    t.match(await client.expectMessage('M'), { data: 'open' })
    await client.expectNothing()
    t.strictSame(calls, ['join desk', 'join a'])
    t.equal(app.ws.stats().members, 2)
  })

  t.test('a fault rejects too, and is reported', async t => {
    await t.rejects(connection().join('broken'), { message: 'no database' })
    t.strictSame(reported.splice(0), ['no database'])
  })

  t.test('a name that cannot be is refused', async t => {
    await t.rejects(connection().join('no name'), { code: 'FST_ROOMS_INVALID_ROOM' })
    await t.rejects(connection().join(undefined as never), { code: 'FST_ROOMS_INVALID_ROOM' })
    t.equal(await connection().leave(undefined as never), false)
    t.equal(await connection().leave('no name'), false)
    t.strictSame(reported, [])
  })

  t.test('nobody need wait for a refusal', async () => {
    connection().join('secret')
    await settled(client)
  })

  t.test('it is asked again each time, and once for who asks twice at once', async t => {
    asked.length = 0
    await connection().join('b')
    await connection().leave('b')
    t.strictSame(await Promise.all([connection().join('b'), connection().join('b')]), [true, true])
    t.equal(asked.length, 2)
    t.equal(app.ws.stats().members, 3)
    await connection().leave('b')
    for (const status of ['joined', 'left', 'joined', 'left']) await client.expectStatus(status)
    await client.expectNothing()
  })

  t.test('who leaves while it is asked is not let in', async t => {
    const joining = connection().join('slow')
    await gate.reached
    t.equal(await connection().leave('slow'), true)
    gate.open()
    t.equal(await joining, false)
    t.equal(app.ws.stats().members, 2)
    await client.expectNothing()
  })
})

t.test('a hook that never answers lets nobody into one more room, and the socket stays', async t => {
  const { enter, connection, reported, app } = await build(t, {
    plugin: { authTimeout: 500 }, route: { authorize: ({ room }) => room !== 'never' || new Promise(() => {}) }
  })
  const client = await enter()
  await t.rejects(connection().join('never'), { code: 'FST_ROOMS_HOOK_TIMEOUT' })
  t.equal(reported.length, 1)
  t.equal(app.ws.stats().connections, 1)
  await client.expectNothing()
})

t.test('at the door, all rooms are entered or none', async t => {
  const { app, calls } = await build(t, { rooms: ['a', 'b', 'c'], route: { authorize: ({ room }) => room !== 'b' } })
  await t.rejects(connect(app, '/ws/7', 'ada'), { code: 4403, status: 'forbidden' })
  t.match(app.ws.stats(), { connections: 0, members: 0, ended: { forbidden: 1 } })
  t.strictSame(calls, [])
})

t.test('at the door, what one room cannot give keeps the socket out of all', async t => {
  const { app, bus } = await build(t, { rooms: ['a', 'kept', 'b'] })
  const refusal = bus.refuse('read', { room: 'kept' })
  await t.rejects(connect(app, '/ws/7', 'ada'), { code: 1013, status: 'overloaded' })
  await until(() => app.ws.stats().connections === 0)
  t.match(app.ws.stats(), { members: 0, rooms: 0 })
  refusal.stop()
  await connect(app, '/ws/7', 'ada')
})

t.test('what is taken away at the door, before a socket can know that it is in, is not among its rooms', async t => {
  const { app, bus, enter, calls } = await build(t, { rooms: ['a', 'b'] })
  const hold = bus.stall('subscribe', { room: 'b' })
  const entering = enter()
  await hold.reached()
  await until(async () => await app.ws.count('a') === 1)
  t.strictSame(await app.ws.removeFromRoom('a', 'ada'), { connections: 1 })
  hold.release()
  const client = await entering
  t.strictSame(client.connected.rooms, { b: {} })
  await app.ws.sendToRoom('b', { command: 'M' })
  await client.expectMessage('M')
  await client.expectNothing()
  t.strictSame(commandsOf(client).map(([command]) => command), ['connected', 'M'])
  t.strictSame(calls, ['join b'])
})

t.test('a snapshot that fails ends a socket that has lost another room meanwhile', async t => {
  const gates: Record<string, Gate> = { a: new Gate(), b: new Gate() }
  const { app, enter, reported } = await build(t, {
    rooms: ['a', 'b'],
    route: {
      snapshot: async ({ room }) => {
        await gates[room]?.pass()
        if (room === 'b') throw new Error('no database')
      }
    }
  })
  const client = await enter()
  for (const gate of Object.values(gates)) await gate.reached
  await app.ws.removeFromRoom('a', 'ada')
  await client.expectStatus('left')
  gates.a?.open()
  await settled(client)
  gates.b?.open()
  t.match(await client.expectClose(), { code: 1011, status: 'unavailable' })
  t.strictSame(reported, ['no database'])
})

t.test('a history that cannot be read keeps a socket out of that room alone', async t => {
  const { app, bus, enter, connection, reported } = await build(t)
  await enter()
  const refusal = bus.refuse('read', { room: 'kept' })
  await t.rejects(connection().join('kept'), { code: 'FST_ROOMS_HISTORY_UNAVAILABLE' })
  t.match(app.ws.stats(), { connections: 1, members: 2 })
  refusal.stop()
  t.equal(await connection().join('kept'), true)
  t.strictSame(reported, [])
})

t.test('a room’s contract says who may enter it, whichever way it is named, unless the route says it', async t => {
  const asked: string[] = []
  const vip = defineRoom('vip/:id', {
    messages: { M: {} },
    authorize: ({ room }) => { asked.push(room); return room !== 'vip/1' },
    snapshot: ({ room }) => `snapshot of ${room}`
  })
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyRooms, { authorize: ({ room }) => room !== 'closed' })
  const connections: Connection[] = []
  const onJoin = ({ connection }: { connection: Connection }): void => { connections.push(connection) }
  app.get('/open/ws', { websocket: true }, app.manageWebsocket(['a'], { authenticate: false, onJoin, contracts: [vip] }))
  app.get('/own/ws', { websocket: true }, app.manageWebsocket(['a'], { authenticate: false, onJoin, contracts: [vip], authorize: () => true }))
  app.get('/one/:id/ws', { websocket: true }, app.manageWebsocket<{ Params: { id: string } }>(({ params }) => vip(params), { authenticate: false }))
  app.get('/none/ws', { websocket: true }, app.manageWebsocket(['a'], { authenticate: false, onJoin }))

  const client = await connect(app, '/open/ws')
  const [connection] = connections as [Connection]
  for (const room of [vip({ id: 1 }), 'vip/1', 'closed']) await t.rejects(connection.join(room), { code: 'FST_ROOMS_FORBIDDEN' })
  await connection.join('vip/2')
  t.match(await client.expectMessage('WSSnapshot'), { data: 'snapshot of vip/2', room: 'vip/2' })
  await connection.leave(vip({ id: 2 }))
  t.strictSame(asked.splice(0), ['vip/1', 'vip/1', 'vip/2'])

  await settled(await connect(app, '/own/ws'))
  t.equal(await connections.at(-1)?.join(vip({ id: 1 })), true)
  t.strictSame(asked, [], 'the route’s own word comes first')

  await t.rejects(connect(app, '/one/1/ws'), { code: 4403 })
  t.match(await (await connect(app, '/one/2/ws')).expectMessage(), { command: 'WSSnapshot', data: 'snapshot of vip/2' })

  await settled(await connect(app, '/none/ws'))
  await t.rejects(connections.at(-1)?.join(vip({ id: 1 })) as Promise<boolean>, { code: 'FST_ROOMS_FORBIDDEN' }, 'a room brings its contract along')
})

t.test('a socket can be in so many rooms', async t => {
  const { enter, connection } = await build(t, { plugin: { maxRooms: 3 } })
  const client = await enter()
  t.equal(await ask(client, 'JOIN', { room: 'b' }), true)
  t.match(await ask(client, 'JOIN', { room: 'c' }), { code: 'FST_ROOMS_TOO_MANY_ROOMS', message: /no more than 3 rooms/ })
  t.equal(await ask(client, 'JOIN', { room: 'b' }), true)
  await connection().leave('b')
  t.strictSame((await Promise.allSettled(['c', 'd'].map(async room => await connection().join(room)))).map(({ status }) => status), ['fulfilled', 'rejected'], 'those that are not decided yet count, too')
})

t.test('the sockets of a route to one room are in this room alone', async t => {
  let connection: Connection | undefined
  const { app } = await createApp(t, { route: { authenticate: false, onJoin: event => { connection = event.connection } } })
  const client = await connect(app, '/cdr/users/ws')
  await until(() => connection !== undefined)
  await t.rejects(connection?.join('b') as Promise<boolean>, { code: 'FST_ROOMS_ONE_ROOM', message: /manageWebsocket\(\[room\]\)/ })
  await t.rejects(connection?.leave('cdr') as Promise<boolean>, { code: 'FST_ROOMS_ONE_ROOM' })
  connection?.join('b')
  connection?.leave('cdr')
  await app.ws.sendToRoom('cdr', { command: 'M', data: 1 })
  t.strictSame(await client.expectMessage(), { command: 'M', data: 1 })
})

t.test('a socket that is closing joins nothing', async t => {
  const gate = new Gate()
  const { app, enter, connection, calls } = await build(t, { route: { authorize: async ({ room }) => { if (room === 'b') await gate.pass(); return true } } })
  const client = await enter()
  const joining = connection().join('b')
  await gate.reached
  const closing = connection()
  closing.close()
  t.equal(await joining, false)
  gate.open()
  t.equal(await closing.join('c'), false)
  t.equal(await closing.leave('a'), false)
  await client.expectClose(1000)
  t.match(app.ws.stats(), { members: 0 })
  t.notOk(calls.includes('join b'))
})

t.test('a client that leaves while the broker is asked for one more room leaves nothing behind', async t => {
  const { app, bus, enter, connection } = await build(t)
  const client = await enter()
  const stalled = bus.stall('subscribe', { room: 'b' })
  const joining = connection().join('b')
  await stalled.reached(1)
  await client.terminate()
  t.equal(await joining, false)
  stalled.stop()
  t.match(app.ws.stats(), { connections: 0, rooms: 0, members: 0 })
})

t.test('who leaves a room while the broker is still asked, and comes again, is in it once', async t => {
  const { app, bus, enter, connection, send, calls } = await build(t)
  const client = await enter()
  const stalled = bus.stall('subscribe', { room: 'b' })
  const first = connection().join('b')
  await stalled.reached(1)
  await connection().leave('b')
  const second = connection().join('b')
  stalled.release()
  t.strictSame(await Promise.all([first, second]), [false, true])
  await send('b', 1)
  await settled(client)
  t.strictSame(heard(client), ['b 1'])
  t.strictSame(calls, ['join desk', 'join a', 'join b'])
  t.equal(app.ws.stats().members, 3)
})

t.test('while the application closes, nobody joins anything', async t => {
  const gate = new Gate()
  const { app, enter, connection, calls } = await build(t, { setup: app => { app.get('/slow', async () => { await gate.pass(); return await connection().join('b') }) } })
  const client = await enter()
  const joining = connection()
  const response = app.inject('/slow')
  await gate.reached
  const closing = app.close()
  // Who comes now is refused, and so the application is closing.
  await until(async () => await enter().then(async late => await late.close(), () => undefined) === undefined)
  await new Promise(resolve => setImmediate(resolve))
  gate.open()
  t.equal((await response).payload, 'false')
  await client.expectClose(1012)
  await closing
  t.strictSame(calls.filter(call => call.endsWith(' b')), [])
  t.equal(joining.rooms.size, 0)
})

t.test('snapshots', async t => {
  /** Whose snapshots wait at a gate of their own. */
  async function buildWithSnapshots (t: Test, names: string[], settings: Settings = {}) {
    const gates = new Map(names.map(name => [name, new Gate()]))
    const built = await build(t, { rooms: [desk], ...settings, route: { snapshot: async ({ room }) => { await gates.get(room)?.pass(); return `of ${room}` }, ...settings.route } })
    return { ...built, gate: (name: string): Gate => gates.get(name) as Gate }
  }

  t.test('each room has its own, ahead of its messages, whatever comes first', async t => {
    const { enter, send, gate, calls, app } = await buildWithSnapshots(t, ['a', 'b'], { rooms: ['a', 'b', 'desk'] })
    const client = await enter()
    await Promise.all([gate('a').reached, gate('b').reached])
    for (const [data, room] of ['a', 'b', 'a', 'desk', 'b'].entries()) await send(room, data)
    await settled(client)
    t.strictSame(heard(client), [])
    gate('b').open()
    await settled(client)
    gate('a').open()
    await send('a', 5)
    await until(() => heard(client).length === 9)
    for (const [room, messages] of Object.entries({ a: ['0', '2', '5'], b: ['1', '4'], desk: ['3'] })) {
      t.strictSame(heard(client).filter(line => String(line).startsWith(room)), [`${room} of ${room}`, ...messages.map(data => `${room} ${data}`)])
    }
    await until(() => calls.length === 3)
    t.equal(app.ws.stats().delivered, 6)
  })

  t.test('a room that is joined later has one after `joined`, and the messages of others wait behind it', async t => {
    const { enter, send, gate, connection } = await buildWithSnapshots(t, ['b'])
    const client = await enter()
    await client.expectMessage('WSSnapshot')
    const joining = connection().join('b')
    await gate('b').reached
    await send('desk', 1)
    await send('b', 2)
    gate('b').open()
    t.equal(await joining, true)
    await settled(client)
    t.strictSame(commandsOf(client).slice(2), [['joined', { status: 'joined', rooms: { b: {} } }, undefined], ['WSSnapshot', 'of b', 'b'], ['M', 1, 'desk'], ['M', 2, 'b']])
  })

  t.test('what is sent to the socket alone keeps its place among the messages of its rooms', async t => {
    const { enter, send, gate, connection } = await buildWithSnapshots(t, ['b'])
    const client = await enter()
    await client.expectMessage('WSSnapshot')
    const joining = connection().join('b')
    await gate('b').reached
    send('desk', 1)
    connection().send({ command: 'M', data: 2 })
    send('b', 3)
    gate('b').open()
    await joining
    await settled(client)
    t.strictSame(heard(client).slice(1), ['b of b', 'desk 1', 'undefined 2', 'b 3'])
  })

  t.test('who leaves while one is taken is sent neither it nor what waited for it, and all else', async t => {
    const { enter, send, gate, connection, calls } = await buildWithSnapshots(t, ['b', 'c'])
    const client = await enter()
    await client.expectMessage('WSSnapshot')
    const joining = [connection().join('b'), connection().join('c')]
    await Promise.all([gate('b').reached, gate('c').reached])
    for (const [data, room] of ['b', 'desk', 'c', 'b'].entries()) await send(room, data)
    await connection().leave('b')
    await send('b', 4)
    gate('b').open()
    t.equal(await joining[0], false)
    gate('c').open()
    t.equal(await joining[1], true)
    await settled(client)
    t.strictSame(heard(client), ['desk of desk', 'c of c', 'desk 1', 'c 2'])
    t.strictSame(calls, ['join desk', 'join c'])
    t.equal(await connection().join('b'), true)
    await settled(client)
    t.strictSame(heard(client).slice(4), ['b of b'])
  })

  t.test('one that fails rejects, and the socket has left the room again', async t => {
    const { app, enter, connection, reported } = await build(t, { route: { snapshot: ({ room }) => { if (room === 'b') throw new Error('no database') } } })
    const client = await enter()
    await t.rejects(connection().join('b'), { message: 'no database' })
    for (const status of ['joined', 'left']) t.match(await client.expectStatus(status), { rooms: { b: {} } })
    t.strictSame(reported, ['no database'])
    t.match(app.ws.stats(), { connections: 1, members: 2 })
    await app.ws.sendToRoom('a', { command: 'M', data: 1 })
    await client.expectMessage({ command: 'M', room: 'a' })
  })

  t.test('one that fails after the socket has left is reported, and ends nothing', async t => {
    const gate = new Gate()
    const { app, enter, connection, reported } = await build(t, { route: { snapshot: async ({ room }) => { if (room === 'b') { await gate.pass(); throw new Error('no database') } } } })
    await enter()
    const joining = connection().join('b')
    await gate.reached
    await connection().leave('b')
    gate.open()
    await t.rejects(joining, { message: 'no database' })
    t.strictSame(reported, ['no database'])
    t.match(app.ws.stats(), { connections: 1, members: 2 })
  })

  t.test('one that fails at the door ends the socket', async t => {
    const { app, enter, reported } = await build(t, { route: { snapshot: async ({ room }) => { if (room === 'a') throw new Error('no database') } } })
    const client = await enter()
    await client.expectClose(1011)
    t.strictSame(reported, ['no database'])
    await until(() => app.ws.stats().members === 0)
  })

  t.test('what waits for one has a limit', async t => {
    const { app, enter, send, gate, connection } = await buildWithSnapshots(t, ['b'], { plugin: { maxMessage: 1_000, maxSnapshot: 1_000, maxBuffered: 3_000 } })
    const client = await enter()
    await client.expectMessage('WSSnapshot')
    const joining = connection().join('b')
    await gate('b').reached
    for (let i = 0; i < 4; i++) await send(i % 2 === 0 ? 'b' : 'desk', 'x'.repeat(900))
    await client.expectClose(1013)
    t.equal(await joining, false)
    gate('b').open()
    t.match(app.ws.stats(), { members: 0, ended: { overloaded: 1 } })
  })
})

t.test('onJoin and onLeave', async t => {
  t.test('come in pairs, in order, also where a room is left and joined again at once', async t => {
    const calls: string[] = []
    const gates = [new Gate(), new Gate()]
    let joins = 0
    const { enter, connection, connections } = await build(t, {
      route: {
        onJoin: async ({ room, connection }) => {
          connections.push(connection)
          if (room !== 'b') return
          const join = ++joins
          calls.push(`join ${join}`)
          if (join === 1) await gates[0]?.pass()
          calls.push(`joined ${join}`)
        },
        onLeave: async ({ room }) => {
          if (room !== 'b') return
          calls.push('leave')
          if (joins === 1) await gates[1]?.pass()
          calls.push('left')
        }
      }
    })
    const client = await enter()
    const first = connection().join('b')
    await gates[0]?.reached
    t.equal(await connection().leave('b'), true)
    const second = connection().join('b')
    await client.expectStatus('left')
    await client.expectStatus('joined')
    gates[0]?.open()
    t.equal(await first, true, 'it was in')
    await gates[1]?.reached
    t.strictSame(calls, ['join 1', 'joined 1', 'leave'])
    gates[1]?.open()
    t.equal(await second, true)
    t.strictSame(calls, ['join 1', 'joined 1', 'leave', 'left', 'join 2', 'joined 2'])
    await client.close()
    await until(() => calls.length === 8)
    t.strictSame(calls.slice(6), ['leave', 'left'])
  })

  t.test('onJoin may join other rooms, and ask again for its own', async t => {
    const { enter, calls } = await build(t, {
      rooms: ['a'],
      route: {
        onJoin: async ({ room, connection }) => {
          if (room === 'a') t.strictSame([await connection.join('a'), await connection.join('b')], [true, true])
          else connection.send({ command: 'M', data: room })
        }
      }
    })
    const client = await enter()
    t.strictSame(await client.expectMessage(), { command: 'M', data: 'b' })
    await client.close()
    await until(() => calls.length === 2)
    t.strictSame(calls.sort(), ['leave a', 'leave b'])
  })

  t.test('an onJoin that fails rejects, and the socket has left the room again, with its onLeave', async t => {
    const { app, enter, connection, connections, reported, calls } = await build(t, {
      route: { onJoin: ({ room, connection }) => { connections.push(connection); if (room === 'b') throw new Error('no presence') } }
    })
    const client = await enter()
    await t.rejects(connection().join('b'), { message: 'no presence' })
    await client.expectStatus('left')
    await until(() => calls.length === 1)
    t.strictSame(calls, ['leave b'])
    t.strictSame(reported, ['no presence'])
    t.equal(app.ws.stats().members, 2)
  })
})

t.test('rooms with history', async t => {
  t.test('a client that comes back is answered for each room on its own', async t => {
    const { app, enter, send } = await build(t, { rooms: ['kept1', 'kept2', 'kept3', 'plain'], plugin: { maxRecovery: 3 } })
    const before = await enter()
    for (const room of ['kept1', 'kept2', 'plain']) await send(room, 1)
    await settled(before)
    const { positions } = before
    t.match(positions, { kept1: { seq: 1 }, kept2: { seq: 1 }, kept3: { seq: 0 } })
    await before.terminate()
    for (let data = 2; data <= 4; data++) await send('kept1', data)
    for (let data = 2; data <= 9; data++) await send('kept2', data)
    await send('plain', 2)
    const after = await enter({ recover: { ...positions, plain: { epoch: '1', seq: 1, mid: 'x' }, other: { epoch: '1', seq: 1, mid: 'x' } } })
    t.match(after.connected.rooms, {
      kept1: { ...positions.kept1, recovered: true },
      kept2: { seq: 9, recovered: false, reason: 'limit' },
      kept3: { ...positions.kept3, recovered: true },
      plain: { recovered: false, reason: 'no_history' }
    })
    for (const room of ['kept2', 'kept1']) await send(room, 'new')
    await settled(after)
    t.strictSame(heard(after).filter(line => String(line).startsWith('kept1')), ['kept1 2', 'kept1 3', 'kept1 4', 'kept1 new'])
    t.strictSame(heard(after).filter(line => String(line).startsWith('kept2')), ['kept2 new'])
    t.match(after.positions, { kept1: { seq: 5 }, kept2: { seq: 10 }, kept3: { seq: 0 } })
    t.match(unpinged(after).at(-1), { room: String, seq: Number, mid: String })
    t.match(app.ws.stats(), { recovered: 2, unrecovered: 1 })
  })

  t.test('a room that is joined later says where the client stands, and may give it what it has missed', async t => {
    const { enter, send } = await build(t)
    const before = await enter()
    await ask(before, 'JOIN', { room: 'kept' })
    t.match(await before.expectStatus('joined'), { rooms: { kept: { epoch: String, seq: 0, mid: String } } })
    for (let data = 1; data <= 3; data++) await send('kept', data)
    await settled(before)
    const { positions } = before
    await ask(before, 'LEAVE', 'kept')
    await before.expectStatus('left')
    t.strictSame(before.positions, {}, 'a client that has left stands nowhere')
    for (let data = 4; data <= 6; data++) await send('kept', data)
    await ask(before, 'JOIN', { room: 'kept', recover: positions.kept })
    t.match(await before.expectStatus('joined'), { rooms: { kept: { ...positions.kept, recovered: true } } })
    await send('kept', 7)
    await settled(before)
    t.strictSame(heard(before), [1, 2, 3, 4, 5, 6, 7].map(data => `kept ${data}`))
    await ask(before, 'LEAVE', 'kept')
    await ask(before, 'JOIN', { room: 'kept', recover: 'nonsense' })
    await before.expectStatus('left')
    t.match(await before.expectStatus('joined'), { rooms: { kept: { recovered: false, reason: 'invalid' } } })
  })

  t.test('messages are missing from one room: it is filled, and no other has anything twice', async t => {
    const { bus, enter, send } = await build(t, { rooms: ['kept1', 'kept2'] })
    const client = await enter()
    bus.drop({ room: 'kept1' }, { times: 2 })
    for (let data = 1; data <= 5; data++) for (const room of ['kept1', 'kept2']) await send(room, data)
    await until(() => heard(client).length === 10)
    await settled(client)
    for (const room of ['kept1', 'kept2']) t.strictSame(heard(client).filter(line => String(line).startsWith(room)), [1, 2, 3, 4, 5].map(data => `${room} ${data}`))
  })

  t.test('what is lost for good is told of its room, and the others stand where they stood', async t => {
    const { bus, enter, send } = await build(t, { rooms: ['kept1', 'kept2', 'kept3'] })
    const client = await enter()
    for (const room of ['kept1', 'kept2', 'kept3']) await send(room, 1)
    await settled(client)
    for (const room of ['kept1', 'kept3']) {
      bus.forget(room)
      bus.missed(room)
    }
    for (let i = 0; i < 2; i++) await client.expectStatus('resync')
    for (const room of ['kept1', 'kept2', 'kept3']) await send(room, 2)
    await settled(client)
    const told = (room: string): unknown[] => commandsOf(client).filter(([, , of]) => of === room).map(([command]) => command)
    for (const room of ['kept1', 'kept3']) t.strictSame(told(room), ['M', 'epoch', 'resync', 'M'], room)
    t.strictSame(told('kept2'), ['M', 'M'])
    t.match(client.positions, { kept1: { seq: 1 }, kept2: { seq: 2 }, kept3: { seq: 1 } })
  })

  t.test('who leaves a room while what it has missed is read is sent nothing of it any more', async t => {
    const app = await createApp(t, {
      rooms: { history: kept, maxMessage: 100_000, maxBuffered: 1_000_000 },
      setup: app => {
        app.get('/ws', { websocket: true }, app.manageWebsocket(['kept1', 'kept2'], { authenticate: false, onJoin: event => { connection = event.connection } }))
      }
    })
    let connection: Connection | undefined
    const first = await connect(app.app, '/ws')
    const { positions } = first
    await first.close()
    const long = 'x'.repeat(90_000)
    for (let i = 0; i < 100; i++) await app.app.ws.sendToRoom('kept1', { command: 'M', data: `${i} ${long}` })
    for (let i = 0; i < 3; i++) await app.app.ws.sendToRoom('kept2', { command: 'M', data: String(i) })
    const client = await open(t, app.url.replace('/cdr/users/ws', '/ws'))
    // A room that is open to all takes no `recover`, so the handler is told by hand where the client stood.
    await client.next()
    await until(() => connection?.rooms.size === 2)
    for (const room of ['kept1', 'kept2']) await connection?.leave(room)
    client.socket.pause()
    const joining = [connection?.join('kept1', { recover: positions.kept1 }), connection?.join('kept2', { recover: positions.kept2 })]
    t.strictSame(await Promise.all(joining), [true, true])
    await connection?.leave('kept1')
    client.socket.resume()
    await until(() => client.frames.some(({ room, data }) => room === 'kept2' && String(data) === '2'))
    const frames = client.frames.map(({ command, room, data }) => `${room ?? data?.status} ${command === 'M' ? String(data).slice(0, 2) : Object.keys(data?.rooms ?? {}).join()}`)
    const left = frames.lastIndexOf('left kept1')
    t.ok(left > 0)
    t.strictSame(frames.slice(left + 1).filter(frame => frame.startsWith('kept1')), [])
    t.strictSame(frames.filter(frame => frame.startsWith('kept2')), ['kept2 0', 'kept2 1', 'kept2 2'])
    const first100 = frames.filter(frame => frame.startsWith('kept1'))
    t.strictSame(first100, first100.map((_, index) => `kept1 ${`${index} x`.slice(0, 2)}`), 'what came, came in order')
    t.ok(first100.length < 100)
  })
})

t.test('a resync says which rooms are meant, and comes once for all of them', async t => {
  const { bus, enter } = await build(t, { rooms: ['a', 'b', 'c', 'd'] })
  const client = await enter()
  bus.missed('a')
  t.match(await client.expectStatus('resync'), { status: 'resync' })
  for (const room of ['b', 'c', 'b', 'd']) bus.missed(room)
  for (let i = 0; i < 3; i++) await client.expectStatus('resync')
  await settled(client)
  t.strictSame(commandsOf(client).slice(1).map(([command, , room]) => [command, room]), [['resync', 'a'], ['resync', 'b'], ['resync', 'c'], ['resync', 'd']])
})

t.test('a socket that waits to be told of one room is told of another, too, that stands elsewhere meanwhile', async t => {
  const { bus, enter, send } = await build(t, { rooms: ['a', 'kept', 'b'] })
  const client = await enter()
  await send('kept', 1)
  bus.missed('a')
  await client.expectStatus('resync')
  bus.missed('b')
  bus.forget('kept')
  bus.missed('kept')
  await client.expectStatus('epoch')
  await send('kept', 2)
  await client.expectMessage({ room: 'kept', data: 2 })
  t.same(commandsOf(client).filter(([command]) => command === 'resync').map(([, , room]) => room).sort(), ['a', 'b', 'kept'])
  t.match(client.positions, { kept: { seq: 1 } })
})

t.test('a room that was left meanwhile is told no resync', async t => {
  const { bus, enter, connection } = await build(t)
  const client = await enter()
  bus.missed('a')
  await client.expectStatus('resync')
  bus.missed('a')
  bus.missed('desk')
  await connection().leave('a')
  await client.expectStatus('left')
  await client.expectStatus('resync')
  await client.expectNothing()
  t.match(unpinged(client).at(-1), { room: 'desk' })
})

t.test('without the broker, one word says that something may be missing, and `resync` says where', async t => {
  const bus = new TestBus()
  const { enter, connection, send } = await build(t, { bus, plugin: { subscribeTimeout: 50 } })
  const client = await enter()
  bus.outage()
  t.equal(await connection().join('b'), true)
  t.strictSame(await client.expectStatus('joined'), { status: 'joined', rooms: { b: {} }, degraded: true })
  const late = await enter()
  t.equal(late.connected.degraded, true)
  await send('b', 1)
  t.match(await client.expectMessage('M'), { data: 1, room: 'b' })
  bus.restore()
  await until(() => new Set(unpinged(client).filter(({ data }) => (data as { status?: string }).status === 'resync').map(({ room }) => room)).size === 3)
})

t.test('a client that does not read is cut off, out of all its rooms', async t => {
  let members = 0
  const { app, url } = await createApp(t, {
    rooms: { maxMessage: 100_000, maxBuffered: 600_000, maxSnapshot: 100 },
    setup: app => { app.get('/ws', { websocket: true }, app.manageWebsocket(['a', 'b'], { authenticate: false, onJoin: () => { members++ }, onLeave: () => { members-- } })) }
  })
  const client = await open(t, url.replace('/cdr/users/ws', '/ws'))
  await client.next()
  await until(() => members === 2)
  client.socket.pause()
  const long = 'x'.repeat(90_000)
  for (let i = 0; app.ws.stats().members > 0; i++) {
    await app.ws.sendToRoom(i % 2 === 0 ? 'a' : 'b', { command: 'M', data: long })
    await new Promise(resolve => setImmediate(resolve))
  }
  client.socket.resume()
  t.ok([1006, 4413].includes((await endingOf(client)).code))
  await until(() => members === 0)
  t.match(app.ws.stats(), { rooms: 0, members: 0, ended: { too_slow: 1 } })
})

t.test('a socket that is cut off for what was sent before it leaves has left all its rooms, once', async t => {
  let connection: Connection | undefined
  const { app, url } = await createApp(t, {
    rooms: { maxMessage: 100_000, maxBuffered: 600_000, maxSnapshot: 100 },
    setup: app => { app.get('/ws', { websocket: true }, app.manageWebsocket(['a', 'b'], { authenticate: false, onJoin: event => { connection = event.connection } })) }
  })
  const other = await open(t, url.replace('/cdr/users/ws', '/ws'))
  await other.next()
  const client = await open(t, url.replace('/cdr/users/ws', '/ws'))
  await client.next()
  await until(() => app.ws.stats().members === 4)
  client.socket.pause()
  const long = 'x'.repeat(50_000) // more than one of them in a turn waits for its end
  const behind = (): boolean => [...app.websocketServer.clients].some(({ bufferedAmount }) => bufferedAmount > 500_000)
  while (!behind()) {
    app.ws.sendToRoom('a', { command: 'M', data: long })
    await new Promise(resolve => setImmediate(resolve))
  }
  while (app.ws.stats().members === 4) {
    app.ws.sendToRoom('a', { command: 'M', data: long })
    await connection?.leave('a')
    await connection?.join('a')
  }
  client.socket.resume()
  await client.closed
  await app.ws.sendToRoom('a', { command: 'M', data: 'last' })
  await until(() => other.frames.at(-1)?.data as unknown === 'last')
  t.match(app.ws.stats(), { rooms: 2, members: 2, ended: { too_slow: 1 } })
})

t.test('commands', async t => {
  const stand = defineRoom('stand/:id', { messages: { CALLED: Type.Integer() }, commands: { CALL: { data: Type.Object({ desk: Type.Integer() }), reply: Type.Object({ ticket: Type.Integer() }) }, NOTE: {} } })
  const hall = defineRoom('hall', { messages: { OPENED: Type.Null() }, commands: { NOTE: {}, JOIN: { data: Type.String() } } })
  const news = defineRoom('news', { messages: { HEADLINE: Type.String() } })
  const app = Fastify()
  t.teardown(() => app.close())
  const reported: unknown[] = []
  await app.register(fastifyRooms, { onError: ({ room }) => { reported.push(room) } })
  app.get('/ws', { websocket: true }, app.manageWebsocket([hall, news, 'plain'], {
    authenticate: false,
    contracts: [stand],
    commands: {
      hall: {
        NOTE: ({ room, data }) => ['hall', room ?? null, data ?? null],
        JOIN: ({ data, connection }) => connection.join(stand({ id: data }))
      },
      'stand/:id': {
        CALL: ({ data, room }) => ({ ticket: data.desk * 10 + Number(room?.slice(-1) ?? 0) }),
        NOTE: ({ room, data }) => { if (data === 'fail') throw new Error('no'); return ['stand', room ?? null] }
      }
    }
  }))
  await app.ready()
  const client = await connect(app, '/ws')
  const exchange = async (frame: object): Promise<object> => {
    const id = ++ids
    client.send({ ...frame, id })
    const { id: _, ...answer } = await client.expectMessage({ id })
    return answer
  }

  t.test('go to the contract of the room that they name, and are answered with it', async t => {
    for (const id of ['1', '2']) await exchange({ command: 'JOIN', data: id })
    t.strictSame(await exchange({ command: 'CALL', data: { desk: 4 }, room: 'stand/1' }), { command: 'CALL', data: { ticket: 41 }, room: 'stand/1' })
    t.strictSame(await exchange({ command: 'CALL', data: { desk: 4 }, room: 'stand/2' }), { command: 'CALL', data: { ticket: 42 }, room: 'stand/2' })
    t.strictSame(await exchange({ command: 'NOTE', room: 'stand/2' }), { command: 'NOTE', data: ['stand', 'stand/2'], room: 'stand/2' })
    t.strictSame(await exchange({ command: 'NOTE', data: 1, room: 'hall' }), { command: 'NOTE', data: ['hall', 'hall', 1], room: 'hall' })
  })

  t.test('without a room, go to the first contract that has them; its only room is meant', async t => {
    t.strictSame(await exchange({ command: 'NOTE' }), { command: 'NOTE', data: ['hall', 'hall', null], room: 'hall' })
    t.strictSame(await exchange({ command: 'CALL', data: { desk: 4 } }), { command: 'CALL', data: { ticket: 40 } }, 'of two, none is guessed')
  })

  t.test('are refused in a room that the client is not in, or that takes none', async t => {
    for (const room of ['stand/3', 'other', 7, null, {}]) t.match(await exchange({ command: 'NOTE', room }), { data: { code: 'FST_ROOMS_NOT_IN_ROOM' } }, String(room))
    for (const room of ['news', 'plain']) t.match(await exchange({ command: 'NOTE', room }), { data: { code: 'FST_ROOMS_NO_COMMANDS' } }, room)
    t.match(await exchange({ command: 'CALL', data: { desk: 1 }, room: 'hall' }), { command: 'WSError', data: { code: 'FST_ROOMS_UNKNOWN_COMMAND' }, room: 'hall' })
    t.match(await exchange({ command: 'OTHER' }), { data: { code: 'FST_ROOMS_UNKNOWN_COMMAND' } })
    t.match(await exchange({ command: 'CALL', data: {}, room: 'stand/1' }), { data: { code: 'FST_ROOMS_INVALID_COMMAND' } })
    t.match(await exchange({ command: 'NOTE', data: 'fail', room: 'stand/1' }), { data: { code: 'FST_ROOMS_COMMAND_FAILED' } })
    t.strictSame(reported, ['stand/1'])
  })

  t.test('of a socket of one room are its room’s, whatever room the frame names', async t => {
    const one = Fastify()
    t.teardown(() => one.close())
    await one.register(fastifyRooms)
    one.get('/ws', { websocket: true }, one.manageWebsocket(hall, { authenticate: false, commands: { NOTE: ({ room }) => room, JOIN: () => {} } }))
    one.get('/seven/ws', { websocket: true }, one.manageWebsocket(stand({ id: 7 }), { authenticate: false, commands: { NOTE: ({ room }) => room, CALL: () => ({ ticket: 1 }) } }))
    for (const [url, room] of [['/ws', 'hall'], ['/seven/ws', 'stand/7']] as const) {
      const client = await connect(one, url)
      client.send({ command: 'NOTE', id: 1, room: 'other' })
      t.strictSame(await client.expectMessage(), { command: 'NOTE', data: room, id: 1 })
    }
  })
})

t.test('a route that cannot be is refused at boot', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyRooms, { maxRooms: 2 })
  const stand = defineRoom('stand/:id', { messages: { M: {} }, commands: { CALL: {} } })
  const route = (rooms: unknown, options?: unknown): unknown => app.manageWebsocket(rooms as never, options as never)
  const commands = { 'stand/:id': { CALL: () => {} } }
  t.throws(() => route(['a', 'b', 'c']), { code: 'FST_ROOMS_INVALID_OPTION', message: /'maxRooms' \(2\) is less than the 3 rooms/ })
  t.throws(() => route(['a', 'no name']), { code: 'FST_ROOMS_INVALID_ROOM' })
  t.throws(() => route([7]), { code: 'FST_ROOMS_INVALID_ROOM' })
  t.throws(() => route(['a'], { history: HISTORY }), { message: /'history' of a route needs a room with a fixed name, and one only/ })
  t.throws(() => route('a', { contracts: [stand] }), { message: /'contracts' needs a route whose sockets may be in several rooms/ })
  t.throws(() => route(['a'], { contracts: 7 }), { message: /'contracts' must be an array of contracts/ })
  t.throws(() => route(['a'], { contracts: [7] }), { message: /'contracts' must be an array of contracts/ })
  t.throws(() => route([stand]), { message: /'commands\['stand\/:id'\].CALL' has no handler/ })
  t.throws(() => route([stand], { commands: { CALL: () => {} } }), { message: /'commands\['CALL'\]' is the pattern of no contract/ })
  t.throws(() => route([stand], { commands: { 'stand/:id': { CALL: 7 } } }), { message: /must be a function/ })
  t.throws(() => route([stand], { contracts: [defineRoom('stand/:id', { messages: { M: {} } })], commands }), { message: /two contracts with the pattern 'stand\/:id'/ })
  t.throws(() => app.get('/ws', { websocket: true }, app.manageWebsocket([stand], { commands })), { code: 'FST_ROOMS_INVALID_CONTRACT', message: /has no parameter :id/ })
  t.doesNotThrow(() => app.get('/other/ws', { websocket: true }, app.manageWebsocket(['a'], { contracts: [stand], commands })))
})

t.test('a contract that is first met when somebody joins says what its rooms keep', async t => {
  const late = defineRoom('late/:id', { messages: { M: {} }, history: HISTORY })
  const { enter, connection } = await build(t)
  const client = await enter()
  await connection().join(late({ id: 1 }))
  t.match(await client.expectStatus('joined'), { rooms: { 'late/1': { epoch: String, seq: 0 } } })
})

t.test('two processes and Redis: several rooms, with and without history, while both send', async t => {
  const redis = await startRedis(t)
  const connections: Connection[] = []
  const settings = {
    rooms: { redis: redis.url, history: kept },
    setup: (app: Awaited<ReturnType<typeof createApp>>['app']) => {
      app.get('/ws', { websocket: true }, app.manageWebsocket(['kept1', 'plain1'], { authenticate: async () => {}, userId: () => undefined, expiresAt: () => undefined, onJoin: ({ room, connection }) => { if (room === 'kept1') connections.push(connection) } }))
    }
  }
  const [one, two] = [await createApp(t, settings), await createApp(t, settings)]
  await untilJoined(one, two)
  const clients = [await connect(one.app, '/ws', 'x'), await connect(two.app, '/ws', 'x')]
  await until(() => connections.length === 2)
  for (const connection of connections) for (const room of ['kept2', 'plain2']) t.equal(await connection.join(room), true)
  const rooms = ['kept1', 'kept2', 'plain1', 'plain2']
  for (const room of rooms) await until(async () => await one.app.ws.count(room) === 2)
  await Promise.all([one, two].map(async ({ app }, from) => {
    for (let i = 0; i < 50; i++) await Promise.all(rooms.map(async room => await app.ws.sendToRoom(room, { command: 'M', data: `${from}-${i}` })))
  }))
  await until(() => clients.every(client => heard(client).length === 400))
  const of = (client: Client | undefined, room: string): unknown[] => heard(client as Client).filter(line => String(line).startsWith(room))
  for (const room of rooms) {
    t.equal(new Set(of(clients[0], room)).size, 100)
    t.strictSame(of(clients[1], room), of(clients[0], room), 'both see one order')
  }

  const { positions } = clients[0] as Client
  t.match(positions, { kept1: { seq: 100 }, kept2: { seq: 100 } })
  await clients[0]?.terminate()
  for (const room of rooms) await two.app.ws.sendToRoom(room, { command: 'M', data: 'missed' })
  const back = await connect(two.app, '/ws', 'x', { recover: positions })
  t.match(back.connected.rooms, { kept1: { recovered: true }, plain1: {} })
  await back.expectMessage({ command: 'M', room: 'kept1', data: 'missed', seq: 101 })
  await until(() => connections.length === 3)
  await connections[2]?.join('kept2', { recover: positions.kept2 })
  await back.expectMessage({ command: 'M', room: 'kept2', data: 'missed', seq: 101 })
  await connections[2]?.leave('kept1')
  for (const room of rooms) await one.app.ws.sendToRoom(room, { command: 'M', data: 'last' })
  await until(() => of(back, 'kept2').length === 2 && of(back, 'plain1').length === 1)
  t.strictSame([of(back, 'kept1').length, of(back, 'plain2').length], [1, 0])
})

noStrays()
