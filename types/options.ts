import type { WebsocketPluginOptions } from '@fastify/websocket'
import type { Cluster, Redis, RedisOptions } from 'ioredis'
import type { Broker } from '../lib/brokers/broker.js'
import type { Codec } from './codec.js'
import type { HistoryBounds } from './message.js'
import type { Hooks } from './route.js'

/** Options of the plugin. Times are in milliseconds, sizes in bytes. */
export interface RoomsOptions extends Hooks {
  /**
   * What joins the processes: a URL, options of ioredis, or a client (`Redis`, `Cluster`, `app.redis`), which is only
   * duplicated and never closed. @default none: one process, in memory
   */
  redis?: string | RedisOptions | Redis | Cluster | undefined
  /** A broker of your own, in the place of `redis`. */
  broker?: Broker | undefined
  /** Goes before the room's name in the name of the broker's channel; may be empty. @default 'rooms:' */
  prefix?: string
  /** What `sendToRoom` does while the broker cannot be reached: serve this process's members and say so, or reject. @default 'local' */
  whenBrokerDown?: 'local' | 'reject' | undefined
  /**
   * What rooms keep, all of them or those for which the function returns bounds. The same in all processes. A route's own
   * `history` comes first. @default nothing
   */
  history?: HistoryBounds | ((room: string) => HistoryBounds | undefined) | undefined
  /** How clients, and the broker, are spoken to. The same in all processes. A route's or a contract's own comes first. @default the protocol */
  codec?: Codec | undefined
  /** How many messages one client may be sent that it has missed. @default 300 */
  maxRecovery?: number | undefined
  /** The same in bytes, and what a process keeps at hand of a room for clients that come back. @default 4194304 */
  maxRecoveryBytes?: number | undefined
  /** Members here may have missed messages of a room, and have been given or told it. For counting and reporting. */
  onGap?: ((event: GapEvent) => void) | undefined
  /** In which time the broker must confirm a message. @default 2000 */
  publishTimeout?: number | undefined
  /** How long the first member of a room waits for the broker to confirm the subscription. @default 2000 */
  subscribeTimeout?: number | undefined
  /** How long a subscription outlives the room's last member here. @default 5000 */
  linger?: number | undefined
  /** From the upgrade to the first message, and again from there until the hooks have decided. @default 5000 */
  authTimeout?: number | undefined
  /** Of the first message. @default 8192 */
  maxAuthPayload?: number | undefined
  /** How long before its token expires a client is told `token_expiring`. @default 30000 */
  refreshWindow?: number | undefined
  /** How long a revocation keeps old tokens out: longer than any token lives. @default 86400000 */
  revocationLifetime?: number | undefined
  /** Of every message of a client. @default 65536 */
  maxPayload?: number | undefined
  /** How many fragments a client may split a message into. @default 64 */
  maxFragments?: number | undefined
  /** Of a message to a room, from a handler or from the broker. @default 262144 */
  maxMessage?: number | undefined
  /** What may wait in the process for one socket to read. @default 1048576 */
  maxBuffered?: number | undefined
  /** Sockets that have not proved who they are, in this process. @default 1000 */
  maxWaiting?: number | undefined
  /** Sockets in this process, with upgrades that are under way. @default any number */
  maxConnections?: number | undefined
  /** Of these, how many may be of one user, as `userId` names it. @default any number */
  maxConnectionsPerUser?: number | undefined
  /** Of these, how many may be of one address, which is `request.ip`; of IPv6, the /64. @default any number */
  maxConnectionsPerAddress?: number | undefined
  /** Upgrades per second in this process on average; one second's worth may come at once. @default any number */
  acceptRate?: number | undefined
  /** Messages, pings and pongs per second that one client may send on average; five seconds' worth may come at once. @default 100 */
  messageRate?: number | undefined
  /** The same in bytes. @default 262144 */
  byteRate?: number | undefined
  /** How long `snapshot` may take. @default 5000 */
  snapshotTimeout?: number | undefined
  /** Of a snapshot, as JSON; less than `maxBuffered`. @default 524288 */
  maxSnapshot?: number | undefined
  /** Snapshots that are taken at the same time in this process; others wait. @default 100 */
  maxSnapshots?: number | undefined
  /** How long the handler of a command may take. @default 10000 */
  commandTimeout?: number | undefined
  /** Commands of one socket that wait while another is at work. @default 32 */
  maxCommands?: number | undefined
  /** Rooms that one socket may be in. @default 100 */
  maxRooms?: number | undefined
  /** Between two pings of one socket. @default 25000 */
  keepAlive?: number | undefined
  /** From a ping to a sign of life. @default 8000 */
  pongTimeout?: number | undefined
  /** From our close frame to the client's, after which the socket is destroyed. @default 2000 */
  closeTimeout?: number | undefined
  /** What `app.close()` spends on requests in flight and on closing sockets. @default 5000 */
  drainTimeout?: number | undefined
  /**
   * Compress messages, once for all members, if a client agrees to it and the message has at least `threshold` bytes
   * (1024 for `true`). Costs time and memory, and what is secret must not stand in one message with what an attacker
   * chose (BREACH). @default false
   */
  perMessageDeflate?: boolean | { threshold?: number | undefined } | undefined
  /**
   * Check what is sent by a contract against its schemas, on a copy, before it is written: `minimum`, `format`, `enum` and all
   * else that a serialiser does not look at. For development and tests: it costs more than the sending. @default false
   */
  validateMessages?: boolean | undefined
  /** Options of @fastify/websocket, which this plugin registers. */
  websocket?: WebsocketPluginOptions | undefined
}

/** Messages of a room were found to be missing in this process. */
export interface GapEvent {
  room: string
  /** How many could be read from the room's history, and were sent to the members after all. */
  filled: number
  /** Whether that was all. Otherwise the members were told to `resync`. */
  complete: boolean
}
