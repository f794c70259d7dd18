import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import type { Test } from 'tap'

/** What a server is that keeps data, and nothing of it on disk unless the test says so. */
const SERVER = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']

/** A redis-server of the test's own, on a free port, ended by its pid. */
export class RedisServer {
  readonly port: number
  readonly #args: string[]
  readonly #dir = mkdtempSync(join(tmpdir(), 'fastify-rooms-redis-'))
  #child: ChildProcess | undefined

  /** @param args what comes last counts; a Sentinel begins with the file that it keeps its state in */
  constructor (port: number, args: string[]) {
    this.port = port
    this.#args = args
  }

  get url (): string {
    return `redis://127.0.0.1:${this.port}`
  }

  get password (): string | undefined {
    const at = this.#args.indexOf('--requirepass')
    return at === -1 ? undefined : this.#args[at + 1]
  }

  get pid (): number {
    return this.#child?.pid as number
  }

  /** Somebody's connection may have the port for a moment, as its own end. */
  async start (): Promise<void> {
    for (let tries = 0; tries < 20; tries++) {
      if (await this.#starts()) return
      await this.kill()
    }
    throw new Error(`redis-server does not start on port ${this.port}`)
  }

  /** Whether it answers, and no other. */
  async #starts (): Promise<boolean> {
    const child = spawn('redis-server', this.#command(), { stdio: 'ignore' })
    this.#child = child
    const spawned = once(child, 'spawn') // rejects when there is no redis-server
    await spawned
    const exited = once(child, 'exit').then(() => false)
    const client = this.client()
    const answers = client.info('server').then(info => info.includes(`process_id:${child.pid}\r\n`))
    answers.catch(() => {}) // when the client is told to stop
    try {
      return await Promise.race([answers, exited])
    } finally {
      client.disconnect()
    }
  }

  #command (): string[] {
    const own = ['--port', String(this.port), '--dir', this.#dir]
    return this.#args.includes('--sentinel') ? [...this.#args, ...own, '--bind', '127.0.0.1'] : [...SERVER, ...own, ...this.#args]
  }

  /** SIGKILL is a crash; SIGSTOP a hang, ended by SIGCONT. */
  async kill (signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    if (signal === 'SIGSTOP' || signal === 'SIGCONT') {
      child.kill(signal)
      return
    }
    const exited = once(child, 'exit')
    child.kill('SIGCONT')
    child.kill(signal)
    await exited
  }

  async stop (): Promise<void> {
    await this.kill()
    rmSync(this.#dir, { recursive: true, force: true })
  }

  /** A client that waits for the server for as long as it takes. */
  client (): Redis {
    const client = new Redis({ host: '127.0.0.1', port: this.port, password: this.password, maxRetriesPerRequest: null, retryStrategy: () => 10 })
    client.on('error', () => {})
    return client
  }
}

export async function startRedis (t: Test, args: string[] = []): Promise<RedisServer> {
  for (let tries = 1; ; tries++) {
    const server = new RedisServer(await freePort(), args)
    t.teardown(() => server.stop())
    try {
      await server.start()
      return server
    } catch (error) {
      if (tries === 3) throw error
    }
  }
}

export async function isFree (port: number): Promise<boolean> {
  const server = net.createServer()
  server.listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch {
    return false
  }
  server.close()
  await once(server, 'close')
  return true
}

export async function freePort (): Promise<number> {
  const server = net.createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
