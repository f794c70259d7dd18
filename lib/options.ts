import { Type } from '@sinclair/typebox'
import type { TSchema } from '@sinclair/typebox'
import { Value, ValueErrorType } from '@sinclair/typebox/value'
import type { Codec, HistoryBounds, RoomsOptions, RoomRouteOptions, User } from '../types/index.js'
import { errors } from './errors.js'
import { PREFIX } from './name.js'

/** Every option that has a default, with its unit. The others are hooks, and `redis`, `broker` and `websocket`. */
export const DEFAULTS = {
  prefix: 'rooms:',
  whenBrokerDown: 'local',
  publishTimeout: 2_000, // ms
  subscribeTimeout: 2_000, // ms
  linger: 5_000, // ms
  authTimeout: 5_000, // ms
  maxAuthPayload: 8 * 1_024, // bytes
  refreshWindow: 30_000, // ms
  revocationLifetime: 24 * 60 * 60 * 1_000, // ms
  maxPayload: 64 * 1_024, // bytes
  maxFragments: 64, // per message
  maxMessage: 256 * 1_024, // bytes
  maxBuffered: 1_024 * 1_024, // bytes per socket
  maxWaiting: 1_000, // sockets
  maxRecovery: 300, // messages
  maxRecoveryBytes: 4 * 1_024 * 1_024, // bytes
  messageRate: 100, // per second and socket
  byteRate: 256 * 1_024, // per second and socket
  snapshotTimeout: 5_000, // ms
  maxSnapshot: 512 * 1_024, // bytes
  maxSnapshots: 100, // at a time
  commandTimeout: 10_000, // ms
  maxCommands: 32, // per socket
  maxRooms: 100, // per socket
  keepAlive: 25_000, // ms
  pongTimeout: 8_000, // ms
  closeTimeout: 2_000, // ms
  drainTimeout: 5_000, // ms
  perMessageDeflate: false,
  validateMessages: false,
  userId: (user: User) => (user as Claims)?.sub ?? (user as Claims)?.id,
  issuedAt: ({ user }: { user: User }) => (user as Claims)?.iat,
  expiresAt: ({ user }: { user: User }) => (user as Claims)?.exp
} as const satisfies RoomsOptions

type Claims = { sub?: string, id?: string | number, iat?: number, exp?: number } | null

/** Options of which none is undefined: an option that is, was not given. */
type Given<T> = { [K in keyof T]: Exclude<T[K], undefined> }

export type ResolvedOptions = Given<RoomsOptions> & Required<Given<Pick<RoomsOptions, keyof typeof DEFAULTS>>>

/** More than a frame adds to a message: its head, the message's number, the name of its room. In bytes. */
const FRAMING = 512

/** A client may send this many seconds' worth of its rates at once. */
export const BURST_SECONDS = 5

const MAX_TIMER = 2 ** 31 - 1 // setTimeout fires at once beyond

const ms = count('be a whole number of milliseconds, from 1 to 2147483647')
const bytes = count('be a whole number of bytes, at least 1')
const sockets = count('be a whole number of sockets, at least 1')
const aFunction = (must: string): TSchema => Type.Optional(Type.Function([], Type.Unknown(), { must }))

const hooks = {
  authenticate: Type.Optional(Type.Union([Type.Literal(false), Type.Literal('upgrade'), Type.Function([], Type.Unknown())], { must: "be a Fastify hook, or 'upgrade', or false for a room that is open to all" })),
  origins: Type.Optional(Type.Union([Type.Array(Type.Unknown()), Type.Function([], Type.Unknown())], { must: 'be an array of origins, or a function of one' })),
  authorize: aFunction('be a function that returns true for those who may enter'),
  userId: aFunction('be a function of the user'),
  issuedAt: aFunction('be a function that returns seconds since 1970'),
  expiresAt: aFunction('be a function that returns seconds since 1970'),
  snapshot: aFunction('be a function that returns what a new member is to see first'),
  onJoin: aFunction('be a function'),
  onLeave: aFunction('be a function'),
  onError: aFunction('be a function')
}

const HISTORY = Type.Object({
  size: Type.Integer({ minimum: 1, maximum: 100_000 }),
  ttl: Type.Integer({ minimum: 1_000, maximum: MAX_TIMER })
}, { additionalProperties: false, must: 'be { size, ttl }: how many messages, from 1 to 100000, and milliseconds, from 1000 to 2147483647' })

