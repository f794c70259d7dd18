import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { Redis } from 'ioredis'
import { keep } from './child.js'

/**
 * A Redis of the bench's own, on a free port.
 * @param flags what else goes onto its command line
 */
export async function startRedis (flags = []) {
  const port = await freePort()
  const server = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', ...flags], { stdio: 'ignore' })
  keep(server)
  await once(server, 'spawn').catch(cause => { throw new Error('There is no redis-server in the path.', { cause }) })
  const redis = new Redis({ port, maxRetriesPerRequest: null })
  redis.on('error', () => {}) // until it listens
  const version = (await redis.info('server')).match(/redis_version:(\S+)/)[1]
  redis.disconnect()
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    version,
    async stop () {
      server.kill('SIGKILL')
      await once(server, 'exit')
    }
  }
}

export async function freePort () {
  const probe = net.createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address()
  probe.close()
  return port
}
