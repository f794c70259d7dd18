import { errors } from '../errors.js'
import type { Answers } from './answers.js'
import type { BrokerRecords, Kept } from './broker.js'
import { unavailable } from './redis-errors.js'
import type { RedisLink } from './redis-link.js'
import { KEEP } from './redis-scripts.js'

/** How many records there may be, so that a mistake in a loop cannot fill a Redis. */
const MOST = 100_000

/** What all processes must know, in one sorted set: each text by the moment at which it may be forgotten. */
export class RedisRecords implements BrokerRecords {
  readonly #link: RedisLink
  readonly #answers: Answers
  readonly #key: string

  constructor (link: RedisLink, answers: Answers, prefix: string) {
    this.#link = link
    this.#answers = answers
    this.#key = `{${prefix}@}:r` // in the slot of the keys that say which processes live
  }

  async clock (): Promise<number> {
    const [seconds, microseconds] = await this.#answers.bounded(() => this.#link.commands.time(), unavailable)
    return Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000)
  }

  async keep (text: string, lifetime: number): Promise<void> {
    this.#link.gather()
    const kept = await this.#answers.bounded(() => this.#link.run(KEEP, [this.#key], [text, lifetime, MOST]), unavailable)
    if (kept !== 1) throw new errors.FST_ROOMS_TOO_MANY_REVOCATIONS(MOST)
  }

  async list (): Promise<readonly Kept[]> {
    const now = await this.clock()
    const entries = await this.#answers.bounded(() => this.#link.commands.zrangebyscore(this.#key, now, '+inf', 'WITHSCORES'), unavailable)
    const kept: Kept[] = []
    for (let at = 0; at < entries.length; at += 2) {
      kept.push({ text: entries[at] as string, remaining: Number(entries[at + 1]) - now })
    }
    return kept
  }
}