const CODEC = Type.Object({
  ...Object.fromEntries(['first', 'command', 'binary', 'message', 'reply', 'error', 'status', 'snapshot'].map(name => [name, aFunction('be a function')])),
  ping: Type.Optional(Type.Union([Type.String(), Type.Literal(false)], { must: 'be a text, or false' })),
  broker: Type.Optional(Type.Object({
    encode: Type.Function([], Type.Unknown(), { must: 'be a function' }),
    decode: Type.Function([], Type.Unknown(), { must: 'be a function' })
  }, { must: 'have encode and decode' }))
}, { additionalProperties: false, must: 'be a codec: see docs/codecs.md' })

const BROKER_METHODS = ['start', 'publish', 'subscribe', 'unsubscribe', 'report', 'count', 'flush', 'close'] as const

const ROUTE_SCHEMA = Type.Object({
  ...hooks,
  history: Type.Optional(HISTORY),
  codec: Type.Optional(CODEC),
  commands: Type.Optional(Type.Object({}, { must: 'have a handler for each command of the contract' })),
  contracts: Type.Optional(Type.Array(Type.Unknown(), { must: 'be an array of contracts' }))
}, { additionalProperties: false })

const PLUGIN_SCHEMA = Type.Object({
  ...hooks,
  redis: Type.Optional(Type.Union([Type.String({ pattern: '^rediss?://.' }), Type.Object({})], { must: 'be a redis:// or rediss:// URL, options of ioredis, or a client of ioredis' })),
  broker: Type.Optional(Type.Object({}, { must: 'have the methods of a broker: see docs/brokers.md' })),
  prefix: Type.Optional(Type.RegExp(PREFIX, { must: 'be at most 64 letters, digits and _ - . : / @ % ~ + =' })),
  history: Type.Optional(Type.Union([HISTORY, Type.Function([], Type.Unknown())], { must: `${HISTORY.must as string}; or a function of the room that returns it` })),
  codec: Type.Optional(CODEC),
  onGap: aFunction('be a function'),
  whenBrokerDown: Type.Optional(Type.Union([Type.Literal('local'), Type.Literal('reject')], { must: "be 'local' or 'reject'" })),
  publishTimeout: ms,
  subscribeTimeout: ms,
  linger: ms,
  authTimeout: ms,
  maxAuthPayload: bytes,
  refreshWindow: ms,
  revocationLifetime: ms,
  maxPayload: bytes,
  maxFragments: count('be a whole number, at least 1'),
  maxMessage: bytes,
  maxBuffered: bytes,
  maxRecovery: count('be a whole number of messages, at least 1'),
  maxRecoveryBytes: bytes,
  maxWaiting: sockets,
  maxConnections: sockets,
  maxConnectionsPerUser: sockets,
  maxConnectionsPerAddress: sockets,
  acceptRate: count('be a whole number of upgrades per second, at least 1'),
  messageRate: count('be a whole number of messages per second, at least 1'),
  byteRate: count('be a whole number of bytes per second, at least 1'),
  snapshotTimeout: ms,
  maxSnapshot: bytes,
  maxSnapshots: count('be a whole number, at least 1'),
  commandTimeout: ms,
  maxCommands: count('be a whole number of commands, at least 1'),
  maxRooms: count('be a whole number of rooms, at least 1'),
  keepAlive: ms,
  pongTimeout: ms,
  closeTimeout: ms,
  drainTimeout: ms,
  perMessageDeflate: Type.Optional(Type.Union([Type.Boolean(), Type.Object({ threshold: count('') }, { additionalProperties: false })], { must: 'be true, false, or { threshold } with a number of bytes' })),
  validateMessages: Type.Optional(Type.Boolean({ must: 'be true or false' })),
  websocket: Type.Optional(Type.Object({}, { must: 'be the options of @fastify/websocket' }))
}, { additionalProperties: false })

/**
 * The one check of the plugin's options.
 * @param pluginTimeout the application's, in milliseconds; 0 is none
 * @throws FST_ROOMS_INVALID_OPTION
 */
