import { Cluster, Redis } from '../peers.js'

/** What the options of ioredis are for what a scenario has started. */
export function redisOptions ({ port, sentinels, username, password }) {
  const account = username === undefined ? {} : { username, password }
  return sentinels === undefined ? { host: '127.0.0.1', port, ...account } : { sentinels, name: 'rooms', ...account }
}

/** A client of ioredis, with its defaults. */
export function connect (redis) {
  const client = redis.cluster === undefined ? new Redis(redisOptions(redis)) : new Cluster(redis.cluster.map(port => ({ host: '127.0.0.1', port })))
  client.on('error', () => {})
  return client
}
