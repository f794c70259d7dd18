import type { Stats } from '../types/index.js'
import type { Cause } from './protocol.js'

/** How a socket ended: a cause of the protocol, the client or its link, or no sign of life. */
export type End = Cause | 'client' | 'silent'

/** What is counted where it happens; `app.ws.stats()` adds what is merely looked up. */
export class Counters {
  sent = 0
  failed = 0
  degraded = 0
  received = 0
  malformed = 0
  unnumbered = 0
  gaps = 0
  filled = 0
  unfilled = 0
  recovered = 0
  unrecovered = 0
  delivered = 0
  ignored = 0
  readonly ended: Record<string, number> = {}
  readonly refused: Record<string, number> = {}

  snapshot (): Omit<Stats, 'broker' | 'connections' | 'waiting' | 'revocations' | 'rooms' | 'members'> {
    return { ...this, ended: { ...this.ended }, refused: { ...this.refused } }
  }

  end (cause: End): void {
    this.ended[cause] = (this.ended[cause] ?? 0) + 1
  }

  refuse (reason: string): void {
    this.refused[reason] = (this.refused[reason] ?? 0) + 1
  }
}

/** What is to be said, or where that has to be found out first, how: mostly nobody asks. */
type Details = object | (() => object)

/**
 * Says a thing at most once per interval, with how often it was left out: what goes wrong for one message or one socket
 * goes wrong for thousands, and a log that drowns helps nobody.
 */
export function throttled (write: (details: object) => void, ms = 1_000): (details: Details) => void {
  let next = 0
  let omitted = 0
  return details => {
    const now = performance.now()
    if (now < next) {
      omitted++
      return
    }
    next = now + ms
    const said = typeof details === 'function' ? (details as () => object)() : details
    write(omitted > 0 ? { ...said, omitted } : said)
    omitted = 0
  }
}
