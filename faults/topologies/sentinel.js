import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keep } from '../../bench/child.js'
import { Redis } from '../peers.js'
import { freePort, RedisServer } from '../redis-server.js'
import { until } from '../until.js'

const NAME = 'rooms'

/** A master, a replica and three Sentinels that watch them. */
export class Sentinel {
  servers = []
  #sentinels = []

  static async start () {
    const topology = new Sentinel()
    const master = await RedisServer.start(['--repl-diskless-sync-delay', '0'])
    const replica = await RedisServer.start(['--replicaof', `127.0.0.1 ${master.port}`, '--repl-diskless-load', 'on-empty-db'])
    topology.servers = [master, replica]
    await until(async () => (await replica.admin.info('replication')).includes('master_link_status:up'))
    for (let number = 0; number < 3; number++) topology.#sentinels.push(await startSentinel(master.port))
    await until(async () => {
      for (const { admin } of topology.#sentinels) {
        const master = pairs((await admin.call('SENTINEL', 'MASTERS'))[0])
        if (master['num-slaves'] !== '1' || master['num-other-sentinels'] !== '2') return false
      }
      return true
    }, 20_000)
    return topology
  }

  get redis () {
    return { sentinels: this.#sentinels.map(({ port }) => ({ host: '127.0.0.1', port })) }
  }

  /** Who is the master in the eyes of a Sentinel. */
  async master () {
    const [, port] = await this.#sentinels[0].admin.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME)
    return this.servers.find(server => server.port === Number(port))
  }

  /** A failover that somebody has asked for; it may be refused while the last one is being cleared away. */
  async failover () {
    await until(() => this.#sentinels[0].admin.call('SENTINEL', 'FAILOVER', NAME).then(() => true, () => false))
  }

  async stop () {
    for (const { admin, child, folder } of this.#sentinels) {
      admin.disconnect()
      child.kill('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    }
    for (const server of this.servers) await server.stop()
  }
}

async function startSentinel (master) {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'fastify-rooms-sentinel-'))
  const file = join(folder, 'sentinel.conf')
  writeFileSync(file, [
    `port ${port}`, 'bind 127.0.0.1', `dir ${folder}`, `sentinel monitor ${NAME} 127.0.0.1 ${master} 2`,
    `sentinel down-after-milliseconds ${NAME} 1000`, `sentinel failover-timeout ${NAME} 3000`
  ].join('\n'))
  const child = spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' })
  keep(child)
  await once(child, 'spawn')
  const admin = new Redis({ host: '127.0.0.1', port, maxRetriesPerRequest: null, retryStrategy: () => 10 })
  admin.on('error', () => {})
  await admin.ping()
  return { port, folder, child, admin }
}

function pairs (list) {
  if (!Array.isArray(list)) return list
  return Object.fromEntries(Array.from({ length: list.length / 2 }, (_, number) => [list[2 * number], list[2 * number + 1]]))
}
