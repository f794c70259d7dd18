import type { RoomConnection } from './connection.js'
import { reaches } from './revocation.js'
import type { Revocation } from './revocation.js'
import type { RoomTable } from './rooms.js'

/**
 * Puts out whom a revocation means: the sockets of a user, or members of a room. Whoever has come with a newer token may
 * stay. What was sent to the room before is written before.
 * @returns how many sockets that were
 */
export function evict (revocation: Revocation, connections: Iterable<RoomConnection>, rooms: RoomTable): number {
  const { room, user } = revocation
  rooms.flush()
  let count = 0
  for (const connection of room === undefined ? [...connections] : rooms.membersOf(room)) {
    if (user !== undefined && connection.userId !== user) continue
    // Guests have no token that could be newer: whoever is in the room is meant.
    if (connection.user !== null && !reaches(revocation, connection.issuedAt)) continue
    count++
    if (room === undefined) connection.end('disconnected')
    else putOut(connection, room, user === undefined)
  }
  return count
}

function putOut (connection: RoomConnection, room: string, closed: boolean): void {
  if (connection.memberships !== undefined) connection.memberships.putOut(room, closed ? 'closed' : 'forbidden')
  else connection.end(closed ? 'disconnected' : 'forbidden')
}
