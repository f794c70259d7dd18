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
/** Of one target. */
const MAX_EACH = 8
/** What is over is looked for when there are so many, and then whenever they have doubled. */
const PURGE_AT = 1_000

/** Access that was taken away, as far as this process knows: the door asks nobody else. */
export class Revocations {
  /** By their targets. Of one there is mostly one, and more where the later do not hold as long as those before them. */
  readonly #known = new Map<string, Known[]>()
  /** Puts out whom a revocation means. @returns how many sockets that were */
  #evict!: (revocation: Revocation) => number
  #ready: true | Promise<true> = true
  #loaded: (() => void) | undefined
  #purgeAt = PURGE_AT
  /** Nothing is over before this. */
  #soonest = Infinity

  /** How many this process knows of. */
  get size (): number {
    return this.#known.size
  }

  /** All that this process knows of, be they over or not. */
  get all (): Iterable<Known> {
    return [...this.#known.values()].flat()
  }

  start (evict: (revocation: Revocation) => number): void {
    this.#evict = evict
  }

  /** Resolves when the revocations are known that there were when this process began, or cannot be had. True: they are. */
  get ready (): true | Promise<true> {
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
    const now = performance.now()
    const until = now + remaining
    const all = this.#known.get(key) ?? []
    const same = all.findIndex(known => known.revocation.at === revocation.at)
    if (same !== -1) {
      all[same] = again(all[same] as Known, revocation, until)
      return 0
    }
    const inForce = all.filter(known => known.until > now)
    // What is later and holds as long says all of it.
    if (inForce.some(known => known.revocation.at > revocation.at && known.until >= until)) return 0
    if (all.length > 0 || this.#known.size < MAX_KNOWN) {
      const others = inForce.filter(known => known.revocation.at > revocation.at || known.until > until)
      this.#known.set(key, few([...others, { revocation, until }]))
      this.#soonest = Math.min(this.#soonest, until)
    }
    return this.#evict(revocation)
  }

  #meaning (userId: string | undefined, room: string | undefined): Revocation[] {
    const keys = room === undefined ? [] : [keyOf(room, undefined)]
    if (userId !== undefined) keys.push(keyOf(room, userId))
    const now = performance.now()
    return keys.flatMap(key => this.#known.get(key) ?? []).filter(({ until }) => until > now).map(({ revocation }) => revocation)
  }

  #purge (): void {
    const now = performance.now()
    if (this.#known.size < this.#purgeAt || now < this.#soonest) return
    this.#soonest = Infinity
    for (const [key, all] of this.#known) {
      const until = Math.max(...all.map(({ until }) => until))
      if (until <= now) this.#known.delete(key)
      else this.#soonest = Math.min(this.#soonest, until)
    }
    this.#purgeAt = Math.min(MAX_KNOWN, Math.max(PURGE_AT, 2 * this.#known.size))
  }
}

/** The same once more: with what only one of the two says, and for as long as either holds. */
function again (known: Known, revocation: Revocation, until: number): Known {
  const floor = known.revocation.floor ?? revocation.floor
  return { revocation: { ...revocation, floor }, until: Math.max(until, known.until) }
}

/** Too many of one target become one, which means whoever any of them means, and holds for as long. */
function few (all: Known[]): Known[] {
  if (all.length <= MAX_EACH) return all
  const [{ revocation }] = all.sort((a, b) => b.revocation.at - a.revocation.at) as [Known]
  return [{ revocation, until: Math.max(...all.map(({ until }) => until)) }]
}

/** No name of a room has a space in it. */
function keyOf (room: string | undefined, user: string | undefined): string {
  return user === undefined ? `${room}` : `${room ?? ''} ${user}`
}
