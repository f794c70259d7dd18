const TICK = 50

/** Measures for how long this process has run, in milliseconds: what it was kept waiting by others does not count. */
export class Stopwatch {
  #running = 0
  readonly #timer = setInterval(() => { this.#running += TICK }, TICK)

  stop (): number {
    clearInterval(this.#timer)
    return this.#running
  }
}
