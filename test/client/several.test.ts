import t from 'tap'
import type { Test } from 'tap'
import { defineRoom } from '../../client/define.js'
import type { Connection } from '../../index.js'
import { createApp } from '../helpers/app.js'
import { startCounterpart } from '../helpers/counterpart.js'
import { startProxy } from '../helpers/proxy.js'
import { follow } from '../helpers/room-client.js'

const news = defineRoom('news', { messages: { HEADLINE: {} } })
const stand = defineRoom('stand/:standId', {
  messages: { CALLED: {} },
  commands: { CALL: {} },
  history: { size: 100, ttl: 60_000 }
})

/** An application with a socket for several rooms, behind a network that can be cut. */
async function createBoard (t: Test) {
  const connections: Connection[] = []
  const { app, token } = await createApp(t, {
    setup: app => {
      app.get('/board', { websocket: true }, app.manageWebsocket([news, stand({ standId: 7 })], {
        contracts: [stand],
        onJoin: ({ connection }) => { if (!connections.includes(connection as Connection)) connections.push(connection as Connection) },
        commands: { 'stand/:standId': { CALL: ({ room, data }) => ({ room, data }) } }
      }))
    }
  })
  const proxy = await startProxy(t, (app.server.address() as { port: number }).port)
  return { app, token, connections, cut: () => proxy.cut(), url: `ws://127.0.0.1:${proxy.port}/board` }
}

t.test('one socket for several rooms: messages and news say which, and each room has a position of its own', async t => {
  const { app, token, url, cut, connections } = await createBoard(t)
  const follower = follow(t, [news, stand], { url, token: () => token() })
  const rooms: unknown[] = []
  follower.room.on('CALLED', (data, { room }) => rooms.push([data, room]))
  await follower.until(() => follower.news.length === 2)
  t.strictSame(follower.news, [['resync', { room: 'news', reason: 'new' }], ['resync', { room: 'stand/7', reason: 'new' }]])
  await app.ws.sendToRoom(news(), { command: 'HEADLINE', data: 'rain' })
  await app.ws.sendToRoom(stand({ standId: 7 }), { command: 'CALLED', data: 1 })
  await follower.until(() => follower.news.length === 4)
  t.match(follower.room.positions, { news: undefined, 'stand/7': { seq: 1 } })

  const [connection] = connections as [Connection]
  await connection.join(stand({ standId: 8 }))
  await app.ws.sendToRoom(stand({ standId: 8 }), { command: 'CALLED', data: 2 })
  await follower.until(() => follower.dataOf('CALLED').length === 2)
  await connection.leave(news())
  await follower.until(() => follower.news.at(-1)?.[0] === 'left')
  t.strictSame(follower.news.slice(4), [
    ['joined', { room: 'stand/8', reason: undefined }], ['resync', { room: 'stand/8', reason: 'new' }], ['CALLED', 2], ['left', { room: 'news', reason: undefined }]
  ])
  t.strictSame(Object.keys(follower.room.positions), ['stand/7', 'stand/8'])

  cut()
  await follower.reaches('waiting')
  await app.ws.sendToRoom(stand({ standId: 7 }), { command: 'CALLED', data: 3 })
  await follower.until(() => follower.dataOf('CALLED').length === 3)
  t.strictSame(follower.news.slice(8), [['resync', { room: 'news', reason: 'new' }], ['recovered', { room: 'stand/7' }], ['CALLED', 3]])
  t.strictSame(rooms, [[1, 'stand/7'], [2, 'stand/8'], [3, 'stand/7']])
  t.strictSame(Object.keys(follower.room.positions).sort(), ['news', 'stand/7'], 'where the server does not say that it is, it is not')
})

t.test('a command may name its room', async t => {
  const { token, url } = await createBoard(t)
  const { room, reaches } = follow(t, [news, stand], { url, token: () => token() })
  await reaches('connected')
  t.strictSame(await room.send('CALL', 1, { room: 'stand/7' }), { room: 'stand/7', data: 1 })
  t.strictSame(await room.send('CALL', 2, { room: stand({ standId: '7' }) }), { room: 'stand/7', data: 2 })
  await t.rejects(room.send('CALL', 3, { room: 'stand/9' }), { code: 'FST_ROOMS_NOT_IN_ROOM' })
})

t.test('a room that the user may no longer be in is left, with the reason', async t => {
  const server = await startCounterpart(t)
  const follower = follow(t, ['a', 'b'], { url: server.url, token: () => 'abc' })
  const at = { epoch: '1', seq: 1, mid: 'm1' }
  const { peer } = await server.admitted({ a: at, b: at })
  peer.status('left', { rooms: { a: { reason: 'forbidden' } } })
  peer.status('joined', { rooms: { c: { ...at, recovered: true } } })
  await follower.until(() => follower.news.at(-1)?.[0] === 'recovered')
  t.strictSame(follower.news.slice(2), [['left', { room: 'a', reason: 'forbidden' }], ['joined', { room: 'c', reason: undefined }], ['recovered', { room: 'c' }]])
  t.strictSame(follower.room.positions, { b: at, c: at })
  peer.socket.terminate()
  t.strictSame((await server.admitted({ b: { ...at, seq: 5, recovered: false, reason: 'removed' } })).hello.recover, { b: at, c: at })
  await follower.until(() => follower.news.length === 6)
  t.strictSame(follower.news.at(-1), ['resync', { room: 'b', reason: 'removed' }])
  t.match(follower.room.positions, { b: { seq: 5 } })
})
