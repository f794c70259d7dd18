import { randomBytes } from 'node:crypto'
import fastifyRedis from '@fastify/redis'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import type { RoomsOptions } from '../index.js'
import { createApp, until, untilJoined } from './helpers/app.js'
import type { TestApp } from './helpers/app.js'
import { join, open } from './helpers/client.js'
import { freePort, RedisServer, startRedis } from './helpers/redis.js'
import { Stopwatch } from './helpers/stopwatch.js'

/** Two applications, as two processes would be: nothing joins them but Redis. */
async function createPair (t: Test, rooms: RoomsOptions): Promise<[TestApp, TestApp]> {
  const pair: [TestApp, TestApp] = [await createApp(t, { rooms }), await createApp(t, { rooms })]
  await untilJoined(...pair)
  return pair
}

const update = (data: unknown): { command: string, data: unknown } => ({ command: 'UPDATE_USER', data })

t.test('a PATCH that one process handles reaches the members of another', async t => {
  const redis = await startRedis(t)
  const [a, b] = await createPair(t, { redis: redis.url })
  const member = await join(t, a.url, a.token())
  const response = await fetch(`${b.http}/cdr/users/7`, { method: 'PATCH', headers: { 'content-type': 'application/json' }, body: '{"name":"Ada"}' })
  t.equal(response.status, 200)
  t.strictSame(await member.next(), update({ name: 'Ada' }))
  await until(async () => await b.app.ws.count('cdr') === 1)
})

t.test('whatever is sent the instant a client has read `connected` arrives, 200 times of 200', async t => {
  const redis = await startRedis(t)
  // Without linger, every join finds the room without a subscription.
  const a = await createApp(t, { rooms: { redis: redis.url, linger: 1 } })
  const b = await createApp(t, { rooms: { redis: redis.url } })
  await untilJoined(b)
  const admin = redis.client()
  t.teardown(() => admin.disconnect())
  let arrived = 0
  for (let i = 0; i < 200; i++) {
    const member = await join(t, a.url, a.token())
    const { subscribers } = await b.app.ws.sendToRoom('cdr', update(i))
    t.equal(subscribers, 1)
    if ((await member.next()).data as unknown === i) arrived++
    member.socket.terminate()
    await until(async () => (await admin.pubsub('NUMSUB', 'rooms:cdr') as unknown[])[1] === 0)
  }
  t.equal(arrived, 200)
})

t.test('all members, in every process, see the messages of a room in one order', async t => {
  const redis = await startRedis(t)
  const [a, b] = await createPair(t, { redis: redis.url })
  const members = [await join(t, a.url, a.token()), await join(t, b.url, b.token()), await join(t, b.url, b.token())]
  for (let i = 0; i < 200; i++) {
    a.app.ws.sendToRoom('cdr', update(`a${i}`))
    b.app.ws.sendToRoom('cdr', update(`b${i}`))
  }
  const seen = await Promise.all(members.map(async member => {
    const data: unknown[] = []
    while (data.length < 400) data.push((await member.next('UPDATE_USER')).data)
    return data
  }))
  t.strictSame(seen[1], seen[0])
  t.strictSame(seen[2], seen[0])
})

t.test('the client of @fastify/redis can be used, and is the application’s to close', async t => {
  const redis = await startRedis(t)
  const other = await createApp(t, { rooms: { redis: redis.url } })
  const a = await createApp(t, {
    before: async app => {
      await app.register(fastifyRedis, { url: redis.url })
      return { redis: app.redis }
    }
  })
  const member = await join(t, a.url, a.token())
  await untilJoined(other)
  await other.app.ws.sendToRoom('cdr', update(1))
  t.strictSame(await member.next(), update(1))
  t.equal(await a.app.redis.ping(), 'PONG')
})

