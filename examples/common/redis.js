import { Redis } from 'ioredis'

/**
 * A client for what an example itself keeps in Redis; the plugin has connections of its own.
 * @param {string} url
 * @param {{ commandTimeout?: number }} [options]
 */
export async function connectToRedis (url, options) {
  const client = new Redis(url, { ...options, lazyConnect: true, maxRetriesPerRequest: 1 })
  // Later on, fastify-rooms is the one who logs that Redis cannot be reached.
  /** @type {Error | undefined} */
  let cause
  client.on('error', error => { cause = error })
  try {
    await client.connect()
  } catch {
    client.disconnect()
    const { host, port } = client.options
    throw Object.assign(new Error(`Redis cannot be reached at ${host}:${port}.`, { cause }), { code: 'REDIS_UNREACHABLE' })
  }
  return client
}
