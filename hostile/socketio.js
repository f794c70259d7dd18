import { token } from '../bench/token.js'
import { SocketIoMember } from '../faults/members/socketio.js'

/** Socket.IO with @socket.io/redis-adapter, as their documentation has them. What a packet begins with is its kind. */
export const socketio = {
  id: 'socketio',
  title: 'Socket.IO',
  file: new URL('servers/socketio.js', import.meta.url).href,
  Member: SocketIoMember,
  ours: false,
  path: () => '/socket.io/?EIO=4&transport=websocket',
  entrance: room => [`40${JSON.stringify({ room, token: token('mallory') })}`],
  entered: '"ready"',
  say: (command, data) => `42${JSON.stringify([command, data])}`
}
