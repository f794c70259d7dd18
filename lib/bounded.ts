import { Deadlines } from './deadlines.js'

interface Work {
  readonly reject: (error: Error) => void
}

/** Work of the application that is waited for, but no longer than one and the same time. */
export class Bounded {
  readonly #works: Deadlines<Work>

  /** @param ms how long each work may take, in milliseconds */
  constructor (ms: number, late: () => Error) {
    this.#works = new Deadlines(ms, ({ reject }) => reject(late()))
  }

  /** How much of it is under way. */
  get size (): number {
    return this.#works.size
  }

  /** Never begins at once: thousands may have left while they waited for it. */
  run<T> (work: () => T | PromiseLike<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const own: Work = { reject }
      this.#works.add(own)
      Promise.resolve().then(work).finally(() => this.#works.delete(own)).then(resolve, reject)
    })
  }

  close (): void {
    this.#works.close()
  }
}
