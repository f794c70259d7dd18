import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { sleep } from '../clock.js'
import { freePort, RedisServer } from '../redis-server.js'
import { until } from '../until.js'

const run = promisify(execFile)
const MASTERS = 3

/** Three masters, each with a replica where that is wanted. */
export class Cluster {
  servers = []

  static async start ({ replicas = 0, args = [] } = {}) {
    const topology = new Cluster()
    for (let number = 0; number < MASTERS * (1 + replicas); number++) {
      const bus = await freePort() // the system chooses none by itself
      topology.servers.push(await RedisServer.start([
        '--cluster-enabled', 'yes', '--cluster-port', String(bus), '--cluster-node-timeout', '1500', '--cluster-require-full-coverage', 'no',
        '--repl-diskless-sync-delay', '0', ...args
      ]))
    }
    const addresses = topology.servers.map(({ port }) => `127.0.0.1:${port}`)
    await run('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-replicas', String(replicas), '--cluster-yes'])
    await topology.agree()
    return topology
  }

  get redis () {
    return { cluster: this.servers.map(({ port }) => port) }
  }

  /** Waits until every node holds the Cluster for whole; without one that is known to be gone. */
  async agree (gone) {
    const others = this.servers.filter(server => server !== gone)
    await until(async () => {
      const states = await Promise.all(others.map(async ({ admin }) => [await admin.cluster('INFO'), await admin.cluster('SLOTS')]))
      return states.every(([info, slots]) => info.includes('cluster_state:ok') && slots.every(([,, [, port]]) => port !== gone?.port))
    }, 30_000)
  }

  async slotOf (key) {
    return await this.servers[0].admin.cluster('KEYSLOT', key)
  }

  /** The master that has the slot, in the eyes of another. */
  async ownerOf (slot) {
    for (const [from, to, [, port]] of await this.servers[0].admin.cluster('SLOTS')) {
      if (slot >= from && slot <= to) return this.servers.find(server => server.port === Number(port))
    }
    throw new Error(`nobody has slot ${slot}`)
  }

  /**
   * Moves a slot to another master, as redis-cli does it.
   * @param pause from when its keys are gone until everybody is told where, in milliseconds
   */
  async move (slot, pause) {
    const from = await this.ownerOf(slot)
    const masters = []
    for (const server of this.servers) if ((await server.admin.role())[0] === 'master') masters.push(server)
    const to = masters.find(server => server !== from)
    const [fromId, toId] = await Promise.all([from, to].map(({ admin }) => admin.cluster('MYID')))
    await to.admin.cluster('SETSLOT', slot, 'IMPORTING', fromId)
    await from.admin.cluster('SETSLOT', slot, 'MIGRATING', toId)
    const keys = await from.admin.cluster('GETKEYSINSLOT', slot, 1_000)
    if (keys.length > 0) await from.admin.call('MIGRATE', '127.0.0.1', to.port, '', 0, 5_000, 'KEYS', ...keys)
    await sleep(pause)
    for (const { admin } of [to, from, ...masters]) await admin.cluster('SETSLOT', slot, 'NODE', toId)
  }

  async stop () {
    await Promise.all(this.servers.map(server => server.stop()))
  }
}
