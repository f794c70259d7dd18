import { inspect } from 'node:util'
import t from 'tap'
import type { Test } from 'tap'
import { Redis } from 'ioredis'
import { RedisBroker } from '../../lib/brokers/redis.js'
import { createLink } from '../../lib/brokers/redis-link.js'
import type { RedisSource } from '../../lib/brokers/redis-link.js'
import { until } from '../helpers/app.js'
import { startProxy } from '../helpers/proxy.js'
import { startRedis } from '../helpers/redis.js'
import { brokerSuite, publish, start } from './suite.js'
import type { Started } from './suite.js'

const SETTINGS = { prefix: 'rooms:', publishTimeout: 1_000 }

async function redisBroker (source: RedisSource, settings = SETTINGS): Promise<RedisBroker> {
  return new RedisBroker(await createLink(source), settings)
}

async function startBroker (t: Test, source: RedisSource, settings = SETTINGS): Promise<Started> {
  return await start(t, await redisBroker(source, settings))
}

const hello = 'hello'

brokerSuite(t, 'Redis', async t => {
  const { url } = await startRedis(t)
  return async () => await redisBroker(url)
})

t.test('what is given as `redis`', async t => {
  const redis = await startRedis(t, ['--requirepass', 'secret'])

  t.test('options of ioredis', async t => {
    const { broker } = await startBroker(t, { host: '127.0.0.1', port: redis.port, password: 'secret', keyPrefix: 'ignored:' })
    await broker.subscribe('rooms:a')
    t.equal(await broker.publish('rooms:a', hello, '1'), 1)
  })

  t.test('a client is duplicated, its key prefix left behind, and it stays open', async t => {
    const client = new Redis({ host: '127.0.0.1', port: redis.port, password: 'secret', keyPrefix: 'app:' })
    t.teardown(() => client.disconnect())
    const started = await startBroker(t, client)
    await started.broker.subscribe('rooms:a')
    t.equal(await client.publish('rooms:a', hello), 1)
    await until(() => started.messages.length === 1)
    started.broker.report('rooms:a', 4)
    const admin = client.duplicate({ keyPrefix: '' })
    t.teardown(() => admin.disconnect())
    await until(async () => (await admin.hvals('{rooms:a}:n'))[0] === '4')
    await started.broker.close()
    t.equal(await client.ping(), 'PONG')
    t.equal(await client.publish('rooms:a', hello), 0)
  })

  t.test('options of ioredis that would change what answers mean are left behind', async t => {
    for (const given of [{}, { stringNumbers: true, monitor: true }]) {
      const client = new Redis({ host: '127.0.0.1', port: redis.port, password: 'secret', lazyConnect: true, ...given })
      t.teardown(() => client.disconnect())
      for (const source of [client, { host: '127.0.0.1', port: redis.port, password: 'secret', ...given }]) {
        const { broker } = await startBroker(t, source)
        await broker.subscribe('rooms:numbers')
        t.equal(await broker.publish('rooms:numbers', hello, '1'), 1)
        broker.report('rooms:numbers', 2)
        await until(async () => await broker.count('rooms:numbers') === 2)
        await broker.close()
      }
    }
  })

  t.test('connections that cannot be made are told as errors, and no more than that', async t => {
    const broker = await redisBroker({ host: '127.0.0.1', port: redis.port, password: 'wrong' })
    t.teardown(() => broker.close())
    const errors: Error[] = []
    broker.start({ message: () => {}, up: () => t.fail('is not up'), down: () => t.fail('was never up'), missed: () => {}, error: error => { errors.push(error) } })
    await until(() => errors.some(error => error.message.startsWith('WRONGPASS')))
    t.notOk(inspect(errors, { depth: 9 }).includes('wrong'), 'and the password is not among what they tell')
    await t.rejects(async () => await broker.publish('rooms:a', hello, '1'), { code: 'FST_ROOMS_BROKER_UNAVAILABLE' })
    await t.rejects(broker.count('rooms:a'), { code: 'FST_ROOMS_BROKER_UNAVAILABLE' })
  })
})

t.test('Redis crashes and comes back empty: sends say so meanwhile, and everything can be made again', async t => {
  const redis = await startRedis(t)
  const a = await startBroker(t, redis.url)
  await a.broker.subscribe('rooms:a')
  a.broker.report('rooms:a', 3)
  await redis.kill()
  await until(() => a.downs === 1)
  await t.rejects(publish(a, 'rooms:a', hello, '1'), { code: 'FST_ROOMS_BROKER_UNAVAILABLE' })
  await t.rejects(a.broker.subscribe('rooms:b'))
  a.broker.report('rooms:b', 1)
  await redis.start()
  await until(() => a.ups === 2)
  await a.broker.subscribe('rooms:a')
  await until(async () => await publish(a, 'rooms:a', hello, '2').catch(() => 0) === 1)
  await until(() => a.messages.length === 1)
  const b = await startBroker(t, redis.url)
  await until(async () => await b.broker.count('rooms:a') === 3 && await b.broker.count('rooms:b') === 1)
})

