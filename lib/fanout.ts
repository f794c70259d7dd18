import type { RoomConnection } from './connection.js'

/**
 * One message to all members. The bytes are made once, by the sender; nothing is awaited, so no member can hold up
 * another, and all members see a room's messages in the same order.
 * @returns how many took it
 */
export function fanOut (members: Iterable<RoomConnection>, payload: Buffer): number {
  let delivered = 0
  for (const member of members) {
    if (member.write(payload)) delivered++
  }
  return delivered
}
