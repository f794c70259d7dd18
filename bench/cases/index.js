import * as compression from './compression.js'
import * as connect from './connect.js'
import * as contracts from './contracts.js'
import * as fanout from './fanout.js'
import * as joins from './joins.js'
import * as latency from './latency.js'
import * as members from './members.js'
import * as redis from './redis.js'
import * as rooms from './rooms.js'
import * as stalled from './stalled.js'
import * as types from './types.js'

export const cases = [fanout, redis, rooms, compression, connect, latency, members, joins, stalled, contracts, types]
