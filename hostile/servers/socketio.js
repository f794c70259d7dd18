// Socket.IO with its adapter for Redis, and the handlers that ours has.
import { connect } from '../../faults/contenders/redis.js'
import { startSocketIo } from '../../faults/contenders/socketio-server.js'
import { createRedisAdapter } from '../../faults/peers.js'
import { wanted } from '../../faults/server.js'
import { answersOf } from './answers.js'

await startSocketIo({ adapter: createRedisAdapter(connect(wanted.redis), connect(wanted.redis)) }, {
  more: answersOf,
  handle (socket) {
    socket.on('ECHO', data => socket.emit('ECHO', data))
    socket.on('THROW', () => { throw new Error('a bug') })
    socket.on('REJECT', async () => { throw new Error('a bug') })
  }
})
