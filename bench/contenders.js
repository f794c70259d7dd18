import { bunPath } from './bun-path.js'

const GC = ['--expose-gc']

/** Who takes part: the program, what its clients speak, and what runs it. */
export const contenders = {
  rooms: { title: 'fastify-rooms', file: 'contenders/rooms.js', speaks: 'token', flags: GC },
  floor: { title: 'plain TCP sockets, ready bytes', file: 'contenders/floor.js', speaks: 'tcp', flags: GC },
  joined: { title: 'plain TCP sockets, one write for a burst', file: 'contenders/joined.js', speaks: 'tcp', flags: GC },
  bun: { title: "Bun's native publish", file: 'contenders/bun.js', speaks: 'websocket', get runtime () { return bunPath() } },
  ws: { title: '`ws` by hand', file: 'contenders/ws.js', speaks: 'websocket', flags: GC },
  hand: { title: '@fastify/websocket + @fastify/jwt by hand', file: 'contenders/hand.js', speaks: 'token', flags: GC },
  joins: { title: 'fastify-rooms', file: 'contenders/joins.js', speaks: 'token', flags: GC },
  socketio: { title: 'Socket.IO', file: 'contenders/socketio.js', speaks: 'socket.io', flags: GC }
}
