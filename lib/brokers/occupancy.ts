import type { Cluster, Redis } from 'ioredis'
import { nextId } from '../id.js'

const BEAT = 5_000
/** A process that was not heard of for this long is dead, and its members with it. */
const LIFE = 15_000
/** A room's counts outlive the last change by this, in seconds; processes with members renew them in time. */
const KEPT = 24 * 60 * 60
const RENEW = 8 * 60 * 60 * 1_000
/** How many rooms are written before answers are waited for. */
const CHUNK = 1_000

/**
 * How many members each process has in each room, in Redis: a hash per room with a field per process, and a key per
 * process that expires when the process dies. A change costs one write, a count two reads, whatever the number of
 * members, and nobody has to answer.
 */
export class Occupancy {
  readonly #client: Redis | Cluster
  readonly #prefix: string
  readonly #failed: (error: unknown) => void
  readonly #process = nextId()
  readonly #members = new Map<string, number>()
  readonly #changed = new Set<string>()
  /** What was written, and not confirmed. */
  readonly #unconfirmed = new Set<string>()
  #writing: Promise<void> | undefined
  #generation = 0
  #beating: NodeJS.Timeout | undefined
  #renewing: NodeJS.Timeout | undefined
  #beaten = -Infinity
  #wasBuried = false

  /** @param failed is told why nothing could be written */
  constructor (client: Redis | Cluster, prefix: string, failed: (error: unknown) => void) {
    this.#client = client
    this.#prefix = prefix
    this.#failed = failed
  }

  start (): void {
    this.#beating = setInterval(() => { this.#writing ??= this.#write() }, BEAT)
    this.#renewing = setInterval(() => this.restore(), RENEW)
  }

  report (channel: string, members: number): void {
    if (members > 0) this.#members.set(channel, members)
    else this.#members.delete(channel)
    this.#changed.add(channel)
    this.#writing ??= this.#write()
  }

  /** Redis may have forgotten everything, or buried this process. */
  restore (): void {
    for (const channel of [...this.#members.keys(), ...this.#unconfirmed]) this.#changed.add(channel)
    this.#beaten = -Infinity
    // A write that a lost connection has swallowed never settles; this one takes its place.
    this.#writing = this.#write()
  }

  async count (channel: string): Promise<number> {
    const { [this.#process]: own, ...others } = await this.#client.hgetall(roomKey(channel))
    const processes = Object.keys(others)
    const lives = processes.length > 0 ? await this.#client.mget(processes.map(process => this.#lifeKey(process))) : []
    const dead = processes.filter((_, index) => lives[index] === null)
    if (dead.length > 0) this.#client.hdel(roomKey(channel), ...dead).catch(() => {})
    let count = this.#members.get(channel) ?? 0
    processes.forEach((process, index) => { if (lives[index] !== null) count += Number(others[process]) })
    return count
  }

  async close (): Promise<void> {
    clearInterval(this.#beating)
    clearInterval(this.#renewing)
    for (const channel of this.#members.keys()) this.#changed.add(channel)
    this.#members.clear()
    await (this.#writing ??= this.#write())
    if (this.#client.status === 'ready') await this.#client.del(this.#lifeKey(this.#process))
  }

  /** Writes that this process lives, if it is time to, and what has changed. What fails is written with the next beat. */
  async #write (): Promise<void> {
    const generation = ++this.#generation
    await null // changes of one turn are one write for each room
    try {
      if (this.#changed.size + this.#members.size > 0 && performance.now() - this.#beaten >= BEAT - 100) await this.#live()
      while (this.#changed.size > 0) {
        const channels = [...this.#changed].slice(0, CHUNK)
        await Promise.all(channels.map(channel => this.#writeOne(channel)))
      }
    } catch (error) {
      this.#beaten = -Infinity
      this.#failed(error)
    } finally {
      if (generation === this.#generation) this.#writing = undefined
    }
  }

  async #live (): Promise<void> {
    const before = await this.#client.set(this.#lifeKey(this.#process), '1', 'PX', LIFE, 'GET')
    this.#beaten = performance.now()
    // Others may have buried a process that was silent for too long, or Redis may have started anew. A burial that is
    // still on its way would undo what is written now, so it is written once more with the next beat.
    const buried = before === null
    if (buried || this.#wasBuried) for (const channel of this.#members.keys()) this.#changed.add(channel)
    this.#wasBuried = buried
  }

  async #writeOne (channel: string): Promise<void> {
    const members = this.#members.get(channel)
    const key = roomKey(channel)
    this.#changed.delete(channel)
    this.#unconfirmed.add(channel)
    try {
      if (members === undefined) {
        await this.#client.hdel(key, this.#process)
      } else {
        await Promise.all([this.#client.hset(key, this.#process, members), this.#client.expire(key, KEPT)])
      }
      this.#unconfirmed.delete(channel)
    } catch (error) {
      this.#changed.add(channel)
      throw error
    }
  }

  /** All in one slot, so that one MGET reads them in a Cluster too. */
  #lifeKey (process: string): string {
    return `{${this.#prefix}@}:${process}`
  }
}

/** In the slot of the room's channel. */
function roomKey (channel: string): string {
  return `{${channel}}:n`
}
