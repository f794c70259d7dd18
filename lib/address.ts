import type { HistoryBounds, RoomContract } from '../types/index.js'
import { matches } from './contract.js'
import { checkRoomName } from './name.js'
import { checkHistory, invalid } from './options.js'

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
  readonly #keeps: boolean
  readonly #declared = new Map<string, HistoryBounds>()
  /** Those that say what their rooms keep. */
  readonly #contracts = new Map<RoomContract, HistoryBounds>()
  readonly #known = new Map<string, Address>()

  /**
   * @param historyOf what rooms keep for which no route and no contract says it
   * @param keeps whether the broker keeps anything
   */
  constructor (prefix: string, historyOf: (room: string) => HistoryBounds | undefined, keeps: boolean) {
    this.#prefix = prefix
    this.#historyOf = historyOf
    this.#keeps = keeps
  }

  /**
   * What the room of a route keeps.
   * @throws FST_ROOMS_INVALID_OPTION
   */
  declare (room: string, history: HistoryBounds): void {
    this.#check()
    const declared = this.#declared.get(room) ?? history
    if (declared.size !== history.size || declared.ttl !== history.ttl) invalid('history', `of the room '${room}' differs between two routes`)
    this.#declared.set(room, declared)
    this.#known.delete(room)
  }

  /**
   * What the rooms of a contract keep, also where they are called by their plain names.
   * @throws FST_ROOMS_INVALID_OPTION
   */
  meet (contract: RoomContract): void {
    const { history } = contract.definition
    if (history === undefined || this.#contracts.has(contract)) return
    this.#check()
    checkHistory(history, `of the contract '${contract.pattern}'`)
    this.#contracts.set(contract, history)
    this.#known.clear()
  }

  /** @throws FST_ROOMS_INVALID_ROOM, FST_ROOMS_INVALID_OPTION when the option `history` is a function and returned nonsense */
  of (room: string): Address {
    const known = this.#known.get(room)
    if (known !== undefined) return known
    checkRoomName(room)
    if (this.#known.size >= REMEMBERED) this.#known.clear()
    const address = { room, channel: this.#prefix + room, history: this.#declared.get(room) ?? this.#contracted(room) ?? this.#historyOf(room) }
    this.#known.set(room, address)
    return address
  }

  #check (): void {
    if (!this.#keeps) invalid('history', 'needs a broker that keeps messages, and this one has no `history`: see docs/brokers.md')
  }

  #contracted (room: string): HistoryBounds | undefined {
    for (const [contract, history] of this.#contracts) if (matches(contract, room)) return history
    return undefined
  }
}
