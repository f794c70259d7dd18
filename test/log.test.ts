import t from 'tap'
import type { FastifyBaseLogger } from 'fastify'
import { createApp, until } from './helpers/app.js'
import type { TestApp } from './helpers/app.js'
import { join, open, refusalOf } from './helpers/client.js'
import { watchForStrays } from './helpers/strays.js'

const noStrays = watchForStrays(t)

const lines = ({ logs }: TestApp, msg: string): TestApp['logs'] => logs.filter(line => line.msg === msg)

t.test('a member has one line when its socket opens and one when it closes, which say whose it was and what went over it', async t => {
  const room = await createApp(t)
  const member = await join(t, room.url, room.token())
  const [opened] = lines(room, 'socket opened')
  t.match(opened, { level: 30, reqId: String, connection: (member.frames[0]?.data as { connection: string }).connection, user: 'jeanne', room: 'cdr' })
  member.send({ command: 'SAY' })
  for (let i = 0; i < 3; i++) await room.app.ws.sendToRoom('cdr', { command: 'HELLO', data: 'x'.repeat(1_000) })
  for (let i = 0; i < 3; i++) await member.next('HELLO')
  member.socket.close(4000, 'a reason of the client')
  await until(() => lines(room, 'socket closed').length === 1)
  const [closed] = lines(room, 'socket closed')
  const { reqId, connection } = opened as never as { reqId: string, connection: string }
  t.match(closed, { level: 30, reqId, connection, user: 'jeanne', room: 'cdr', code: 4000, cause: 'client', received: 2, sent: 3 })
  const { seconds, bytesRead, bytesWritten } = closed as Record<string, unknown> as { seconds: number, bytesRead: number, bytesWritten: number }
  t.ok(seconds >= 0 && seconds < 60, `${seconds} s`)
  t.ok(bytesRead > 100 && bytesRead < 5_000, `${bytesRead} bytes read`)
  t.ok(bytesWritten > 3_000 && bytesWritten < 6_000, `${bytesWritten} bytes written`)
  t.notMatch(JSON.stringify(room.logs), /xxx|a reason of the client/)
})

t.test('the line at the end says why it was', async t => {
  const room = await createApp(t, { route: { onJoin: ({ connection }) => { setImmediate(() => connection.close(4410)) } } })
  await (await join(t, room.url, room.token())).closed
  await until(() => lines(room, 'socket closed').length === 1)
  t.match(lines(room, 'socket closed'), [{ code: 4410, cause: 'disconnected' }])
})

t.test('a socket of several rooms is not named after one of them', async t => {
  const room = await createApp(t, { setup: app => { app.get('/all', { websocket: true }, app.manageWebsocket(['a', 'b'])) } })
  await join(t, `${room.http.replace('http', 'ws')}/all`, room.token())
  t.notOk('room' in (lines(room, 'socket opened')[0] as object))
})

t.test('whoever was not let in has one line, and none as a member', async t => {
  const room = await createApp(t)
  await refusalOf(t, room.url, { token: 'nonsense' })
  const gone = await open(t, room.url)
  gone.socket.terminate()
  await until(() => room.app.ws.stats().connections === 0)
  t.equal(lines(room, 'socket refused').length, 1)
  t.equal(lines(room, 'socket opened').length + lines(room, 'socket closed').length, 0)
})

t.test('handlers may write by the connection\'s own logger', async t => {
  let log: FastifyBaseLogger | undefined
  const room = await createApp(t, { route: { onJoin: ({ connection }) => { ({ log } = connection) } } })
  await join(t, room.url, room.token())
  await until(() => log !== undefined)
  log?.warn('something about it')
  t.match(lines(room, 'something about it'), [{ level: 40, reqId: String, connection: String, user: 'jeanne', room: 'cdr' }])
})

noStrays()
