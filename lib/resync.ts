import type { Place } from './backlog.js'
import type { Batch } from './batch.js'
import type { RoomConnection } from './connection.js'
import type { FanOut } from './fanout.js'

/** Members that are told at once, and the time from then until the next are, in milliseconds. */
const SHARE = 20
const STEP = 20
/** In which time all are told, in milliseconds. */
const SPREAD = 2_000
/** Nobody is told again before this time is over, in milliseconds. */
const PAUSE = 1_000

/** What a member is to be told, when its turn comes. */
interface Waiting {
  /** One for each of its rooms. */
  readonly news: readonly Batch[]
  /** Where what is sent to it waits for that. */
  readonly place: Place | undefined
}

/**
 * Tells members to look again. Whoever hears it loads anew what it shows, so they are not told all at once: ten thousand
 * clients would come to the application in the same second, and again whenever a link flaps.
 */
export class Resyncs {
  readonly #waiting = new Map<RoomConnection, Waiting>()
  #share = SHARE
  #timer: NodeJS.Timeout | undefined

  /**
   * Members of a room that keeps nothing. Who waits already, is told once.
   * @param news what tells them
   */
  tell (members: FanOut, news: Batch): void {
    const alone: Waiting = { news: [news], place: undefined }
    for (const member of members) {
      const waiting = this.#waiting.get(member)
      if (waiting === undefined) this.#waiting.set(member, alone)
      else if (!waiting.news.some(({ room }) => room === news.room)) this.#waiting.set(member, { ...waiting, news: [...waiting.news, news] })
    }
    this.#start()
  }

  /**
   * Members who stand elsewhere from now on. Until one has been told, it gets nothing: it would take what comes for what
   * follows on the last that it saw, and if it left and came back, nobody would know that something is missing.
   * @param news what tells it
   */
  move (members: FanOut, news: Batch): void {
    members.flush()
    for (const member of members) {
      const place = member.postpone(news)
      if (place !== undefined) this.#waiting.set(member, { news: this.#waiting.get(member)?.news ?? [], place })
    }
    this.#start()
  }

  close (): void {
    clearTimeout(this.#timer)
    this.#waiting.clear()
  }

  #start (): void {
    this.#share = Math.max(SHARE, Math.ceil(this.#waiting.size / (SPREAD / STEP)))
    if (this.#timer === undefined) this.#step()
  }

  #step (): void {
    this.#timer = undefined
    const now = performance.now()
    let told = 0
    for (const [member, { news, place }] of this.#waiting) {
      if (told === this.#share) break
      if (place === undefined && now - member.resyncedAt < PAUSE) continue
      told++
      this.#waiting.delete(member)
      member.resyncedAt = now
      // Of a room that it has left meanwhile, it is told nothing.
      for (const batch of news) if (member.names.has(batch.room as string)) member.tell(batch)
      if (place !== undefined) member.settle(place)
    }
    if (this.#waiting.size > 0) this.#timer = setTimeout(() => this.#step(), STEP)
  }
}
