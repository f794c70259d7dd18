import type { Position } from '../../types/index.js'
import { nextId } from '../id.js'
import type { Append } from './appends.js'
import type { Carrier, Flight } from './append-queue.js'
import type { Appended } from './broker.js'
import { Fence } from './fence.js'
import { isReply, refusal } from './redis-errors.js'
import type { Argument, RedisLink } from './redis-link.js'
import { APPEND, FIND } from './redis-scripts.js'
import type { Subscriptions } from './subscriptions.js'

/** Carries messages into streams of Redis. */
export class RedisCarrier implements Carrier {
  readonly batch: number
  readonly recovers: boolean
  readonly #link: RedisLink
  readonly #subscriptions: Subscriptions
  readonly #fence: Fence | undefined

  constructor (link: RedisLink, subscriptions: Subscriptions) {
    this.#link = link
    this.#subscriptions = subscriptions
    this.batch = link.batch
    // The nodes of a Cluster have their connections, and their lives, each for itself.
    this.#fence = 'nodes' in link.commands ? undefined : new Fence(link.commands)
    this.recovers = this.#fence !== undefined
  }

  /** Called when there is a new connection, before it is used. */
  async prepare (): Promise<void> {
    await this.#fence?.prepare()
  }

  gather (): void {
    this.#link.gather()
  }

  async carry (flights: Flight[]): Promise<Array<Appended | Error>> {
    const args: Argument[] = [this.#link.publishCommand]
    for (const flight of flights) {
      const { channel, appends, after } = flight
      flight.session = this.#fence?.session
      const { size, ttl } = (appends.at(-1) as Append).bounds
      // One more than the size: a client that has missed exactly so many is known by the entry before them.
      args.push(appends.length, channel, ttl, size + 1, freshEpoch(after), nextId(), after?.epoch ?? '', after?.seq ?? 0)
      for (const { mid, text } of appends) args.push(mid, text)
    }
    const heard = flights.map(({ channel }) => this.#subscriptions.has(channel))
    const answers = await this.#link.run(APPEND, flights.map(({ channel }) => streamOf(channel)), args)
    return (answers as Array<[string, number, number] | string>).map((answer, index) => {
      if (typeof answer === 'string') return refusal(answer)
      const [epoch, seq, subscribers] = answer
      if (subscribers === 0 && heard[index] === true) this.#subscriptions.doubt((flights[index] as Flight).channel)
      return { epoch, seq, subscribers }
    })
  }

  async recover ({ channel, appends: [first], after, session }: Flight): Promise<Appended | 'absent' | 'unknown'> {
    try {
      if (!await this.#fence?.ends(session)) return 'unknown'
      const position = after === undefined ? '' : `${after.epoch}-${after.seq}`
      const args = [position, after?.mid ?? '', (first as Append).mid, channel]
      const [outcome, subscribers] = await this.#link.run(FIND, [streamOf(channel)], args) as [string, number]
      if (outcome === 'absent') return 'absent'
      if (outcome === 'gone') return 'unknown'
      const [epoch, seq] = outcome.split('-') as [string, string]
      return { epoch, seq: Number(seq), subscribers }
    } catch (error) {
      if (isReply(error)) return 'unknown'
      throw error
    }
  }
}

/** In the slot of the room's channel. */
export function streamOf (channel: string): string {
  return `{${channel}}:s`
}

/** The random part keeps epochs apart that two Redis began in the same millisecond. A number that JavaScript and Lua have exactly. */
export function freshEpoch (after: Position | undefined): string {
  return String(Math.max(Date.now() * 1_000 + Math.floor(Math.random() * 1_000), after === undefined ? 0 : Number(after.epoch) + 1))
}
