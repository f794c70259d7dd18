import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { Cluster } from 'ioredis'
import type { ClusterOptions } from 'ioredis'
import type { Test } from 'tap'
import { until } from './app.js'
import { isFree, startRedis } from './redis.js'
import type { RedisServer } from './redis.js'

const run = promisify(execFile)

export interface StartedCluster {
  nodes: RedisServer[]
  /** A client of the test's own. */
  connect: (options?: Pick<ClusterOptions, 'keyPrefix' | 'natMap' | 'redisOptions'>) => Cluster
}

/** Below those that the system gives to connections, and not where another process of the tests begins that runs at the same time. */
let busPort = 17_000 + process.pid % 100 * 80

async function freeBusPort (): Promise<number> {
  while (!await isFree(++busPort));
  return busPort
}

/** Three masters, each with so many replicas. The bus of a node listens on a port of its own, the system chooses none by itself. */
export async function startCluster (t: Test, { replicas = 0 } = {}): Promise<StartedCluster> {
  const nodes: RedisServer[] = []
  for (let i = 0; i < 3 * (1 + replicas); i++) {
    nodes.push(await startRedis(t, ['--cluster-enabled', 'yes', '--cluster-port', String(await freeBusPort()), '--cluster-node-timeout', '2000']))
  }
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`)
  await run('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-replicas', String(replicas), '--cluster-yes'])
  for (const node of nodes) {
    const client = node.client()
    await until(async () => (await client.cluster('INFO')).includes('cluster_state:ok'), 30_000)
    if (replicas > 0) await until(async () => !(await client.info('replication')).includes('master_link_status:down'), 30_000)
    client.disconnect()
  }
  return {
    nodes,
    connect (options = {}) {
      const cluster = new Cluster(nodes.map(({ port }) => ({ host: '127.0.0.1', port })), options as object)
      cluster.on('error', () => {})
      t.teardown(() => cluster.disconnect())
      return cluster
    }
  }
}

/** The master that has a channel, and all that belongs to it. */
export async function ownerOf (cluster: Cluster, nodes: RedisServer[], channel: string): Promise<RedisServer> {
  const slot = await cluster.cluster('KEYSLOT', channel)
  const ranges = await cluster.cluster('SLOTS')
  const port = ranges.find(([from, to]) => slot >= from && slot <= to)?.[2]?.[1]
  return nodes.find(node => node.port === port) as RedisServer
}
