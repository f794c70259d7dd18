import { once } from 'node:events'
import t from 'tap'
import type { Test } from 'tap'
import type { Redis } from 'ioredis'
import { RedisBroker } from '../../lib/brokers/redis.js'
import { createLink } from '../../lib/brokers/redis-link.js'
import type { RedisSource } from '../../lib/brokers/redis-link.js'
import { until } from '../helpers/app.js'
import { startProxy } from '../helpers/proxy.js'
import type { FaultProxy } from '../helpers/proxy.js'
import { startRedis } from '../helpers/redis.js'
import type { RedisServer } from '../helpers/redis.js'
import { Stopwatch } from '../helpers/stopwatch.js'
import { historyOf, textOf } from './history-suite.js'
import { publish, start } from './suite.js'
import type { Started } from './suite.js'

const BOUNDS = { size: 100, ttl: 60_000 }

async function startBroker (t: Test, source: RedisSource): Promise<Started> {
  return await start(t, new RedisBroker(await createLink(source), { prefix: 'rooms:', publishTimeout: 2_000 }))
}

/** A broker whose subscriptions are with another server than the one it publishes to. */
async function startDivided (t: Test): Promise<{ started: Started, proxy: FaultProxy, one: RedisServer }> {
  const [one, other] = [await startRedis(t), await startRedis(t)]
  const proxy = await startProxy(t, one.port)
  const started = await startBroker(t, { host: '127.0.0.1', port: proxy.port })
  await started.broker.subscribe('rooms:a')
  t.equal(await publish(started, 'rooms:a', 'before', '0'), 1)
  proxy.target = other.port
  const admin = one.client()
  t.teardown(() => admin.disconnect())
  await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
  await until(() => started.ups === 2)
  await started.broker.subscribe('rooms:a')
  return { started, proxy, one }
}

t.test('subscriptions that are with another server are noticed within 3 s, and made again where messages are', async t => {
  const { started, proxy, one } = await startDivided(t)
  const stopwatch = new Stopwatch()
  t.teardown(() => stopwatch.stop())
  proxy.target = one.port
  await until(() => started.downs === 2)
  t.ok(stopwatch.stop() <= 3_000)
  t.ok(started.errors.some(({ message }) => message.includes('does not arrive')), 'and told')
  await until(() => started.ups === 3)
  await started.broker.subscribe('rooms:a')
  await until(async () => await publish(started, 'rooms:a', 'after', '1').catch(() => 0) === 1)
  await until(() => started.messages.at(-1)?.payload === 'after')
})

t.test('Redis counts nobody on a channel that is subscribed to: it is told at once that something was missed, and not for every message', async t => {
  const { started } = await startDivided(t)
  const before = performance.now()
  // All in one moment, however slow the machine is.
  t.strictSame(new Set(await Promise.all(Array.from({ length: 100 }, (_, i) => publish(started, 'rooms:a', 'lost', String(i))))), new Set([0]))
  await until(() => started.missed.length > 0)
  t.strictSame(started.missed, ['rooms:a'])
  await until(() => started.missed.length > 1)
  t.ok(performance.now() - before > 950, 'once in a second')
  t.equal(await publish(started, 'rooms:nobody', 'nobody', '1'), 0)
  await started.broker.unsubscribe('rooms:a')
  t.equal(await publish(started, 'rooms:a', 'left', '2'), 0)
  await historyOf(started).append('rooms:a', textOf('left'), 'left', BOUNDS)
  t.strictSame(started.missed, ['rooms:a', 'rooms:a'], 'and nothing of a channel that is not')
})

t.test('the same of a message that is kept; but not where the channel was left meanwhile', async t => {
  const { started } = await startDivided(t)
  t.match(await historyOf(started).append('rooms:a', textOf('lost'), 'lost', BOUNDS), { subscribers: 0 })
  await started.broker.unsubscribe('rooms:a')
  t.strictSame(started.missed, [])
  await started.broker.subscribe('rooms:a')
  t.match(await historyOf(started).append('rooms:a', textOf('lost'), 'lost', BOUNDS), { subscribers: 0 })
  await until(() => started.missed.length === 1)
  t.strictSame(started.missed, ['rooms:a'])
})

t.test('a connection that is ended before the process listens to itself was never up', async t => {
  const redis = await startRedis(t)
  const link = await createLink(redis.url)
  const broker = new RedisBroker(link, { prefix: 'rooms:', publishTimeout: 2_000 })
  t.teardown(() => broker.close())
  const fail = (): void => { t.fail('nothing is to be told') }
  broker.start({ message: fail, up: fail, down: fail, missed: fail, error: () => {} })
  const subscriber = link.subscriber as Redis
  subscriber.on('ready', () => {
    subscriber.disconnect()
    subscriber.stream.destroy() // before anything is answered
  })
  await once(link.subscriber, 'end')
  await new Promise(resolve => setImmediate(resolve))
  await t.rejects(broker.history.read('rooms:a', undefined, { size: 1, ttl: 1_000 }, 1), { code: 'FST_ROOMS_BROKER_UNAVAILABLE' })
})

t.test('a process that did not run for seconds is not deaf', async t => {
  const redis = await startRedis(t)
  const started = await startBroker(t, redis.url)
  await new Promise(resolve => setTimeout(resolve, 1_000))
  await started.broker.count('rooms:a')
  for (const end = performance.now() + 3_000; performance.now() < end;);
  await new Promise(resolve => setTimeout(resolve, 2_000))
  t.strictSame([started.ups, started.downs, started.errors], [1, 0, []])
  t.strictSame(started.messages, [], 'and what it says to itself is its own affair')
})

t.test('Redis does not let a process listen to itself, or publish: it is told, and all else goes on', async t => {
  const redis = await startRedis(t)
  const admin = redis.client()
  t.teardown(() => admin.disconnect())
  await admin.call('ACL', 'SETUSER', 'rooms', 'on', '>secret', '+@all', 'allkeys', 'resetchannels', '&rooms:a')
  const started = await startBroker(t, { host: '127.0.0.1', port: redis.port, username: 'rooms', password: 'secret' })
  t.match(started.errors, [{ name: 'ReplyError', message: /NOPERM/ }])
  await admin.call('ACL', 'SETUSER', 'mute', 'on', '>secret', '+@all', 'allkeys', 'allchannels', '-publish')
  const mute = await startBroker(t, { host: '127.0.0.1', port: redis.port, username: 'mute', password: 'secret' })
  await started.broker.subscribe('rooms:a')
  t.equal(await publish(started, 'rooms:a', 'hello', '1'), 1)
  await new Promise(resolve => setTimeout(resolve, 5_000))
  t.strictSame([started.downs, mute.downs, mute.errors], [0, 0, []])
})

t.test('only the connection that publishes is lost: the other stays, and is listened to again', async t => {
  const [one, other] = [await startRedis(t), await startRedis(t)]
  const proxy = await startProxy(t, one.port)
  const started = await startBroker(t, { host: '127.0.0.1', port: proxy.port })
  const admin = one.client()
  t.teardown(() => admin.disconnect())
  proxy.target = other.port
  await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  const stopwatch = new Stopwatch()
  t.teardown(() => stopwatch.stop())
  await until(() => started.downs === 1)
  t.ok(stopwatch.stop() <= 3_000)
})
