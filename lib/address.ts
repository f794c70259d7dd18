import type { Codec, HistoryBounds, RoomContract } from '../types/index.js'
import { matches } from './contract.js'
import { Dialect } from './dialect.js'
import type { DialectHost } from './dialect.js'
import { checkRoomName } from './name.js'
import { checkCodec, checkHistory, invalid } from './options.js'

/** How many names are remembered. */
const REMEMBERED = 10_000

/** What a route or a contract says of its rooms that all processes must know. */
export interface Terms {
  readonly history?: HistoryBounds | undefined
  readonly codec?: Codec | undefined
}

/** Where a room is found, whether it keeps its messages, and how they are written: what every process makes of its name alone. */
export interface Address {
  readonly room: string
  /** The broker's name for it. */
  readonly channel: string
  readonly history: HistoryBounds | undefined
  /** Undefined where there is no codec. */
  readonly dialect: Dialect | undefined
}

/**
 * The address of each room. Names that have been used before need not be checked again, and are found by the very
 * string that the tables of rooms have as their key.
 */
export class Addresses {
  readonly #prefix: string
  readonly #historyOf: (room: string) => HistoryBounds | undefined
  readonly #keeps: boolean
  readonly #declared = new Map<string, Terms>()
  /** Those that say something. */
  readonly #contracts = new Map<RoomContract, Terms>()
  readonly #known = new Map<string, Address>()
  readonly #codec: Codec | undefined
  readonly #dialectHost: DialectHost
  readonly #dialects = new Map<Codec, Dialect>()

  /**
   * @param historyOf what rooms keep for which no route and no contract says it
   * @param keeps whether the broker keeps anything
   * @param codec of the rooms for which no route and no contract says it
   */
  constructor (prefix: string, historyOf: (room: string) => HistoryBounds | undefined, keeps: boolean, codec: Codec | undefined, dialectHost: DialectHost) {
    this.#prefix = prefix
    this.#historyOf = historyOf
    this.#keeps = keeps
    this.#codec = codec
    this.#dialectHost = dialectHost
  }

  /**
   * What a route says of its room.
   * @throws FST_ROOMS_INVALID_OPTION
   */
  declare (room: string, { history, codec }: Terms): void {
    if (history !== undefined) this.#check()
    const declared = this.#declared.get(room)
    const terms = { history: declared?.history ?? history, codec: declared?.codec ?? codec }
    if (history !== undefined && (terms.history?.size !== history.size || terms.history.ttl !== history.ttl)) invalid('history', `of the room '${room}' differs between two routes`)
    if (codec !== undefined && terms.codec !== codec) invalid('codec', `of the room '${room}' differs between two routes`)
    this.#declared.set(room, terms)
    this.#known.delete(room)
  }

  /**
   * What a contract says of its rooms, also where they are called by their plain names.
   * @throws FST_ROOMS_INVALID_OPTION
   */
  meet (contract: RoomContract): void {
    const { history, codec } = contract.definition
    if ((history === undefined && codec === undefined) || this.#contracts.has(contract)) return
    if (history !== undefined) {
      this.#check()
      checkHistory(history, `of the contract '${contract.pattern}'`)
    }
    if (codec !== undefined) checkCodec(codec, contract.pattern)
    this.#contracts.set(contract, { history, codec })
    this.#known.clear()
  }

  /** How the sockets of a route are spoken to before it is known which of its rooms they want. */
  dialectOf (contract: RoomContract | undefined): Dialect | undefined {
    return this.#dialect(contract?.definition.codec ?? this.#codec)
  }

  /** @throws FST_ROOMS_INVALID_ROOM, FST_ROOMS_INVALID_OPTION when the option `history` is a function and returned nonsense */
  of (room: string): Address {
    const known = this.#known.get(room)
    if (known !== undefined) return known
    checkRoomName(room)
    if (this.#known.size >= REMEMBERED) this.#known.clear()
    const { history, codec } = this.#termsOf(room)
    const address = { room, channel: this.#prefix + room, history: history ?? this.#historyOf(room), dialect: this.#dialect(codec ?? this.#codec) }
    this.#known.set(room, address)
    return address
  }

  #check (): void {
    if (!this.#keeps) invalid('history', 'needs a broker that keeps messages, and this one has no `history`: see docs/brokers.md')
  }

  #termsOf (room: string): Terms {
    const declared = this.#declared.get(room)
    let contracted: Terms | undefined
    for (const [contract, terms] of this.#contracts) {
      if (contracted === undefined && matches(contract, room)) contracted = terms
    }
    return { history: declared?.history ?? contracted?.history, codec: declared?.codec ?? contracted?.codec }
  }

  /** One for each codec, so that they can be compared. */
  #dialect (codec: Codec | undefined): Dialect | undefined {
    if (codec === undefined) return undefined
    let dialect = this.#dialects.get(codec)
    if (dialect === undefined) {
      dialect = new Dialect(codec, this.#dialectHost)
      this.#dialects.set(codec, dialect)
    }
    return dialect
  }
}
