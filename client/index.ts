import type { RoomLike } from './contract.js'
import { socketUrl } from './surroundings.js'
import { settingsOf } from './options.js'
import type { ConnectOptions } from './options.js'
import { createRoom } from './room.js'
import type { RoomClient } from './types.js'

export { RoomsError } from './errors.js'
export type { ConnectOptions, SendOptions, SocketConstructor, SocketLike } from './options.js'
export type { Position } from './positions.js'
export type { Resync, RoomClient, RoomEvents, RoomNews, State, StateDetails } from './types.js'
export type { Asked, CommandOf, ContractLike, DataOf, Mark, MessageOf, Question, Received, Reply, RoomLike } from './contract.js'

/**
 * Opens a connection to a room, or to several, that comes back by itself. It is returned at once, while it connects.
 * @param room a room by its name, or with its contract, which gives the types; an array where the route leads to several
 * @throws TypeError when an option is missing or the address is none
 */
export function connect<const R extends RoomLike | readonly RoomLike[] = string> (room: R | string, options: ConnectOptions): RoomClient<R> {
  const settings = settingsOf(options)
  if (typeof settings.url !== 'function') socketUrl(settings.url)
  return createRoom(nameOf(room), settings) as never
}

/** The one room that the server must let the client into; none where it may be in several. */
function nameOf (room: RoomLike | readonly RoomLike[]): string | undefined {
  if (typeof room === 'string') return room
  return 'contract' in room ? room.name : undefined
}
