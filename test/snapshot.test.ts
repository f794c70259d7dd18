import t from 'tap'
import type { Test } from 'tap'
import type { Connection, RoomRouteOptions, RoomsOptions } from '../index.js'
import { createApp, until, untilJoined } from './helpers/app.js'
import type { TestApp } from './helpers/app.js'
import { endingOf, join, open, status } from './helpers/client.js'
import type { Client, Frame } from './helpers/client.js'
import { Gate } from './helpers/gate.js'
import { startRedis } from './helpers/redis.js'
import { watchForStrays } from './helpers/strays.js'

const noStrays = watchForStrays(t)
const CONNECTED = { command: 'WSStatus', data: { status: 'connected' } }

async function createSnapshotApp (t: Test, snapshot: RoomRouteOptions['snapshot'], rooms?: RoomsOptions, route?: RoomRouteOptions): Promise<TestApp> {
  return await createApp(t, { ...(rooms !== undefined && { rooms }), route: { ...route, snapshot } })
}

/** Has sent its token, and waits. */
async function enter (t: Test, { url, token }: TestApp): Promise<Client> {
  const client = await open(t, url)
  client.send({ token: token() })
  t.match(await client.next(), CONNECTED)
  return client
}

async function take (client: Client, count: number): Promise<Frame[]> {
  const frames: Frame[] = []
  while (frames.length < count) frames.push(await client.next())
  return frames
}

t.test('a new member gets the snapshot after `connected`, and then what has been sent since', async t => {
  const gate = new Gate()
  const room = await createSnapshotApp(t, async ({ user, room, params, request }) => {
    await gate.pass()
    return { user, room, params, url: request.url }
  })
  const client = await enter(t, room)
  await gate.reached
  for (let i = 1; i <= 3; i++) await room.app.ws.sendToRoom('cdr', { command: 'M', data: i }, { volatile: i === 2 })
  t.equal(client.frames.length, 1)
  gate.open()
  room.app.ws.sendToRoom('cdr', { command: 'M', data: 4 })
  const [snapshot, ...messages] = await take(client, 5)
  t.match(snapshot, { command: 'WSSnapshot', data: { user: { sub: 'jeanne' }, room: 'cdr', params: {}, url: '/cdr/users/ws' } })
  t.strictSame(messages.map(({ data }) => data), [1, 2, 3, 4])
  t.equal(room.app.ws.stats().delivered, 4)
})

t.test('a snapshot may be anything that JSON takes, at once or later, for a route or for all of them', async t => {
  for (const data of [[], 0, null, 'text', { deep: [{}] }]) {
    const member = await enter(t, await createSnapshotApp(t, () => data))
    t.strictSame(await member.next(), { command: 'WSSnapshot', data })
  }
  const nothing = await enter(t, await createSnapshotApp(t, () => {}))
  t.strictSame(await nothing.next(), { command: 'WSSnapshot' })
  const everywhere = await createApp(t, { rooms: { snapshot: async () => 'of the plugin' } })
  t.strictSame(await (await enter(t, everywhere)).next(), { command: 'WSSnapshot', data: 'of the plugin' })
  const own = await createSnapshotApp(t, () => 'of the route', { snapshot: () => 'of the plugin' })
  t.strictSame(await (await enter(t, own)).next(), { command: 'WSSnapshot', data: 'of the route' })
})

t.test('what happens between the list and the socket is in one of the two: two processes, changes all the while', async t => {
  const redis = await startRedis(t)
  const state = { changes: 0, over: false } // what the processes would have in a database
  const snapshot = async (): Promise<number> => {
    const { changes } = state
    await new Promise(resolve => setImmediate(resolve))
    return changes
  }
  const rooms = { redis: redis.url }
  const [here, there] = [await createSnapshotApp(t, snapshot, rooms), await createSnapshotApp(t, snapshot, rooms)]
  await untilJoined(here, there)
  const changing = (async () => {
    while (!state.over) await there.app.ws.sendToRoom('cdr', { command: 'CHANGE', data: ++state.changes })
  })()
  for (let i = 0; i < 50; i++) {
    const client = await enter(t, here)
    const [first, ...messages] = (await take(client, 20)).map(({ data }) => data as unknown as number)
    const since = messages.filter(change => change > (first as number))
    t.strictSame(since, since.map((_, index) => first as number + 1 + index), 'no change is missing')
    client.socket.terminate()
  }
  state.over = true
  await changing
})

