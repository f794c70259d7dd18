import { createStreamsAdapter } from '../peers.js'
import { wanted } from '../server.js'
import { connect } from './redis.js'
import { startSocketIo } from './socketio-server.js'

await startSocketIo({
  adapter: createStreamsAdapter(connect(wanted.redis), { ...(wanted.maxLen !== undefined && { maxLen: wanted.maxLen }) }),
  connectionStateRecovery: { maxDisconnectionDuration: 120_000, skipMiddlewares: true }
})