t.test('Redis hangs: a send is unknown after publishTimeout, arrives once when it wakes, and a count fails', async t => {
  const redis = await startRedis(t)
  const a = await startBroker(t, redis.url, { prefix: 'rooms:', publishTimeout: 1_000 })
  await a.broker.subscribe('rooms:a')
  await redis.kill('SIGSTOP')
  const counting = a.broker.count('rooms:a')
  const sending = publish(a, 'rooms:a', hello, 'message-1')
  await t.rejects(sending, { code: 'FST_ROOMS_SEND_UNKNOWN', message: /message-1/ })
  await t.rejects(counting, { code: 'FST_ROOMS_BROKER_UNAVAILABLE' })
  await redis.kill('SIGCONT')
  await until(() => a.messages.length === 1)
  await publish(a, 'rooms:a', 'last', '2')
  await until(() => a.messages.length > 1)
  t.strictSame(a.messages.map(({ payload }) => payload), ['hello', 'last'])
})

t.test('a connection that falls silent is found and replaced by itself', async t => {
  const redis = await startRedis(t)
  const proxy = await startProxy(t, redis.port)
  const a = await startBroker(t, { host: '127.0.0.1', port: proxy.port })
  await a.broker.subscribe('rooms:a')
  proxy.mode = 'blackhole'
  await until(() => a.downs === 1)
  proxy.mode = 'pass'
  await until(() => a.ups === 2)
  await a.broker.subscribe('rooms:a')
  await until(async () => await publish(a, 'rooms:a', hello, '1').catch(() => 0) === 1)
})

t.test('a connection that ioredis has given up for good is made anew, whichever it is', async t => {
  // As Sentinel's word of a failover does, when it comes while a connection is being made.
  const redis = await startRedis(t)
  for (const which of ['subscriber', 'commands'] as const) {
    const link = await createLink(redis.url)
    const started = await start(t, new RedisBroker(link, SETTINGS))
    const { broker, messages } = started
    const client = link[which] as Redis
    const ended = new Promise(resolve => { client.once('end', resolve) })
    client.once('connecting', () => client.disconnect(true))
    client.stream.destroy()
    await ended
    await until(() => client.status === 'ready')
    await until(async () => await broker.subscribe('rooms:a').then(() => true, () => false))
    t.equal(await publish(started, 'rooms:a', hello, '1'), 1, which)
    await until(() => messages.length === 1)
    await broker.close()
  }
})

t.test('answers that are lost with the connection make a send unknown at once, and are not sent twice', async t => {
  const redis = await startRedis(t)
  const proxy = await startProxy(t, redis.port)
  const listener = await startBroker(t, redis.url)
  await listener.broker.subscribe('rooms:a')
  const sender = await startBroker(t, { host: '127.0.0.1', port: proxy.port }, { prefix: 'rooms:', publishTimeout: 60_000 })
  proxy.mode = 'drop-replies'
  const sends = Array.from({ length: 100 }, (_, i) => publish(sender, 'rooms:a', String(i), String(i)))
  const outcomes = Promise.allSettled(sends)
  await until(() => listener.messages.length === 100)
  proxy.mode = 'pass'
  proxy.cut()
  for (const outcome of await outcomes) t.match(outcome, { status: 'rejected', reason: { code: 'FST_ROOMS_SEND_UNKNOWN' } })
  await until(() => sender.ups === 2)
  await until(async () => await publish(sender, 'rooms:a', 'last', 'last').catch(() => 0) === 1)
  await until(() => listener.messages.at(-1)?.payload === 'last')
  t.equal(listener.messages.length, 101)
})

t.test('access control', async t => {
  const redis = await startRedis(t)
  const admin = redis.client()
  t.teardown(() => admin.disconnect())
  await admin.call('ACL', 'SETUSER', 'rooms', 'on', '>secret', '+@all', 'resetkeys', '~{rooms:*', 'resetchannels', '&rooms:a', '&rooms:b')
  const source = { host: '127.0.0.1', port: redis.port, username: 'rooms', password: 'secret' }

  t.test('a channel that is refused does not keep the others of its turn from being heard', async t => {
    const { broker } = await startBroker(t, source)
    const outcomes = await Promise.allSettled(['rooms:a', 'rooms:secret', 'rooms:b'].map(channel => broker.subscribe(channel)))
    t.strictSame(outcomes.map(({ status }) => status), ['fulfilled', 'rejected', 'fulfilled'])
    t.equal(await broker.publish('rooms:b', hello, '1'), 1)
  })

  t.test('a send that Redis refuses was not sent', async t => {
    const { broker } = await startBroker(t, source)
    const error = await Promise.resolve(broker.publish('rooms:secret', hello, '1')).catch(error => error)
    t.match(error, { code: 'FST_ROOMS_BROKER_UNAVAILABLE', cause: { message: /NOPERM/ } })
    t.notOk(inspect(error, { depth: 9 }).includes('hello'), 'and the message is not among what the error tells')
  })
})

