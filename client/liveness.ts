/** The longest that a timer takes. */
const LONGEST = 2 ** 31 - 1
/** Of the time for an answer: a page that wakes up runs its timers before it reads what has come meanwhile. */
const GLANCE = 500

export interface Liveness {
  /** Something has come. */
  heard (): void
  /** @param doubted whether there is reason to ask at once */
  check (doubted?: boolean): void
  close (): void
}

/**
 * Whether the other side is still there, judged by what comes from it. A timer only says when to look: a page that is
 * hidden, or a machine that slept, has late ones, and then asks first instead of condemning a link that is well.
 * @param quiet milliseconds of silence that are no reason to ask
 * @param answer milliseconds that there are for an answer
 */
export function watchOver (quiet: number, answer: number, ask: () => void, dead: () => void): Liveness {
  let heardAt = Date.now()
  let asked = false
  let timer: ReturnType<typeof setTimeout> | undefined

  const close = (): void => clearTimeout(timer)
  const after = (ms: number, then: () => void): void => {
    close()
    timer = setTimeout(then, Math.min(ms, LONGEST))
  }
  const check = (doubted = false): void => {
    if (asked) return
    const left = quiet - Math.abs(Date.now() - heardAt) // this clock goes on in sleep, and may be set back
    if (left > 0 && !doubted) return after(left, check)
    asked = true
    ask()
    after(answer - GLANCE, () => after(GLANCE, () => asked ? dead() : check()))
  }
  const heard = (): void => {
    heardAt = Date.now()
    asked = false
  }

  check()
  return { heard, check, close }
}
