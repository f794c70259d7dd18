import { Type } from '@sinclair/typebox'
import t from 'tap'
import type { Test } from 'tap'
import { defineRoom } from '../../client/define.js'
import type { ConnectOptions } from '../../client/index.js'
import { createApp } from '../helpers/app.js'
import type { TestApp } from '../helpers/app.js'
import type { Frame } from '../helpers/client.js'
import { startCounterpart } from '../helpers/counterpart.js'
import type { Counterpart, Peer } from '../helpers/counterpart.js'
import { Gate } from '../helpers/gate.js'
import { follow } from '../helpers/room-client.js'
import type { Follower } from '../helpers/room-client.js'

const desk = defineRoom('desk', {
  messages: { CALLED: Type.Integer() },
  commands: {
    CALL: { data: Type.Object({ desk: Type.Integer() }), reply: Type.Object({ ticket: Type.Integer() }) },
    WAIT: {},
    REFUSE: {}
  }
})

async function createDesk (t: Test, gate = new Gate()): Promise<TestApp> {
  const app = await createApp(t, {
    setup: app => {
      app.get('/desk', { websocket: true }, app.manageWebsocket(desk, {
        commands: {
          CALL: ({ data }) => ({ ticket: data.desk + 40 }),
          WAIT: async () => await gate.pass(),
          REFUSE: () => { throw Object.assign(new Error('the desk is closed'), { statusCode: 409, code: 'DESK_CLOSED' }) }
        }
      }))
    }
  })
  return { ...app, url: app.url.replace('/cdr/users/ws', '/desk') }
}

async function connected (t: Test, options: Partial<ConnectOptions> = {}): Promise<{ server: Counterpart, peer: Peer, follower: Follower }> {
  const server = await startCounterpart(t)
  const follower = follow(t, 'cdr', { url: server.url, token: () => 'abc', ...options })
  const { peer } = await server.admitted()
  await follower.reaches('connected')
  return { server, peer, follower }
}

t.test('a command is answered, or rejected in the words of the server', async t => {
  const { url, token } = await createDesk(t)
  const follower = follow(t, desk(), { url, token: () => token() })
  await follower.reaches('connected')
  const { room } = follower
  t.strictSame(await Promise.all([room.send('CALL', { desk: 1 }), room.send('CALL', { desk: 2 })]), [{ ticket: 41 }, { ticket: 42 }])
  await t.rejects(room.send('CALL', { desk: '?' as never }), { name: 'RoomsError', code: 'FST_ROOMS_INVALID_COMMAND', message: /desk must be integer/, sent: true })
  await t.rejects(room.send('REFUSE'), { code: 'DESK_CLOSED', message: 'the desk is closed' })
  await t.rejects(room.send('NOTHING' as 'REFUSE'), { code: 'FST_ROOMS_UNKNOWN_COMMAND' })
  t.strictSame(follower.news, [['resync', { room: 'desk', reason: 'new' }]], 'a reply is no message, and no error event')
})

t.test('a room that takes no commands says so', async t => {
  const { url, token } = await createApp(t)
  const follower = follow(t, 'cdr', { url, token: () => token() })
  await follower.reaches('connected')
  await t.rejects(follower.room.send('ANY'), { code: 'FST_ROOMS_NO_COMMANDS' })
})

t.test('a message that has an id is none of its replies', async t => {
  const { peer, follower } = await connected(t)
  const reply = follower.room.send('CALL')
  const { id } = await peer.next()
  for (const other of [0, 1, '0', 'a', null]) peer.send({ command: 'CALL', data: 'no reply', id: other })
  peer.send({ command: 'CALL', data: 'the reply', id })
  t.equal(await reply, 'the reply')
  t.equal(follower.dataOf('CALL').length, 5)
  peer.send({ command: 'CALL', data: 'once more', id })
  await follower.until(() => follower.dataOf('CALL').length === 6)
})

t.test('a reply is waited for no longer than asked; what has left may have been carried out', async t => {
  const gate = new Gate()
  const { url, token } = await createDesk(t, gate)
  const follower = follow(t, desk(), { url, token: () => token(), timeout: 1e12 })
  await follower.reaches('connected')
  const patient = follower.room.send('WAIT')
  await t.rejects(follower.room.send('WAIT', undefined, { timeout: 20 }), { code: 'TIMEOUT', message: 'No reply within 20 ms', sent: true })
  gate.open()
  await patient
  const away = follow(t, 'cdr', { url: 'ws://127.0.0.1:1', token: () => 'abc', timeout: 20, whileAway: 'queue' })
  await t.rejects(away.room.send('CALL'), { code: 'TIMEOUT', sent: false })
})

t.test('waiting for a reply can be given up', async t => {
  const { peer, follower: { room } } = await connected(t)
  const reason = new Error('the page is gone')
  await t.rejects(room.send('CALL', 1, { signal: AbortSignal.abort(reason) }), reason)
  const controller = new AbortController()
  const reply = room.send('CALL', 2, { signal: controller.signal })
  t.match(await peer.next(), { data: 2 }, 'the first one was not sent')
  controller.abort(reason)
  await t.rejects(reply, reason)

  const unused = new AbortController()
  const answered = room.send('CALL', 3, { signal: unused.signal })
  const { id } = await peer.next()
  peer.send({ command: 'CALL', data: 4, id })
  t.equal(await answered, 4)
  unused.abort()
})