t.test('onJoin comes after the snapshot', async t => {
  const gate = new Gate()
  const calls: string[] = []
  const room = await createSnapshotApp(t, async () => { await gate.pass() }, undefined, {
    onJoin: ({ connection }) => {
      calls.push('onJoin')
      connection.send({ command: 'GREETING' })
    }
  })
  const client = await enter(t, room)
  await gate.reached
  t.strictSame(calls, [])
  gate.open()
  t.strictSame((await take(client, 2)).map(({ command }) => command), ['WSSnapshot', 'GREETING'])
})

t.test('a snapshot that fails ends its socket with 1011, is reported, and harms nobody', async t => {
  const cyclic: { self?: unknown } = {}
  cyclic.self = cyclic
  const failures: Array<[what: string, snapshot: RoomRouteOptions['snapshot'], error: object]> = [
    ['it throws', () => { throw new Error('no database') }, { message: 'no database' }],
    ['it rejects, with a status that would refuse at the door', async () => { throw Object.assign(new Error('no'), { statusCode: 403 }) }, { statusCode: 403 }],
    ['it is too long', () => 'x'.repeat(1_000), { code: 'FST_ROOMS_SNAPSHOT_TOO_LARGE', message: /1034 bytes.*\(1000\)/ }],
    ['it is no JSON', () => cyclic, { code: 'FST_ROOMS_INVALID_MESSAGE', cause: { name: 'TypeError' } }],
    ['it takes too long', () => new Promise(() => {}), { code: 'FST_ROOMS_SNAPSHOT_TIMEOUT', message: /\(50 ms\)/ }]
  ]
  for (const [what, snapshot, error] of failures) {
    const calls: string[] = []
    const errors: unknown[] = []
    const room = await createSnapshotApp(t, snapshot, { maxSnapshot: 1_000, snapshotTimeout: 50 }, {
      onJoin: () => { calls.push('onJoin') },
      onLeave: () => { calls.push('onLeave') },
      onError: event => { errors.push(event) }
    })
    room.app.log.level = 'silent'
    const ending = await endingOf(await enter(t, room))
    t.match(ending, { code: 1011 }, what)
    t.strictSame(ending.frames.at(-1), status('unavailable'))
    t.match(errors, [{ error, room: 'cdr' }])
    t.strictSame(calls, [], 'there was no onJoin, so there is no onLeave')
    await until(() => room.app.ws.stats().connections === 0)
    t.match(room.app.ws.stats(), { members: 0, ended: { unavailable: 1 } })
  }
})

t.test('a client that leaves while its snapshot is taken leaves nothing behind', async t => {
  const gate = new Gate()
  const errors: unknown[] = []
  const room = await createSnapshotApp(t, async () => { await gate.pass() }, undefined, { onError: event => { errors.push(event) } })
  const client = await enter(t, room)
  await gate.reached
  client.socket.terminate()
  await until(() => room.app.ws.stats().connections === 0)
  t.match(room.app.ws.stats(), { members: 0, rooms: 0 })
  gate.open()
  t.strictSame(errors, [])
})

t.test('a socket that is cut off in the moment in which its snapshot is ready gets nothing, and nothing is left of it', async t => {
  const gate = new Gate()
  const room = await createSnapshotApp(t, async () => { await gate.pass() })
  const client = await enter(t, room)
  await gate.reached
  await room.app.ws.sendToRoom('cdr', { command: 'M' })
  for (const socket of room.app.websocketServer.clients) socket.terminate()
  gate.open()
  await client.closed
  await until(() => room.app.ws.stats().connections === 0)
  t.equal(client.frames.length, 1)
  t.match(room.app.ws.stats(), { members: 0, delivered: 0 })
})

