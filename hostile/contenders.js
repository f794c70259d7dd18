import { RoomsMember } from '../faults/members/rooms.js'
import { token } from '../bench/token.js'

/** Our server, and how it is spoken to. */
export const rooms = {
  id: 'rooms',
  title: 'fastify-rooms',
  file: new URL('servers/rooms.js', import.meta.url).href,
  Member: RoomsMember,
  ours: true,
  path: room => room === 'desk' ? '/desk' : `/rooms/${room}`,
  /** What a client says to be let in, one after the other. */
  entrance: () => [JSON.stringify({ token: token('mallory') })],
  /** How the server says that it is in. */
  entered: '"connected"',
  /** A frame that the server takes. */
  say: (command, data) => JSON.stringify({ command, data })
}