t.test('counting', async t => {
  const redis = await startRedis(t)
  const admin = redis.client()
  t.teardown(() => admin.disconnect())

  const lives = async (): Promise<string[]> => await admin.keys('{rooms:@}:*')

  t.test('members of a process that died are not counted, and its reports are cleared away', async t => {
    const a = await startBroker(t, redis.url)
    const b = await startBroker(t, redis.url)
    a.broker.report('rooms:cdr', 1)
    await until(async () => (await lives()).length === 1)
    const [lifeOfA] = await lives()
    b.broker.report('rooms:cdr', 2)
    await until(async () => await a.broker.count('rooms:cdr') === 3)
    await admin.del(lifeOfA as string)
    t.equal(await b.broker.count('rooms:cdr'), 2)
    await until(async () => (await admin.hlen('{rooms:cdr}:n')) === 1)
    t.equal(await a.broker.count('rooms:cdr'), 3, 'a process knows its own members')
  })

  t.test('a report that Redis refuses is made again with the next connection', async t => {
    await admin.call('ACL', 'SETUSER', 'default', '-hset')
    const a = await startBroker(t, redis.url)
    a.broker.report('rooms:refused', 2)
    await until(() => a.errors.length > 0)
    t.match(a.errors, [{ name: 'ReplyError', message: /NOPERM.*hset/ }], 'and told')
    t.notOk(inspect(a.errors, { depth: 9 }).includes('rooms:refused'), 'without the command')
    t.equal(await admin.exists('{rooms:refused}:n'), 0)
    await admin.call('ACL', 'SETUSER', 'default', '+hset')
    await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await until(async () => await admin.hlen('{rooms:refused}:n') === 1)
  })

  t.test('a report that was lost with its connection is made again with the next', async t => {
    const proxy = await startProxy(t, redis.port)
    const a = await startBroker(t, { host: '127.0.0.1', port: proxy.port })
    a.broker.report('rooms:left', 1)
    await until(async () => await admin.hlen('{rooms:left}:n') === 1)
    proxy.mode = 'blackhole'
    a.broker.report('rooms:left', 0)
    await until(() => /hdel/i.test(proxy.swallowed))
    proxy.mode = 'pass'
    proxy.cut()
    await until(async () => await admin.hlen('{rooms:left}:n') === 0)
  })

  t.test('a report whose answer was lost with its connection is made again, which does no harm', async t => {
    const proxy = await startProxy(t, redis.port)
    const a = await startBroker(t, { host: '127.0.0.1', port: proxy.port })
    a.broker.report('rooms:left', 1)
    await until(async () => await admin.hlen('{rooms:left}:n') === 1)
    proxy.mode = 'drop-replies'
    a.broker.report('rooms:left', 0)
    await until(async () => await admin.hlen('{rooms:left}:n') === 0)
    await admin.hset('{rooms:left}:n', { somebody: 5 })
    proxy.mode = 'pass'
    proxy.cut()
    await until(() => a.ups === 2)
    a.broker.report('rooms:left', 2)
    await until(async () => await admin.hlen('{rooms:left}:n') === 2)
    a.broker.report('rooms:left', 0)
    await until(async () => await admin.hlen('{rooms:left}:n') === 1)
    t.strictSame(await admin.hgetall('{rooms:left}:n'), { somebody: '5' })
    await admin.del('{rooms:left}:n')
  })

  t.test('a process that was taken for dead is counted again with its next beat, though its burial be late', async t => {
    const [one, other] = [await startBroker(t, redis.url), await startBroker(t, redis.url)]
    const known = await lives()
    one.broker.report('rooms:buried', 1)
    other.broker.report('rooms:late', 1)
    await until(async () => await admin.hlen('{rooms:buried}:n') === 1 && await admin.hlen('{rooms:late}:n') === 1 && (await lives()).length === known.length + 2)
    const [process] = await admin.hkeys('{rooms:buried}:n')
    await admin.del('{rooms:buried}:n', `{rooms:@}:${process}`)
    // Whoever saw the second without its key of life, a moment before it came, takes its field away a moment after.
    await admin.del('{rooms:late}:n')
    await until(async () => await admin.hlen('{rooms:buried}:n') === 1 && await admin.hlen('{rooms:late}:n') === 1, 20_000)
    t.equal(await other.broker.count('rooms:buried'), 1)
    t.equal(await one.broker.count('rooms:late'), 1)
  })

  t.test('every key expires by itself', async t => {
    const a = await startBroker(t, redis.url)
    a.broker.report('rooms:cdr', 1)
    await until(async () => await admin.exists('{rooms:cdr}:n') === 1 && (await lives()).length > 0)
    const keys = await admin.keys('*')
    for (const key of keys) t.ok(await admin.pttl(key) > 0, key)
  })

  t.test('a closed process leaves nothing in Redis', async t => {
    const a = await startBroker(t, redis.url)
    for (let i = 0; i < 2_500; i++) a.broker.report(`rooms:${i}`, 1)
    await until(async () => await admin.dbsize() >= 2_501)
    await a.broker.close()
    t.equal(await admin.dbsize(), 0)
  })
})
