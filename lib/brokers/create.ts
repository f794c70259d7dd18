import type { RoomsOptions } from '../../types/index.js'
import type { Broker } from './broker.js'
import { MemoryBroker } from './memory.js'

/** The broker that the options ask for. ioredis is loaded only by those who need it. */
export async function createBroker (options: RoomsOptions & { prefix: string, publishTimeout: number }): Promise<{ broker: Broker, trusted: boolean }> {
  if (options.broker !== undefined) return { broker: options.broker, trusted: false }
  if (options.redis === undefined) return { broker: new MemoryBroker(), trusted: true }
  const [{ RedisBroker }, { createLink }] = await Promise.all([import('./redis.js'), import('./redis-link.js')])
  return { broker: new RedisBroker(await createLink(options.redis), options), trusted: false }
}