t.test('any program can take part', async t => {
  const redis = await startRedis(t)
  const stranger = redis.client()
  t.teardown(() => stranger.disconnect())

  t.test('what is published to a room’s channel reaches its members as it is', async t => {
    const a = await createApp(t, { rooms: { redis: redis.url } })
    const member = await join(t, a.url, a.token())
    await stranger.publish('rooms:cdr', '{"command": "FROM_OUTSIDE", "data": {"é": 1}, "more": [2]}')
    t.strictSame(await member.next(), { command: 'FROM_OUTSIDE', data: { é: 1 }, more: [2] })
  })

  t.test('without a prefix a channel is shared with a running Hyperion, in both directions', async t => {
    // Hyperion's one room: the name of the enum's value is the channel, the payload the compact JSON of the frame.
    const CDR = '5a816d32-8b5d-4c44-8a8d-18fd830ec5a8'
    const a = await createApp(t, { rooms: { redis: redis.url, prefix: '' }, setup: app => { app.get('/hyperion', { websocket: true }, app.manageWebsocket(CDR)) } })
    const hyperion = redis.client()
    t.teardown(() => hyperion.disconnect())
    const heard: string[] = []
    hyperion.on('message', (_channel, payload) => { heard.push(payload) })
    await hyperion.subscribe(CDR)

    const member = await join(t, a.url.replace('/cdr/users/ws', '/hyperion'), a.token())
    await stranger.publish(CDR, '{"command":"NEW_USER","data":{"id":"7","nickname":null}}')
    t.strictSame(await member.next(), { command: 'NEW_USER', data: { id: '7', nickname: null } })
    await a.app.ws.sendToRoom(CDR, { command: 'UPDATE_USER', data: { id: '7', nickname: null } })
    await until(() => heard.length === 2)
    t.equal(heard[1], '{"command":"UPDATE_USER","data":{"id":"7","nickname":null}}')
  })
})

t.test('applications whose prefixes differ share a Redis and nothing else: no messages, no counts, no history, no revocations', async t => {
  const redis = await startRedis(t)
  const history = { size: 10, ttl: 60_000 }
  const setup = (app: FastifyInstance): void => { app.get('/kept', { websocket: true }, app.manageWebsocket('kept', { history })) }
  const [a, b] = [
    await createApp(t, { rooms: { redis: redis.url, prefix: 'one:' }, setup }), await createApp(t, { rooms: { redis: redis.url, prefix: 'two:' }, setup })
  ]
  await untilJoined(a, b)
  const [near, far] = [await join(t, a.url, a.token()), await join(t, b.url, b.token())]
  const [kept, farKept] = [await join(t, a.url.replace('/cdr/users/ws', '/kept'), a.token()), await join(t, b.url.replace('/cdr/users/ws', '/kept'), b.token())]
  t.match(await a.app.ws.sendToRoom('cdr', update(1)), { subscribers: 1 })
  t.match(await a.app.ws.sendToRoom('kept', update(1)), { seq: 1, subscribers: 1 })
  t.strictSame(await near.next(), update(1))
  t.match(await kept.next(), update(1))
  await until(async () => await a.app.ws.count('cdr') === 1 && await b.app.ws.count('cdr') === 1)
  t.strictSame((await b.app.ws.history('kept')).messages, [])
  t.match(await a.app.ws.removeFromRoom('kept', 'jeanne'), { connections: 1 })
  t.match(await a.app.ws.closeRoom('cdr'), { connections: 1 })
  await a.app.ws.disconnectUser('jeanne')
  t.same([(await near.closed).code, (await kept.closed).code].sort(), [4403, 4410])
  await b.app.ws.sendToRoom('cdr', update(2))
  await b.app.ws.sendToRoom('kept', update(2))
  t.strictSame(await far.next(), update(2), 'is the first that is heard elsewhere')
  t.match(await farKept.next(), { ...update(2), seq: 1 })
  t.equal(b.app.ws.stats().revocations, 0)
  t.equal((await join(t, b.url, b.token())).frames[0]?.data?.status, 'connected')
})

