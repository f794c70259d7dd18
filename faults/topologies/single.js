import { freePort, RedisServer } from '../redis-server.js'

/** One Redis. */
export class Single {
  server

  static async start (args) {
    const topology = new Single()
    topology.server = await RedisServer.start(args)
    return topology
  }

  /** Nobody has started it yet. */
  static async absent () {
    const topology = new Single()
    topology.server = new RedisServer(await freePort())
    return topology
  }

  /** How a process reaches it. */
  get redis () {
    return { port: this.server.port }
  }

  async stop () {
    await this.server.stop()
  }
}
