import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import type { Test } from 'tap'
import { Cluster } from 'ioredis'
import { RedisBroker } from '../../lib/brokers/redis.js'
import { createLink } from '../../lib/brokers/redis-link.js'
import { createApp, until, untilJoined } from '../helpers/app.js'
import { join } from '../helpers/client.js'
import { startRedis } from '../helpers/redis.js'
import type { RedisServer } from '../helpers/redis.js'
import { brokerSuite, publish, start } from './suite.js'

const run = promisify(execFile)

/** Three masters and no replica. The bus of a node listens on a port of its own, the system chooses none by itself. */
async function startCluster (t: Test): Promise<RedisServer[]> {
  const nodes: RedisServer[] = []
  for (let i = 0; i < 3; i++) {
    const busPort = 17_000 + Math.floor(Math.random() * 8_000)
    nodes.push(await startRedis(t, ['--cluster-enabled', 'yes', '--cluster-port', String(busPort), '--cluster-node-timeout', '2000']))
  }
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`)
  await run('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-yes'])
  for (const node of nodes) {
    const client = node.client()
    await until(async () => (await client.cluster('INFO')).includes('cluster_state:ok'))
    client.disconnect()
  }
  return nodes
}

function connect (t: Test, nodes: RedisServer[], options = {}): Cluster {
  const cluster = new Cluster(nodes.map(({ port }) => ({ host: '127.0.0.1', port })), options)
  cluster.on('error', () => {})
  t.teardown(() => cluster.disconnect())
  return cluster
}

t.test('a Redis Cluster', async t => {
  const nodes = await startCluster(t)
  const settings = { prefix: 'rooms:', publishTimeout: 2_000 }

  await brokerSuite(t, 'Redis Cluster, sharded pub/sub', async t => {
    const cluster = connect(t, nodes)
    return async () => new RedisBroker(await createLink(cluster), settings)
  })

  t.test('applications that share a Cluster share their rooms', async t => {
    const cluster = connect(t, nodes, { keyPrefix: 'app:' })
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
    const cluster = connect(t, nodes)
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
