import { InvalidRoom } from './naming-errors.js'

/**
 * What a room may be called. The characters leave out everything that means something elsewhere: `*` and `?` are
 * patterns to Redis, braces choose a slot in a Redis Cluster, control characters break log lines.
 */
const ROOM_NAME = /^[\w\-.:/@%~+=]{1,128}$/

/** A prefix follows the same rule, and may be empty to share channels with programs that have none. */
export const PREFIX = /^[\w\-.:/@%~+=]{0,64}$/

export function isRoomName (name: unknown): name is string {
  return typeof name === 'string' && ROOM_NAME.test(name)
}

/** @throws FST_ROOMS_INVALID_ROOM */
export function checkRoomName (name: unknown): asserts name is string {
  if (!isRoomName(name)) {
    throw new InvalidRoom(typeof name === 'string' ? JSON.stringify(name.slice(0, 40)) : `a ${typeof name}`)
  }
}
