import t from 'tap'
import { RedisBroker } from '../../lib/brokers/redis.js'
import { createLink } from '../../lib/brokers/redis-link.js'
import { createApp, until, untilJoined } from '../helpers/app.js'
import { join } from '../helpers/client.js'
import { startCluster } from '../helpers/cluster.js'
import type { RedisServer } from '../helpers/redis.js'
import { brokerSuite, publish, start } from './suite.js'

t.test('a Redis Cluster', async t => {
  const { nodes, connect } = await startCluster(t)
  const settings = { prefix: 'rooms:', publishTimeout: 2_000 }

  await brokerSuite(t, 'Redis Cluster, sharded pub/sub', async t => {
    const cluster = connect()
    return async () => new RedisBroker(await createLink(cluster), settings)
  })

  t.test('applications that share a Cluster share their rooms', async t => {
    const cluster = connect({ keyPrefix: 'app:' })
    const a = await createApp(t, { rooms: { redis: cluster } })
    const b = await createApp(t, { rooms: { redis: cluster } })
    await untilJoined(a, b)
    const member = await join(t, a.url, a.token())
    const { subscribers, degraded } = await b.app.ws.sendToRoom('cdr', { command: 'UPDATE_USER', data: 1 })
    t.equal(degraded, undefined)
    t.equal(subscribers, 1)
    t.strictSame(await member.next(), { command: 'UPDATE_USER', data: 1 })
    await until(async () => await b.app.ws.count('cdr') === 1)
  })

  t.test('a node that is gone makes its rooms unavailable, and they come back with it', async t => {
    const cluster = connect()
    const a = await start(t, new RedisBroker(await createLink(cluster), settings))
    const channels = Array.from({ length: 12 }, (_, i) => `rooms:${i}`)
    const send = async (channel: string): Promise<number> => await publish(a, channel, 'hello', channel).catch(() => -1)
    await Promise.all(channels.map(channel => a.broker.subscribe(channel)))
    const victim = nodes[2] as RedisServer
    await victim.kill()
    await until(async () => (await Promise.all(channels.map(send))).includes(-1))
    await victim.start()
    await until(async () => {
      // As a channel's reconciler does it, whenever the broker says that subscriptions were lost.
      await Promise.allSettled(channels.map(channel => a.broker.subscribe(channel)))
      return (await Promise.all(channels.map(send))).every(count => count === 1)
    }, 30_000)
    t.ok(a.ups > 1, 'the broker has said so')
  })
})
