/** So many things at a time; others wait, in the order in which they came. */
export class Lanes {
  #free: number
  readonly #waiting: Array<() => void> = []

  constructor (lanes: number) {
    this.#free = lanes
  }

  async run<T> (work: () => Promise<T>): Promise<T> {
    if (this.#free === 0) await new Promise<void>(resolve => { this.#waiting.push(resolve) })
    else this.#free--
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
  }
}
