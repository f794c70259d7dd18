import { once } from 'node:events'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { defineRoom } from '../index.js'
import type { Connection } from '../index.js'
import { createApp, until } from './helpers/app.js'
import { join, open } from './helpers/client.js'

const QUICK = { keepAlive: 400, pongTimeout: 150 }

t.test('every member is pinged once per interval, by the protocol and by a frame that a page can see', async t => {
  const { url, token } = await createApp(t, { rooms: QUICK })
  const members = []
  for (let i = 0; i < 8; i++) members.push(await join(t, url, token()))
  const order: number[] = []
  members.forEach((member, i) => member.socket.on('ping', () => order.push(i)))
  await until(() => order.length >= 24)
  for (const round of [order.slice(0, 8), order.slice(8, 16), order.slice(16, 24)]) {
    t.strictSame([...round].sort(), [0, 1, 2, 3, 4, 5, 6, 7], 'nobody is pinged twice before all others')
  }
  t.ok(members.every(({ pings }) => pings >= 2))
  t.ok(members.every(({ socket }) => socket.readyState === socket.OPEN))
})

t.test('the interval is told with `connected`', async t => {
  const { url, token } = await createApp(t, { rooms: QUICK })
  const member = await open(t, url)
  member.send({ token: token() })
  t.match(await member.next(), { data: { keepAlive: 400 } })
})

t.test('an interval of any length costs little', async t => {
  const before = process.memoryUsage().heapUsed
  const { url, token } = await createApp(t, { rooms: { keepAlive: 2_147_483_647 } })
  const member = await open(t, url)
  member.send({ token: token() })
  t.match(await member.next(), { data: { status: 'connected', keepAlive: 2_147_483_647 } })
  const grown = (process.memoryUsage().heapUsed - before) / 1_024 / 1_024
  t.ok(grown < 50, `${grown.toFixed(1)} MB`)
})

t.test('pings are spread over the interval: members who came together are not pinged together', async t => {
  const { app, url, token } = await createApp(t, { rooms: QUICK })
  await Promise.all([join(t, url, token()), join(t, url, token())])
  const times = pingsOf(app)
  await until(() => times.length >= 4)
  const gaps = times.slice(1).map((time, i) => time - (times[i] as number))
  t.ok(gaps.every(gap => gap > 30), `a tick of 100 ms between two, give or take: ${gaps.map(Math.round)}`)
})

t.test('nobody is pinged twice in one turn, nor left out, where another of the turn ends meanwhile', async t => {
  const connections: Connection[] = []
  const { app, url, token } = await createApp(t, { rooms: QUICK, route: { onJoin: ({ connection }) => { connections.push(connection) } } })
  for (let i = 0; i < 8; i++) await join(t, url, token())
  const order: number[] = []
  ;[...app.websocketServer.clients].forEach((socket, number) => {
    const { ping } = socket
    socket.ping = (...args: unknown[]) => {
      // The first one of a turn ends another one of it: every second one is in the same.
      if (order.length === 0) connections[(number + 4) % 8]?.close()
      order.push(number)
      ping.apply(socket, args as [])
    }
  })
  await until(() => order.length >= 14)
  t.equal(new Set(order.slice(0, 7)).size, 7, String(order))
  t.strictSame(order.slice(0, 7).sort(), order.slice(7, 14).sort())
})

t.test('who is pinged is not taken for one that does not read: what goes out in the same turn comes, be it volatile', async t => {
  const room = defineRoom('desk', { messages: { LEFT: {} }, commands: { WORK: {} } })
  const { app, url, token } = await createApp(t, {
    rooms: { keepAlive: 1_000, pongTimeout: 250 }, // four turns, and a pong is due by the next
    setup: app => {
      app.get('/desk', { websocket: true }, app.manageWebsocket(room, {
        commands: {
          WORK: async ({ signal }) => await new Promise<void>(resolve => signal.addEventListener('abort', () => {
            app.ws.sendToRoom('desk', { command: 'LEFT', data: null }, { volatile: true })
            resolve()
          }))
        }
      }))
    }
  })
  const desk = url.replace('/cdr/users/ws', '/desk')
  const members = []
  for (let i = 0; i < 9; i++) members.push(await join(t, desk, token()))
  const silent = await open(t, desk, { autoPong: false })
  silent.send({ token: token() })
  await silent.next('WSStatus')
  silent.send({ command: 'WORK', id: 1 })
  await silent.closed // in a turn in which others are pinged
  for (const member of members) t.match(await member.next('LEFT'), { command: 'LEFT' })
  t.match(app.ws.stats(), { members: 9 })
})

t.test('who has just come is not pinged for half an interval', async t => {
  const { app, url, token } = await createApp(t, { rooms: QUICK })
  const start = performance.now()
  await Promise.all(Array.from({ length: 9 }, () => join(t, url, token())))
  const times = pingsOf(app)
  await until(() => times.length >= 9)
  t.ok(times.every(time => time - start >= 200), `${times.map(time => Math.round(time - start))}`)
})

t.test('a member that shows no sign of life is ended, and the others are not', async t => {
  const { app, url, token } = await createApp(t, { rooms: QUICK })
  const dead = await open(t, url, { autoPong: false })
  dead.send({ token: token() })
  await dead.next('WSStatus')
  const alive = await join(t, url, token())
  t.strictSame(await dead.closed, { code: 1006, reason: '' })
  t.equal(app.ws.stats().ended.silent, 1)
  t.equal(app.ws.stats().members, 1)
  await once(alive.socket, 'ping')
  t.equal(alive.socket.readyState, alive.socket.OPEN)
})

t.test('any frame is a sign of life', async t => {
  const { url, token } = await createApp(t, { rooms: QUICK })
  const page = await open(t, url, { autoPong: false })
  page.send({ token: token() })
  await page.next('WSStatus')
  for (let i = 0; i < 4; i++) {
    await page.pinged()
    page.send({ command: 'WSPong' })
  }
  t.equal(page.socket.readyState, page.socket.OPEN)
})

t.test('a client’s own protocol ping is a sign of life too', async t => {
  const { url, token } = await createApp(t, { rooms: QUICK })
  const client = await open(t, url, { autoPong: false })
  client.send({ token: token() })
  await client.next('WSStatus')
  for (let i = 0; i < 3; i++) {
    await once(client.socket, 'ping')
    client.socket.ping()
  }
  t.equal(client.socket.readyState, client.socket.OPEN)
})

/** When the server pings its sockets, as it happens: where this process is kept waiting, several may arrive in the same moment. */
function pingsOf (app: FastifyInstance): number[] {
  const times: number[] = []
  for (const socket of app.websocketServer.clients) {
    const { ping } = socket
    socket.ping = (...args: unknown[]) => {
      times.push(performance.now())
      ping.apply(socket, args as [])
    }
  }
  return times
}