t.test('while there is no connection, a command is rejected, or waits, as asked', async t => {
  const { server, peer, follower } = await connected(t)
  const { room } = follower
  const lost = t.rejects(room.send('CALL', 'lost'), { code: 'LOST', sent: true })
  await peer.next()
  peer.socket.terminate()
  await follower.reaches('waiting')
  await lost
  await t.rejects(room.send('CALL'), { code: 'AWAY', sent: false })
  const controller = new AbortController()
  const given = t.rejects(room.send('CALL', 'given up', { whileAway: 'queue', signal: controller.signal }), { name: 'AbortError' })
  const replies = [1, 2, 3].map(async data => await room.send('CALL', data, { whileAway: 'queue' }))
  controller.abort()
  await given
  const { peer: next } = await server.admitted()
  for (const data of [1, 2, 3]) {
    const frame = await next.next()
    t.equal(frame.data, data, 'in order, and without those that nobody waits for')
    next.send({ command: 'CALL', data: `reply ${data}`, id: frame.id })
  }
  t.strictSame(await Promise.all(replies), ['reply 1', 'reply 2', 'reply 3'])
})

t.test('what waits survives several attempts, and is bounded', async t => {
  const server = await startCounterpart(t)
  const { room } = follow(t, 'cdr', { url: server.url, token: () => 'abc', whileAway: 'queue', maxQueued: 2 })
  const replies = [room.send('CALL', 1), room.send('CALL', 2)]
  await t.rejects(room.send('CALL', 3), { code: 'QUEUE_FULL', sent: false })
  await t.rejects(room.send('CALL', 4, { whileAway: 'reject' }), { code: 'AWAY' })
  const first = await server.peer()
  first.socket.terminate()
  const { peer } = await server.admitted()
  await answer(peer, 2)
  t.strictSame(await Promise.all(replies), [1, 2])
})

t.test('no more commands are on their way than a server lets wait, and those that are not are told apart when the link breaks', async t => {
  const { server, peer, follower } = await connected(t, { maxQueued: 3 })
  const { room } = follower
  const sent = Array.from({ length: 32 }, async (_, index) => await room.send('CALL', index))
  const waiting = [room.send('CALL', 32), room.send('CALL', 33), room.send('CALL', 34, { whileAway: 'queue' })]
  const outcomes = Promise.allSettled([...sent, ...waiting])
  await t.rejects(room.send('CALL', 35), { code: 'QUEUE_FULL' })
  await answer(peer, 1)
  t.equal(await sent[0], 0)
  for (let index = 1; index <= 32; index++) t.equal((await peer.next()).data, index)
  peer.socket.terminate()
  const next = (await server.admitted()).peer
  await answer(next, 1)
  const codes = (await outcomes).map(outcome => outcome.status === 'fulfilled' ? outcome.value : outcome.reason.code)
  t.strictSame(codes, [0, ...Array.from({ length: 32 }, () => 'LOST'), 'AWAY', 34])
})

t.test('a real server answers as many commands as are sent at once', async t => {
  const { url, token } = await createDesk(t)
  const { room } = follow(t, desk(), { url, token: () => token(), whileAway: 'queue' })
  const replies = await Promise.all(Array.from({ length: 100 }, async (_, index) => await room.send('CALL', { desk: index })))
  t.strictSame(replies.map(({ ticket }) => ticket), Array.from({ length: 100 }, (_, index) => index + 40))
})

t.test('a command that would end the connection, or is no JSON, is not sent', async t => {
  const { url, token } = await createDesk(t)
  const follower = follow(t, desk(), { url, token: () => token() })
  await follower.reaches('connected')
  await t.rejects(follower.room.send('WAIT', 'é'.repeat(32_768)), { code: 'TOO_LARGE', message: 'Longer than 65536 bytes', sent: false })
  await t.rejects(follower.room.send('WAIT', 1n), TypeError)
  t.strictSame(await follower.room.send('CALL', { desk: 1 }), { ticket: 41 })
})

t.test('a room that is closed takes no commands, and rejects those that it has', async t => {
  const { peer, follower: { room } } = await connected(t)
  const sent = t.rejects(room.send('CALL'), { code: 'LOST', sent: true })
  await peer.next()
  room.close()
  await sent
  await t.rejects(room.send('CALL'), { code: 'CLOSED', sent: false })

  const away = follow(t, 'cdr', { url: 'ws://127.0.0.1:1', token: () => 'abc' })
  const waiting = t.rejects(away.room.send('CALL', 1, { whileAway: 'queue' }), { code: 'CLOSED', message: 'The room is closed', sent: false })
  away.room.close()
  await waiting
})

async function answer (peer: Peer, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const { command, data, id }: Frame = await peer.next()
    peer.send({ command, data, id })
  }
}
