import { Redis } from 'ioredis'
import { startRedis } from '../redis-server.js'

/** A Redis that is looked at from inside: its own word on processor time, memory and traffic. */
export class Node {
  port
  url
  version
  admin
  #stop

  static async start (flags) {
    const node = new Node()
    const { port, url, version, stop } = await startRedis(flags)
    node.#stop = stop
    node.admin = new Redis({ port, maxRetriesPerRequest: null })
    return Object.assign(node, { port, url, version })
  }

  async stop () {
    this.admin.disconnect()
    await this.#stop()
  }

  /** Microseconds of the one thread that carries out commands, and of the kernel on its behalf. */
  async cpu () {
    const { used_cpu_user_main_thread: user, used_cpu_sys_main_thread: system } = await this.info('cpu')
    return (user + system) * 1_000_000
  }

  /** Microseconds as above, and bytes that came and went. */
  async traffic () {
    const [cpu, { total_net_input_bytes: into, total_net_output_bytes: out }] = [await this.cpu(), await this.info('stats')]
    return { cpu, into, out }
  }

  /** How often each command was called since it was last asked to forget that. */
  async calls () {
    const stats = await this.admin.info('commandstats')
    return Object.fromEntries([...stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)].map(([, name, calls]) => [name, Number(calls)]))
  }

  async info (section) {
    return Object.fromEntries([...(await this.admin.info(section)).matchAll(/^(\w+):([\d.]+)\r$/gm)].map(([, name, value]) => [name, Number(value)]))
  }
}
