import { createRedisAdapter } from '../peers.js'
import { wanted } from '../server.js'
import { connect } from './redis.js'
import { startSocketIo } from './socketio-server.js'

await startSocketIo({ adapter: createRedisAdapter(connect(wanted.redis), connect(wanted.redis)) })
