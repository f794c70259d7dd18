import type { HistoryBounds } from '../types/index.js'
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

/** Where a room is found, and whether it keeps its messages: what every process makes of its name alone. */
export interface Address {
  readonly room: string
  /** The broker's name for it. */
  readonly channel: string
  readonly history: HistoryBounds | undefined
}

/**
 * The address of each room. Names that have been used before need not be checked again, and are found by the very
 * string that the tables of rooms have as their key.
 */
export class Addresses {
  readonly #prefix: string
  readonly #historyOf: (room: string) => HistoryBounds | undefined
  readonly #declared = new Map<string, HistoryBounds>()
  readonly #known = new Map<string, Address>()

  /** @param historyOf what rooms keep for which no route says it */
  constructor (prefix: string, historyOf: (room: string) => HistoryBounds | undefined) {
    this.#prefix = prefix
    this.#historyOf = historyOf
  }

  /**
   * What the room of a route keeps.
   * @returns false if another route has said otherwise
   */
  declare (room: string, history: HistoryBounds): boolean {
    const declared = this.#declared.get(room) ?? history
    this.#declared.set(room, declared)
    this.#known.delete(room)
    return declared.size === history.size && declared.ttl === history.ttl
  }

  /** @throws FST_ROOMS_INVALID_ROOM, FST_ROOMS_INVALID_OPTION when the option `history` is a function and returned nonsense */
  of (room: string): Address {
    const known = this.#known.get(room)
    if (known !== undefined) return known
    checkRoomName(room)
    if (this.#known.size >= REMEMBERED) this.#known.clear()
    const address = { room, channel: this.#prefix + room, history: this.#declared.get(room) ?? this.#historyOf(room) }
    this.#known.set(room, address)
    return address
  }
}
