import t from 'tap'
import { WebSocket } from 'ws'
import { createApp, until } from '../helpers/app.js'
import { count } from '../helpers/history.js'
import { startProxy } from '../helpers/proxy.js'
import { freePort, startRedis } from '../helpers/redis.js'
import { follow } from '../helpers/room-client.js'
import { startRoomProcess } from '../helpers/room-process.js'
import type { RoomProcess } from '../helpers/room-process.js'
import { handmadeToken } from '../helpers/token.js'

const token = (): string => handmadeToken({ alg: 'HS256', typ: 'JWT' }, { sub: 'jeanne' })
const address = (port: number): string => `ws://127.0.0.1:${port}/cdr/users/ws`

t.test('a server that is killed and comes back on its port: what was sent meanwhile elsewhere is not missed', async t => {
  const redis = await startRedis(t)
  const [one, other] = [await startRoomProcess(t, { redis: redis.url }), await startRoomProcess(t, { redis: redis.url })]
  const follower = follow(t, 'cdr', { url: address(one.port), token })
  await follower.reaches('connected')
  await other.send('UPDATE', 1)
  await follower.until(() => follower.dataOf('UPDATE').length === 1)
  await one.kill('SIGKILL')
  t.match(await follower.reaches('waiting'), { code: 1006 })
  for (const data of [2, 3]) await other.send('UPDATE', data)
  await startRoomProcess(t, { redis: redis.url, port: one.port })
  await follower.reaches('connected')
  await other.send('UPDATE', 4)
  await follower.until(() => follower.dataOf('UPDATE').length === 4)
  t.strictSame(follower.news, [['resync', { room: 'cdr', reason: 'new' }], ['UPDATE', 1], ['recovered', { room: 'cdr' }], ...[2, 3, 4].map(data => ['UPDATE', data])])
})

t.test('two processes are restarted one after the other while messages are sent: each comes once, in order', async t => {
  const redis = await startRedis(t)
  const ports = [await freePort(), await freePort()]
  const start = async (index: number): Promise<RoomProcess> => await startRoomProcess(t, { redis: redis.url, port: ports[index] as number, rooms: { drainTimeout: 500 } })
  const processes = [await start(0), await start(1)] as [RoomProcess, RoomProcess]
  const balancer = await startProxy(t, processes[0].port)
  const followers = [1, 2, 3].map(() => follow(t, 'cdr', { url: address(balancer.port), token }))
  await Promise.all(followers.map(async ({ reaches }) => await reaches('connected')))

  let sent = 0
  const restarting = new AbortController()
  let up = 0 // which of them is not about to end
  const sending = (async () => {
    while (!restarting.signal.aborted) await (processes[up] as RoomProcess).send('UPDATE', ++sent)
  })()
  for (const index of [0, 1, 0]) {
    up = 1 - index
    balancer.target = (processes[up] as RoomProcess).port
    const before = sent + 1 // the one that is on its way to the other
    await until(() => sent > before)
    await processes[index]?.kill('SIGTERM')
    await Promise.all(followers.map(async ({ reaches }) => {
      t.match(await reaches('waiting'), { code: 1012 })
      await reaches('connected')
    }))
    processes[index] = await start(index)
  }
  restarting.abort()
  await sending
  for (const { until, dataOf, news } of followers.map(follower => ({ until: follower.until, dataOf: () => follower.dataOf('UPDATE'), news: () => follower.news }))) {
    await until(() => dataOf().length >= sent)
    t.strictSame(dataOf(), count(sent))
    t.strictSame(news().filter(([event]) => event !== 'UPDATE'), [['resync', { room: 'cdr', reason: 'new' }], ...count(3).map(() => ['recovered', { room: 'cdr' }])])
  }
})

t.test('a server that hangs is noticed by its silence, and left for another', async t => {
  const redis = await startRedis(t)
  const rooms = { keepAlive: 500, pongTimeout: 400 }
  const [one, other] = [await startRoomProcess(t, { redis: redis.url, rooms }), await startRoomProcess(t, { redis: redis.url, rooms })]
  const balancer = await startProxy(t, one.port)
  const follower = follow(t, 'cdr', { url: address(balancer.port), token, pongTimeout: 1_200 })
  await follower.reaches('connected')
  await one.kill('SIGSTOP')
  balancer.target = other.port
  t.match(await follower.reaches('waiting'), { code: 1006 })
  await follower.reaches('connected')
  await other.send('UPDATE', 1)
  await follower.until(() => follower.dataOf('UPDATE').length === 1)
  await one.kill('SIGCONT')
})

t.test('Redis is killed and comes back empty: the client stays, is told to load anew, and hears what follows', async t => {
  const redis = await startRedis(t)
  const one = await startRoomProcess(t, { redis: redis.url })
  const follower = follow(t, 'cdr', { url: address(one.port), token })
  await follower.reaches('connected')
  await one.send('UPDATE', 1)
  await follower.until(() => follower.dataOf('UPDATE').length === 1)
  const before = follower.room.positions.cdr?.epoch
  await redis.kill()
  await t.rejects(one.send('UPDATE', 'lost'), /FST_ROOMS_BROKER_UNAVAILABLE/)
  await redis.start()
  await follower.until(() => follower.news.some(([event, news]) => event === 'resync' && (news as { reason: string }).reason === 'resync'))
  await until(async () => await one.send('UPDATE', 2).then(() => true, () => false))
  await follower.until(() => follower.dataOf('UPDATE').includes(2))
  t.strictSame(follower.dataOf('UPDATE'), [1, 2])
  t.not(follower.room.positions.cdr?.epoch, before)
  t.strictSame(follower.told.filter(([event]) => event === 'state').length, 1, 'it was connected all the time')
})

t.test('a client that reads too slowly is cut off, comes back, and has missed nothing', async t => {
  const sockets: WebSocket[] = []
  class Slow extends WebSocket {
    constructor (url: string, protocols?: string[]) {
      super(url, protocols)
      sockets.push(this)
    }
  }
  const { app, url, token } = await createApp(t, { rooms: { maxRecoveryBytes: 100_000_000 }, route: { history: { size: 1_000, ttl: 60_000 } } })
  const follower = follow(t, 'cdr', { url, token: () => token(), WebSocket: Slow })
  await follower.reaches('connected')
  sockets[0]?.pause()
  let sent = 0
  while (app.ws.stats().ended.too_slow === undefined) await app.ws.sendToRoom('cdr', { command: 'UPDATE', data: { number: ++sent, text: 'x'.repeat(200_000) } })
  sockets[0]?.resume()
  t.match((await follower.reaches('waiting')).code, /1006|4413/)
  await follower.reaches('connected')
  await app.ws.sendToRoom('cdr', { command: 'LAST' })
  await follower.until(() => follower.dataOf('LAST').length === 1)
  t.strictSame((follower.dataOf('UPDATE') as Array<{ number: number }>).map(({ number }) => number), count(sent))
  t.strictSame(follower.news.filter(([event]) => event === 'resync' || event === 'recovered'), [['resync', { room: 'cdr', reason: 'new' }], ['recovered', { room: 'cdr' }]])
})
