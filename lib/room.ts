import { errors } from './errors.js'

/**
 * What a room may be called. The characters leave out everything that means something elsewhere: `*` and `?` are
 * patterns to Redis, braces choose a slot in a Redis Cluster, control characters break log lines.
 */
const ROOM_NAME = /^[\w\-.:/@%~+=]{1,128}$/

/** A prefix follows the same rule, and may be empty to share channels with programs that have none. */
export const PREFIX = /^[\w\-.:/@%~+=]{0,64}$/

/** @throws FST_ROOMS_INVALID_ROOM */
export function checkRoomName (name: unknown): asserts name is string {
  if (typeof name !== 'string' || !ROOM_NAME.test(name)) {
    throw new errors.FST_ROOMS_INVALID_ROOM(typeof name === 'string' ? JSON.stringify(name.slice(0, 40)) : `a ${typeof name}`)
  }
}

/** How many names are remembered. */
const REMEMBERED = 10_000

/**
 * The broker's channel of each room. Names that have been used before need not be checked again, and are found by the
 * very string that the tables of rooms have as their key.
 */
export class ChannelNames {
  readonly #prefix: string
  readonly #known = new Map<string, string>()

  constructor (prefix: string) {
    this.#prefix = prefix
  }

  /** @throws FST_ROOMS_INVALID_ROOM */
  of (room: string): string {
    const known = this.#known.get(room)
    if (known !== undefined) return known
    checkRoomName(room)
    if (this.#known.size >= REMEMBERED) this.#known.clear()
    const channelName = this.#prefix + room
    this.#known.set(room, channelName)
    return channelName
  }
}
