// Our server, in a process of its own, with what attackers look for: rooms, hooks and handlers that fail, commands.
import { mkdirSync, openSync, writeSync } from 'node:fs'
import Fastify from 'fastify'
import fastifyJwt from '@fastify/jwt'
import fastifyRooms, { defineRoom } from '../../dist/index.js'
import { SECRET } from '../../bench/token.js'
import { serve, wanted } from '../../faults/server.js'
import { answersOf } from './answers.js'

/** No client may read it, whatever it does to whom. */
const DETAIL = 'a detail that nobody may read'

const fail = () => { throw new Error(DETAIL) }
const reject = async () => fail()
// A rejection without a reason is one that nobody can look into.
const rejectWith = async reason => { throw reason }
const block = () => { for (const end = performance.now() + 200; performance.now() < end;); }

const app = Fastify({ ...wanted.fastify, logger: wanted.logs !== undefined && { level: 'trace', stream: logInto(wanted.logs) } })
await app.register(fastifyJwt, { secret: SECRET, verify: { algorithms: ['HS256'] }, ...wanted.jwt })
await app.register(fastifyRooms, { ...(wanted.redis?.port !== undefined && { redis: { host: '127.0.0.1', ...wanted.redis } }), ...wanted.options })

const desk = defineRoom('desk', { messages: { CALLED: {} }, commands: { ECHO: {}, THROW: {}, REJECT: {}, NOTHING: {}, BLOCK: {}, NEVER: {} } })
const COMMANDS = { ECHO: ({ data }) => data, THROW: fail, REJECT: reject, NOTHING: () => rejectWith(), BLOCK: block, NEVER: () => new Promise(() => {}) }
const HOOKS = ['authenticate', 'authorize', 'userId', 'expiresAt', 'snapshot', 'onJoin', 'onLeave', 'onError']

app.get('/rooms/:room', { websocket: true }, app.manageWebsocket(request => request.params.room, wanted.route))
app.get('/own', { websocket: true }, app.manageWebsocket('own', { authorize: ({ user, room }) => user.rooms?.includes(room) === true }))
app.get('/named/:room', { websocket: true }, app.manageWebsocket(request => request.params.room, { authorize: ({ user, room }) => user.rooms?.includes(room) === true }))
app.get('/query', { websocket: true }, app.manageWebsocket(request => request.query.room))
app.get('/several', { websocket: true }, app.manageWebsocket(['own', 'other'], { authorize: ({ user, room }) => user.rooms?.includes(room) === true }))
app.get('/desk', { websocket: true }, app.manageWebsocket(desk, { commands: COMMANDS }))
for (const hook of HOOKS) {
  for (const [how, broken] of Object.entries({ throws: fail, rejects: reject, blocks: block })) {
    // What has failed is told to `onError`, which is there to fail, too.
    const more = hook === 'onError' ? { onJoin: fail } : {}
    app.get(`/broken/${hook}/${how}`, { websocket: true }, app.manageWebsocket('broken', { ...more, [hook]: broken }))
  }
}
for (const route of wanted.routes ?? []) app.get(route.path, { websocket: true }, app.manageWebsocket(route.room, route.options))
await app.listen({ port: 0, host: '127.0.0.1' })

serve({
  port: app.server.address().port,
  publish: (room, data) => app.ws.sendToRoom(room, { command: 'N', data }).then(({ degraded }) => degraded === true ? 'degraded' : 'accepted'),
  members: () => app.ws.stats().members,
  stats: () => app.ws.stats(),
  ...answersOf(app.server),
  disconnectUser: ({ user }) => app.ws.disconnectUser(user),
  removeFromRoom: ({ room, user }) => app.ws.removeFromRoom(room, user),
  closeRoom: ({ room }) => app.ws.closeRoom(room),
  close: () => app.close()
})

/** Written at once: the process may be killed at any time, and what it has said last is what counts. */
function logInto (folder) {
  mkdirSync(folder, { recursive: true })
  const file = openSync(`${folder}/${process.pid}.log`, 'a')
  return { write: line => writeSync(file, line) }
}