t.test('payloads that are no messages are counted and skipped; members stay, later messages flow', async t => {
  const redis = await startRedis(t)
  const a = await createApp(t, { rooms: { redis: redis.url } })
  const member = await join(t, a.url, a.token())
  const stranger = redis.client()
  t.teardown(() => stranger.disconnect())
  const bad: Array<string | Buffer> = [
    '', 'hello', '[]', 'null', '1', '"x"', '{}', '{"command":1}', '{"command":""}', '{"data":1}',
    '{"command":"UPDATE_USER","data":', // truncated
    '{"command":"WSStatus","data":{"status":"invalid_token"}}', // nobody but the plugin may say this
    Buffer.from([0xc1]),
    Buffer.concat([Buffer.from('{"command":"UPDATE_USER","data":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]),
    Buffer.from(`{"command":"UPDATE_USER","data":"${'x'.repeat(10 * 1024 * 1024)}"}`),
    '['.repeat(100_000),
    ...Array.from({ length: 200 }, () => randomBytes(64))
  ]
  for (const payload of bad) await stranger.publish('rooms:cdr', payload)
  await stranger.publish('rooms:cdr', '{"command":"UPDATE_USER","data":{"__proto__":{"polluted":true}}}')
  await a.app.ws.sendToRoom('cdr', update('good'))
  t.equal((await member.next()).command, 'UPDATE_USER')
  t.strictSame(await member.next(), update('good'))
  t.equal(a.app.ws.stats().malformed, bad.length)
  t.equal(a.app.ws.stats().received, bad.length + 2)
  t.equal(({} as { polluted?: unknown }).polluted, undefined)
  const warnings = a.logs.filter(({ msg }) => msg === 'skipped a broker payload that is no message')
  t.ok(warnings.length > 0 && warnings.length < 10, 'and the log is not drowned')
})

t.test('Redis restarts under two processes: both deliver again within 1.5 s of its return', async t => {
  const redis = await startRedis(t)
  const [a, b] = await createPair(t, { redis: redis.url })
  const members = [await join(t, a.url, a.token()), await join(t, b.url, b.token())]
  await redis.kill()
  await until(() => a.app.ws.stats().broker === 'down' && b.app.ws.stats().broker === 'down')

  const alone = await a.app.ws.sendToRoom('cdr', update('alone'))
  t.equal(alone.degraded, true)
  t.equal(alone.subscribers, 1)
  t.strictSame(await members[0]?.next(), update('alone'))
  await t.rejects(a.app.ws.count('cdr'), { code: 'FST_ROOMS_BROKER_UNAVAILABLE' })

  await redis.start()
  const stopwatch = new Stopwatch()
  t.teardown(() => stopwatch.stop())
  await until(async () => (await a.app.ws.sendToRoom('cdr', update('again'))).subscribers === 2)
  const took = stopwatch.stop()
  t.comment(`delivered again after ${took} ms`)
  for (const member of members) {
    t.match(await member.next('WSStatus'), { data: { status: 'resync' } }, 'and everyone is told to look again')
  }
  await until(async () => (await b.app.ws.sendToRoom('cdr', update('last'))).subscribers === 2)
  for (const member of members) {
    while ((await member.next('UPDATE_USER')).data as unknown !== 'last');
  }
  await until(async () => await a.app.ws.count('cdr') === 2)
  t.ok(took < 1_500, 'within 1.5 s')
})

t.test('Redis is absent when the application starts: it listens, says so, and joins when it comes', async t => {
  const redis = new RedisServer(await freePort(), [])
  t.teardown(() => redis.stop())
  const a = await createApp(t, { rooms: { redis: redis.url, subscribeTimeout: 100 } })
  const client = await open(t, a.url)
  client.send({ token: a.token() })
  t.match(await client.next(), { data: { status: 'connected', degraded: true } })
  t.match(await a.app.ws.sendToRoom('cdr', update(1)), { degraded: true, subscribers: 1 })
  t.strictSame(await client.next(), update(1))
  t.match(await a.app.ws.sendToRoom('empty', update(1)), { degraded: true, subscribers: 0 }, 'nobody took it, and the receipt says so')
  await redis.start()
  t.match(await client.next('WSStatus'), { data: { status: 'resync' } })
  // The connection that sends may come a moment after the one that hears.
  await until(async () => (await a.app.ws.sendToRoom('cdr', update(2))).degraded === undefined)
  t.strictSame(await client.next(), update(2))
})

t.test('whenBrokerDown: reject', async t => {
  const a = await createApp(t, { rooms: { redis: `redis://127.0.0.1:${await freePort()}`, subscribeTimeout: 50, whenBrokerDown: 'reject' } })
  const client = await open(t, a.url)
  client.send({ token: a.token() })
  t.match(await client.next(), { data: { status: 'connected', degraded: true } })
  await t.rejects(a.app.ws.sendToRoom('cdr', update(1)), { code: 'FST_ROOMS_BROKER_UNAVAILABLE' })
  const response = await fetch(`${a.http}/cdr/users/7`, { method: 'PATCH', headers: { 'content-type': 'application/json' }, body: '{}' })
  t.equal(response.status, 200, 'a request never fails because of a message')
  t.equal(a.app.ws.stats().failed, 2)
})

t.test('a user whom Redis does not let subscribe is served in degraded rooms, until the rules change', async t => {
  const redis = await startRedis(t)
  const admin = redis.client()
  t.teardown(() => admin.disconnect())
  await admin.call('ACL', 'SETUSER', 'rooms', 'on', '>secret', '+@all', 'allkeys', 'resetchannels')
  const a = await createApp(t, { rooms: { redis: { host: '127.0.0.1', port: redis.port, username: 'rooms', password: 'secret' }, subscribeTimeout: 100 } })
  const client = await open(t, a.url)
  client.send({ token: a.token() })
  t.match(await client.next(), { data: { status: 'connected', degraded: true } })
  await until(() => a.logs.some(({ msg }) => msg === 'broker refused a subscription, trying again'))
  await admin.call('ACL', 'SETUSER', 'rooms', '&rooms:*')
  t.match(await client.next('WSStatus'), { data: { status: 'resync' } })
  await a.app.ws.sendToRoom('cdr', update(1))
  t.strictSame(await client.next(), update(1), 'and hears what is sent')
  t.notOk(a.logs.some(line => JSON.stringify(line).includes('secret')), 'the password is in no line of the log')
})

t.test('counts that Redis does not take are in the log, and members are served all the same', async t => {
  const redis = await startRedis(t)
  const admin = redis.client()
  t.teardown(() => admin.disconnect())
  await admin.config('SET', 'maxmemory', '1')
  await admin.config('SET', 'maxmemory-policy', 'noeviction')
  const a = await createApp(t, { rooms: { redis: redis.url } })
  const member = await join(t, a.url, a.token())
  await until(() => a.logs.some(({ msg, err }) => msg === 'broker connection failed' && /^OOM /.test((err as Error).message)))
  await a.app.ws.sendToRoom('cdr', update(1))
  t.strictSame(await member.next(), update(1))
})

t.test('receipts have numbers, whatever else the options of ioredis ask for', async t => {
  const redis = await startRedis(t)
  const a = await createApp(t, { rooms: { redis: { host: '127.0.0.1', port: redis.port, stringNumbers: true, monitor: true } } })
  const member = await join(t, a.url, a.token())
  t.match(member.frames, [{ data: { status: 'connected', degraded: undefined } }])
  await untilJoined(a)
  t.match(await a.app.ws.sendToRoom('cdr', update(1)), { subscribers: 1, degraded: undefined })
  t.strictSame(await member.next(), update(1))
})

t.test('every member leaves: the subscription lingers, and is given back', async t => {
  const redis = await startRedis(t)
  const a = await createApp(t, { rooms: { redis: redis.url, linger: 2_000 } })
  const admin = redis.client()
  t.teardown(() => admin.disconnect())
  const subscriptions = async (): Promise<unknown> => (await admin.pubsub('NUMSUB', 'rooms:cdr') as unknown[])[1]
  const first = await join(t, a.url, a.token())
  first.socket.terminate()
  await until(() => a.app.ws.stats().members === 0)
  t.equal(await subscriptions(), 1)
  const second = await join(t, a.url, a.token())
  second.socket.close()
  await until(async () => await subscriptions() === 0)
  t.equal(a.app.ws.stats().rooms, 0)
})