t.test('so many at a time are taken, the others wait for their turn, and who has left is passed over', async t => {
  const gates: Gate[] = []
  const room = await createSnapshotApp(t, async () => {
    const gate = new Gate()
    gates.push(gate)
    await gate.pass()
  }, { maxSnapshots: 2 })
  const clients: Client[] = []
  for (let i = 0; i < 5; i++) clients.push(await enter(t, room))
  t.equal(gates.length, 2)
  clients[2]?.socket.terminate()
  await until(() => room.app.ws.stats().members === 4)
  gates[0]?.open()
  t.strictSame(await clients[0]?.next(), { command: 'WSSnapshot' })
  await until(() => gates.length === 3)
  clients[1]?.socket.terminate() // it never gets its snapshot, and its place is free
  await until(() => gates.length === 4)
  for (const gate of gates) gate.open()
  t.strictSame(await clients[3]?.next(), { command: 'WSSnapshot' })
  t.strictSame(await clients[4]?.next(), { command: 'WSSnapshot' })
})

t.test('who has left the room when its turn comes is not shown it, and takes nobody’s place', async t => {
  const taken: string[] = []
  const gate = new Gate()
  let connection: Connection | undefined
  const { url, token } = await createApp(t, {
    rooms: { maxSnapshots: 1 },
    setup (app) {
      app.get('/several', { websocket: true }, app.manageWebsocket(['a'], {
        onJoin: joined => { connection ??= joined.connection },
        snapshot: async ({ room }) => {
          taken.push(room)
          if (room === 'busy') await gate.pass()
        }
      }))
    }
  })
  await join(t, url.replace('/cdr/users/ws', '/several'), token())
  await until(() => connection !== undefined)
  const joins = ['busy', 'left', 'next'].map(room => (connection as Connection).join(room))
  await gate.reached
  await until(() => connection?.rooms.size === 4)
  await connection?.leave('left')
  gate.open()
  t.strictSame(await Promise.all(joins), [true, false, true])
  t.strictSame(taken, ['a', 'busy', 'next'])
})

t.test('for a client that compresses, what waits counts as what it takes in memory', async t => {
  const gate = new Gate()
  const room = await createSnapshotApp(t, async () => { await gate.pass() }, { maxMessage: 1_000, maxSnapshot: 1_000, maxBuffered: 3_000, perMessageDeflate: { threshold: 10 } })
  const client = await enter(t, room)
  t.match(client.socket.extensions, 'permessage-deflate')
  await gate.reached
  for (let i = 0; i < 4; i++) await room.app.ws.sendToRoom('cdr', { command: 'M', data: 'x'.repeat(900) })
  t.match(await endingOf(client), { code: 1013 })
  gate.open()
})

t.test('more than may wait for one socket while its snapshot is taken: 1013, and come back', async t => {
  const gate = new Gate()
  const room = await createSnapshotApp(t, async () => { await gate.pass() }, { maxMessage: 1_000, maxSnapshot: 1_000, maxBuffered: 3_000 })
  const client = await enter(t, room)
  await gate.reached
  for (let i = 0; i < 4; i++) await room.app.ws.sendToRoom('cdr', { command: 'M', data: 'x'.repeat(900) })
  const ending = await endingOf(client)
  t.match(ending, { code: 1013 })
  t.strictSame(ending.frames.slice(1), [status('overloaded')])
  gate.open()
  t.match(room.app.ws.stats(), { members: 0, delivered: 0, ended: { overloaded: 1 } })
  gate.open()
  const again = await join(t, room.url, room.token())
  t.strictSame(await again.next(), { command: 'WSSnapshot' })
})

noStrays()
