import type { Batch } from './batch.js'
import type { RoomConnection } from './connection.js'
import type { FanOut } from './fanout.js'
import { RESYNC_FRAME } from './protocol.js'

/** Members that are told at once, and the time from then until the next are, in milliseconds. */
const SHARE = 20
const STEP = 20
/** In which time all are told, in milliseconds. */
const SPREAD = 2_000
/** Nobody is told again before this time is over, in milliseconds. */
const PAUSE = 1_000

/**
 * Tells members to look again. Whoever hears it loads anew what it shows, so they are not told all at once: ten thousand
 * clients would come to the application in the same second, and again whenever a link flaps.
 */
export class Resyncs {
  /** Who is to be told, and whether what is sent to it waits for that. */
  readonly #waiting = new Map<RoomConnection, boolean>()
  #share = SHARE
  #timer: NodeJS.Timeout | undefined

  /** Members of a room that keeps nothing. Who waits already, is told once. */
  tell (members: FanOut): void {
    for (const member of members) if (!this.#waiting.has(member)) this.#waiting.set(member, false)
    this.#start()
  }

  /**
   * Members who stand elsewhere from now on. Until one has been told, it gets nothing: it would take what comes for what
   * follows on the last that it saw, and if it left and came back, nobody would know that something is missing.
   * @param news what tells it
   */
  move (members: FanOut, news: Batch): void {
    members.flush()
    for (const member of members) if (member.postpone(news)) this.#waiting.set(member, true)
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
    for (const [member, held] of this.#waiting) {
      if (told === this.#share) break
      if (!held && now - member.resyncedAt < PAUSE) continue
      told++
      this.#waiting.delete(member)
      member.resyncedAt = now
      if (held) member.resume()
      else member.say(RESYNC_FRAME)
    }
    if (this.#waiting.size > 0) this.#timer = setTimeout(() => this.#step(), STEP)
  }
}
