import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import type { RedisOptions } from 'ioredis'
import type { Test } from 'tap'
import { until } from './app.js'
import { startRedis } from './redis.js'
import type { RedisServer } from './redis.js'

const NAME = 'rooms'

export interface Replicated {
  master: RedisServer
  replica: RedisServer
  sentinels: RedisServer[]
  /** What an application is given as `redis`. */
  options: RedisOptions
}

/** A master, a replica that has everything it has, and three Sentinels that watch over them. */
export async function startSentinel (t: Test): Promise<Replicated> {
  const master = await startRedis(t)
  const replica = await startRedis(t, ['--replicaof', '127.0.0.1', String(master.port)])
  await until(async () => (await ask(replica, client => client.info('replication'))).includes('master_link_status:up'))
  const sentinels: RedisServer[] = []
  const directory = t.testdir()
  for (let i = 0; i < 3; i++) {
    const file = join(directory, `sentinel-${i}.conf`) // which it writes to
    writeFileSync(file, [
      `sentinel monitor ${NAME} 127.0.0.1 ${master.port} 2`,
      `sentinel down-after-milliseconds ${NAME} 1000`,
      `sentinel failover-timeout ${NAME} 5000`
    ].join('\n'))
    sentinels.push(await startRedis(t, [file, '--sentinel']))
  }
  // They find each other, and the replica, through the master.
  for (const sentinel of sentinels) {
    await until(async () => {
      const [first] = await ask(sentinel, client => client.call('SENTINEL', 'MASTERS')) as string[][]
      const known = (field: string): string | undefined => first?.[first.indexOf(field) + 1]
      return known('num-slaves') === '1' && known('num-other-sentinels') === '2'
    })
  }
  return { master, replica, sentinels, options: { sentinels: sentinels.map(({ port }) => ({ host: '127.0.0.1', port })), name: NAME } }
}

async function ask<T> (server: RedisServer, question: (client: Redis) => Promise<T>): Promise<T> {
  const client = server.client()
  try {
    return await question(client)
  } finally {
    client.disconnect()
  }
}
