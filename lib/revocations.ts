import type { Position, User } from '../types/index.js'
import { reaches } from './revocation.js'
import type { Revocation } from './revocation.js'
import { isBeyond } from './tail.js'

/** A revocation, and until when it holds in the time of `performance.now()`. */
interface Known {
  readonly revocation: Revocation
  readonly until: number
}

/** What is asked about: a socket's owner. */
interface Bearer {
  readonly user: User | null
  readonly userId: string | undefined
  /** Of its token, in seconds since 1970. */
  readonly issuedAt: number | undefined
}

/** How many one process holds. More are only acted upon: whoever publishes so many has no good in mind. */
const MAX_KNOWN = 100_000
/** What is over is looked for when there are so many, and then whenever they have doubled. */
const PURGE_AT = 1_000

/** Access that was taken away, as far as this process knows: the door asks nobody else. */
export class Revocations {
  readonly #known = new Map<string, Known>()
  /** Puts out whom a revocation means. @returns how many sockets that were */
  #evict: (revocation: Revocation) => number = () => 0
  #ready: true | Promise<true> = true
  #loaded: (() => void) | undefined
  #purgeAt = PURGE_AT

  /** How many this process knows of. */
  get size (): number {
    return this.#known.size
  }

  /** All that this process knows of, be they over or not. */
  get all (): Iterable<Known> {
    return this.#known.values()
  }

  start (evict: (revocation: Revocation) => number): void {
    this.#evict = evict
  }

  /** Resolves when the revocations are known that there were when this process began, or cannot be had. */
  ready (): true | Promise<true> {
    return this.#ready
  }

  /** There may be some that this process does not know of: whoever comes from now on waits. */
  shut (): void {
    if (this.#ready === true) this.#ready = new Promise(resolve => { this.#loaded = () => resolve(true) })
  }

  /** Nobody waits any more: those are known, or cannot be had. */
  open (): void {
    this.#ready = true
    this.#loaded?.()
  }

  /** Whether a token is too old: for everything, or for one room. Who is a guest has none. */
  bars ({ user, userId, issuedAt }: Bearer, room?: string): boolean {
    if (this.#known.size === 0 || user === null) return false
    return this.#meaning(userId, room).some(revocation => reaches(revocation, issuedAt))
  }

  /** Whether what came after a position may not be replayed, because its owner had no access to some of it. */
  hides (from: Position, userId: string | undefined, room: string): boolean {
    if (this.#known.size === 0) return false
    return this.#meaning(userId, room).some(({ floor }) => floor === undefined || !isBeyond(from, floor))
  }

  /** What was heard, or read. @param remaining for how long it holds from now on @returns how many sockets it has ended here */
  learn (revocation: Revocation, remaining: number = revocation.lifetime): number {
    this.#purge()
    const key = keyOf(revocation.room, revocation.user)
    const known = this.#known.get(key)?.revocation
    const until = performance.now() + remaining
    if (known !== undefined && known.at > revocation.at) return 0
    if (known?.at === revocation.at) {
      if (known.floor === undefined && revocation.floor !== undefined) this.#known.set(key, { revocation, until })
      return 0
    }
    if (this.#known.size < MAX_KNOWN) this.#known.set(key, { revocation, until })
    return this.#evict(revocation)
  }

  #meaning (userId: string | undefined, room: string | undefined): Revocation[] {
    const keys = room === undefined ? [] : [keyOf(room, undefined)]
    if (userId !== undefined) keys.push(keyOf(room, userId))
    const now = performance.now()
    return keys.map(key => this.#known.get(key)).filter(known => known !== undefined && known.until > now).map(known => (known as Known).revocation)
  }

  #purge (): void {
    if (this.#known.size < this.#purgeAt) return
    const now = performance.now()
    for (const [key, { until }] of this.#known) if (until <= now) this.#known.delete(key)
    this.#purgeAt = Math.max(PURGE_AT, 2 * this.#known.size)
  }
}

/** No name of a room has a space in it. */
function keyOf (room: string | undefined, user: string | undefined): string {
  return user === undefined ? `${room}` : `${room ?? ''} ${user}`
}
