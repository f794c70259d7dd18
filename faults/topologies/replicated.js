import { FaultProxy } from '../proxy.js'
import { RedisServer } from '../redis-server.js'
import { until } from '../until.js'

/** A master and a replica that follows it through a proxy. Nobody promotes the replica but the scenario. */
export class Replicated {
  server
  replica
  link

  static async start () {
    const topology = new Replicated()
    topology.server = await RedisServer.start(['--repl-diskless-sync-delay', '0'])
    topology.link = await FaultProxy.start(topology.server.port)
    topology.replica = await RedisServer.start(['--repl-diskless-load', 'on-empty-db'])
    await topology.replica.admin.replicaof('127.0.0.1', topology.link.port)
    await until(async () => (await topology.replica.admin.info('replication')).includes('master_link_status:up'))
    return topology
  }

  get redis () {
    return { port: this.server.port }
  }

  /** Waits until the replica has all that the master has. */
  async follow () {
    await until(async () => {
      const [master, replica] = await Promise.all([this.server, this.replica].map(({ admin }) => admin.info('replication')))
      return master.match(/master_repl_offset:(\d+)/)[1] === replica.match(/slave_repl_offset:(\d+)/)[1]
    })
  }

  /** As an administrator would, or a Sentinel: the replica knows what it knows. */
  async promote () {
    await this.replica.admin.replicaof('NO', 'ONE')
  }

  async stop () {
    this.link.close()
    await this.server.stop()
    await this.replica.stop()
  }
}
