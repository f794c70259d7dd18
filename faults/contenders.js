import { RoomsMember } from './members/rooms.js'
import { SocketIoMember } from './members/socketio.js'

/** What a room of ours keeps, unless a scenario is about its bounds: more than any scenario sends. */
const HISTORY = { size: 5_000, ttl: 300_000 }

/** Who takes part: the server, its clients, on which channel of Redis it hears whatever anybody publishes, and where it keeps it. */
export const contenders = {
  'rooms-history': {
    id: 'rooms-history',
    title: 'fastify-rooms, with history',
    short: 'ours, with history',
    file: 'contenders/rooms-history.js',
    Member: RoomsMember,
    wanted: { history: HISTORY },
    ours: true,
    history: true,
    channel: room => `rooms:${room}`,
    stream: room => `{rooms:${room}}:s`
  },
  rooms: {
    id: 'rooms',
    title: 'fastify-rooms, without history',
    short: 'ours, without',
    file: 'contenders/rooms.js',
    Member: RoomsMember,
    ours: true,
    history: false,
    channel: room => `rooms:${room}`
  },
  'socketio-redis': {
    id: 'socketio-redis',
    title: 'Socket.IO, redis-adapter',
    short: 'redis-adapter',
    file: 'contenders/socketio-redis.js',
    Member: SocketIoMember,
    ours: false,
    channel: room => `socket.io#/#${room}#`
  },
  'socketio-streams': {
    id: 'socketio-streams',
    title: 'Socket.IO, redis-streams-adapter',
    short: 'streams-adapter',
    file: 'contenders/socketio-streams.js',
    Member: SocketIoMember,
    ours: false,
    channel: () => 'socket.io#/#',
    stream: () => 'socket.io'
  }
}