export function resolveOptions (given: RoomsOptions, pluginTimeout: number): ResolvedOptions {
  const options = { ...DEFAULTS, ...check(PLUGIN_SCHEMA, given) }

  if (options.redis !== undefined && options.broker !== undefined) invalid('broker', 'cannot be given together with redis: one of them carries the messages')
  // Not in the schema, which looks at own properties only, and a broker may be of a class.
  for (const method of BROKER_METHODS) {
    if (options.broker !== undefined && typeof options.broker[method] !== 'function') invalid(`broker.${method}`, 'must be a method: see docs/brokers.md')
  }
  if (options.history !== undefined && options.broker !== undefined && options.broker.history === undefined) {
    invalid('history', 'needs a broker that keeps messages, and this one has no `history`: see docs/brokers.md')
  }
  if (options.pongTimeout >= options.keepAlive) invalid('pongTimeout', `(${options.pongTimeout}) must be less than keepAlive (${options.keepAlive}): a ping must be answered before the next one`)
  const mustFit = (name: 'maxMessage' | 'maxSnapshot', why: string): void => {
    if (options[name] + FRAMING <= options.maxBuffered) return
    invalid(name, `(${options[name]}) must be less than maxBuffered (${options.maxBuffered}) by at least ${FRAMING}, which is for what a frame adds: ${why}`)
  }
  mustFit('maxMessage', 'a single message would otherwise end every socket as too slow')
  mustFit('maxSnapshot', 'a snapshot would otherwise end its socket as too slow')
  if (options.maxAuthPayload > options.maxPayload) invalid('maxAuthPayload', `(${options.maxAuthPayload}) cannot be more than maxPayload (${options.maxPayload}), which holds for all messages`)
  if (options.maxPayload > options.byteRate * BURST_SECONDS) invalid('byteRate', `(${options.byteRate}) is too little for maxPayload (${options.maxPayload}): ${BURST_SECONDS} seconds' worth must be enough for one message`)
  const closing = options.drainTimeout + options.closeTimeout
  if (pluginTimeout > 0 && closing >= pluginTimeout) {
    invalid('drainTimeout', `and closeTimeout are ${closing} ms together, and must stay below the application's pluginTimeout (${pluginTimeout}), which would cut app.close() short`)
  }
  return options
}

/**
 * What rooms keep of which no route says it.
 * @throws FST_ROOMS_INVALID_OPTION when the application's function returns nonsense
 */
export function historyOf ({ history }: ResolvedOptions): (room: string) => HistoryBounds | undefined {
  if (typeof history !== 'function') return () => history
  return room => {
    const bounds = history(room)
    if (bounds !== undefined) checkHistory(bounds, `returned nonsense for the room '${room}': it`)
    return bounds
  }
}

/** @throws FST_ROOMS_INVALID_OPTION */
export function checkHistory (bounds: HistoryBounds, what: string): void {
  if (!Value.Check(HISTORY, bounds)) invalid('history', `${what} must ${HISTORY.must as string}`)
}

/** @throws FST_ROOMS_INVALID_OPTION */
export function checkCodec (codec: Codec, pattern: string): void {
  checkSchema(CODEC, codec, '/codec', `of the contract '${pattern}' `)
}

/** From how many bytes on messages are compressed. Shorter ones cost time and save nothing. */
export function compressFrom ({ perMessageDeflate }: ResolvedOptions): number {
  if (perMessageDeflate === false) return Infinity
  return perMessageDeflate === true ? 1_024 : perMessageDeflate.threshold ?? 1_024
}

/** @throws FST_ROOMS_INVALID_OPTION */
export function checkRouteOptions<T extends RoomRouteOptions> (given: T): Given<T> {
  return check(ROUTE_SCHEMA, given)
}

/** @throws FST_ROOMS_INVALID_OPTION */
export function invalid (name: string, must: string): never {
  throw new errors.FST_ROOMS_INVALID_OPTION(name, must)
}

function check<T extends object> (schema: TSchema, given: T): Given<T> {
  // An option that is undefined was not given: `redis: process.env.REDIS_URL` is how people write it.
  const options = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Given<T>
  checkSchema(schema, options)
  const { authenticate } = options as RoomRouteOptions
  if (typeof authenticate === 'function' && authenticate.length > 2 && Object.prototype.toString.call(authenticate) === '[object AsyncFunction]') {
    invalid('authenticate', 'is async and takes `done`; a hook is either the one or the other, as in Fastify')
  }
  return options
}

/** @param path of the value @param where else, in words */
function checkSchema (schema: TSchema, value: unknown, path = '', where = ''): void {
  const error = Value.Errors(schema, value).First()
  if (error === undefined) return
  const name = `${path}${error.path}`.slice(1).replaceAll('/', '.')
  const must = (error.schema as { must?: string }).must
  invalid(name, where + (error.type === ValueErrorType.ObjectAdditionalProperties ? unknown(name) : `must ${must}`))
}

function unknown (name: string): string {
  return name in PLUGIN_SCHEMA.properties
    ? 'is of the plugin, not of a route: give it to app.register()'
    : 'is not known; see docs/options.md'
}

function count (must: string): TSchema {
  return Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_TIMER, must }))
}
