import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keep } from '../bench/child.js'
import { Redis } from './peers.js'
import { until } from './until.js'

/** A redis-server on a free port, with a folder of its own that outlives a crash. */
export class RedisServer {
  port
  #args
  #folder = mkdtempSync(join(tmpdir(), 'fastify-rooms-faults-'))
  #child
  #admin

  constructor (port, args = []) {
    this.port = port
    this.#args = args
  }

  static async start (args) {
    const server = new RedisServer(await freePort(), args)
    await server.start()
    return server
  }

  get folder () {
    return this.#folder
  }

  get pid () {
    return this.#child.pid
  }

  /** Resolves when this very process answers. */
  async start () {
    const child = spawn('redis-server', [
      '--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', this.#folder,
      '--enable-debug-command', 'local', ...this.#args
    ], { stdio: 'ignore' })
    keep(child)
    this.#child = child
    await once(child, 'spawn').catch(cause => { throw new Error('There is no redis-server in the path.', { cause }) })
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`redis-server ended with ${child.exitCode}; is port ${this.port} taken?`)
      return await this.admin.info('server').then(info => info.includes(`process_id:${child.pid}\r\n`), () => false)
    })
  }

  /** SIGKILL is a crash; SIGSTOP a hang, ended by SIGCONT. */
  async kill (signal = 'SIGKILL') {
    if (this.#child === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null) return
    if (signal === 'SIGSTOP' || signal === 'SIGCONT') {
      this.#child.kill(signal)
      return
    }
    const exited = once(this.#child, 'exit')
    this.#child.kill(signal)
    this.#child.kill('SIGCONT')
    await exited
  }

  async stop () {
    this.#admin?.disconnect()
    await this.kill()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** The harness's own connection, which no fault of the network touches. */
  get admin () {
    this.#admin ??= this.client()
    return this.#admin
  }

  client () {
    const client = new Redis({ host: '127.0.0.1', port: this.port, maxRetriesPerRequest: null, retryStrategy: () => 10 })
    client.on('error', () => {})
    return client
  }
}

export async function freePort () {
  const probe = net.createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address()
  probe.close()
  await once(probe, 'close')
  return port
}
