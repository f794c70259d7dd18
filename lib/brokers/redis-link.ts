import type { Writable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import type { Cluster, Redis, RedisOptions } from 'ioredis'
import { isReply } from './redis-errors.js'
import type { Script } from './redis-scripts.js'

/** What may be given as the option `redis`. */
export type RedisSource = string | RedisOptions | Redis | Cluster

export type Argument = string | number

/**
 * The connections to Redis, with what differs between one server and a Cluster: the commands of pub/sub, and whose
 * events say that subscriptions are gone.
 */
export interface RedisLink {
  /** For everything but subscriptions. */
  readonly commands: Redis | Cluster
  readonly subscriber: Redis | Cluster
  /** What is sent until the end of this turn leaves in one write. */
  gather (): void
  publish (channel: string, text: string): Promise<number>
  /** All or none. Channels of one call share the fate of the call. */
  subscribe (channels: string[]): Promise<unknown>
  unsubscribe (channels: string[]): Promise<unknown>
  /** Runs a script by the connection for commands, which can publish in it by `publishCommand`. */
  run (script: Script, keys: string[], args: Argument[]): Promise<unknown>
  /** Runs a script where messages arrive, so that its answer stands in line with them. */
  ask (script: Script, keys: string[], args: Argument[]): Promise<unknown>
  readonly publishCommand: 'PUBLISH' | 'SPUBLISH'
  /** Whether messages may be missed without any event that says so. */
  readonly polled: boolean
  /** Gives up all connections for new ones. */
  reconnect (): void
  /** Resolves when what was published before has arrived. */
  flush (): Promise<unknown>
  /** How many channels or keys one call may name. A Cluster takes only those of one slot. */
  readonly batch: number
  readonly messageEvent: 'messageBuffer' | 'smessageBuffer'
}

/** A hung connection ends after this time without an answer; pings see to it that an answer is always due. */
export const PING_INTERVAL = 900
const SOCKET_TIMEOUT = 2_000
/** What a message of a Cluster may take from its confirmation to its arrival, in milliseconds. */
const CLUSTER_GRACE = 50

/**
 * ioredis forgives a lost connection by sending again what was not answered, and by subscribing again behind our back.
 * The first puts messages into rooms twice; the second resolves nothing, and rejects into nowhere when it is refused.
 */
const OURS = {
  keyPrefix: '', // it would be added to some commands and not to others
  enableOfflineQueue: false, // what cannot be sent now is said to be so now
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  maxRetriesPerRequest: null,
  connectTimeout: 2_000,
  socketTimeout: SOCKET_TIMEOUT,
  failoverDetector: true, // with Sentinel: do not stay with a master that is none any more
  stringNumbers: false, // a count is a number
  monitor: false,
  protocol: 3, // a connection with subscriptions can be asked other things too
  replyMapping: 'legacy',
  clientInfoTag: 'fastify-rooms',
  retryStrategy,
  lazyConnect: true
} as const satisfies RedisOptions

/** @param source is only ever duplicated: who creates a connection closes it */
export async function createLink (source: RedisSource): Promise<RedisLink> {
  if (typeof source === 'object' && 'duplicate' in source) {
    return source.isCluster ? clusterLink(source as Cluster) : standaloneLink((source as Redis).duplicate(OURS), (source as Redis).duplicate(OURS))
  }
  const { Redis } = await import('ioredis')
  const connect = (): Redis => typeof source === 'string' ? new Redis(source, OURS) : new Redis({ ...source as object, ...OURS })
  return standaloneLink(connect(), connect())
}

function standaloneLink (commands: Redis, subscriber: Redis): RedisLink {
  const gather = gathering(() => [commands])
  return {
    commands,
    subscriber,
    gather,
    run: (script, keys, args) => evaluate(commands, script, keys, args),
    ask: (script, keys, args) => evaluate(subscriber, script, keys, args),
    publishCommand: 'PUBLISH',
    polled: false,
    reconnect: () => {
      // Not `disconnect`, which waits for the other side to agree.
      for (const { stream } of [subscriber, commands]) stream?.destroy()
    },
    publish: (channel, text) => {
      gather()
      return commands.publish(channel, text)
    },
    subscribe: channels => subscriber.subscribe(...channels),
    unsubscribe: channels => subscriber.unsubscribe(...channels),
    // Redis hands a message to its subscribers before it confirms it, so this answer comes after the message.
    flush: () => subscriber.ping(),
    batch: 512,
    messageEvent: 'messageBuffer'
  }
}

function clusterLink (source: Cluster): RedisLink {
  // Connections to nodes are made when they are first needed: what waits for one is bounded by connectTimeout.
  const { lazyConnect, retryStrategy, enableOfflineQueue, ...redisOptions } = OURS
  const cluster = source.duplicate([], {
    keyPrefix: '',
    shardedSubscribers: true,
    scaleReads: 'master', // a replica may be behind
    clusterRetryStrategy: retryStrategy,
    // A command that may have been carried out must not be repeated; one that was redirected has not been.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    lazyConnect: true,
    redisOptions
  } as never)
  const gather = gathering(() => cluster.nodes())
  return {
    commands: cluster,
    subscriber: cluster,
    gather,
    run: (script, keys, args) => evaluate(cluster, script, keys, args),
    ask: (script, keys, args) => evaluate(cluster, script, keys, args),
    publishCommand: 'SPUBLISH',
    polled: true,
    reconnect: () => cluster.disconnect(true),
    publish: (channel, text) => {
      gather()
      return cluster.spublish(channel, text) as Promise<number>
    },
    subscribe: ([channel]) => cluster.ssubscribe(channel as string),
    unsubscribe: ([channel]) => cluster.sunsubscribe(channel as string),
    // ioredis shows nobody the connections on which a Cluster's messages arrive, so nothing can be asked on them.
    flush: async () => await setTimeout(CLUSTER_GRACE),
    batch: 1,
    messageEvent: 'smessageBuffer'
  }
}

/** Redis forgets scripts, when it starts or is told to. The first call by the text brings one back. */
async function evaluate (client: Redis | Cluster, { sha, text }: Script, keys: string[], args: Argument[]): Promise<unknown> {
  try {
    return await client.evalsha(sha, keys.length, ...keys, ...args)
  } catch (error) {
    if (!isReply(error) || !error.message.startsWith('NOSCRIPT')) throw error
    return await client.eval(text, keys.length, ...keys, ...args)
  }
}

/** Has what is sent within a turn leave in one write: ioredis writes each command at once, and the writes are most of the cost. */
function gathering (clients: () => Redis[]): () => void {
  let corked: Writable[] = []
  const uncork = (): void => {
    for (const stream of corked) stream.uncork()
    corked = []
  }
  return () => {
    if (corked.length > 0) return
    corked = clients().map(({ stream }) => stream).filter(stream => stream !== undefined)
    for (const stream of corked) stream.cork()
    process.nextTick(uncork)
  }
}

function retryStrategy (times: number): number {
  return Math.min(50 * 2 ** times, 400) + Math.random() * 100
}
