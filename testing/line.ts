import { within } from './clock.js'

/** Things that come one after the other, and are looked at in that order. What was passed over is not looked at again. */
export class Line<T> {
  readonly #items: T[] = []
  readonly #taken = new Set<T>()
  #next = 0
  #ended = false
  #wake: (() => void) | undefined
  #turn: Promise<unknown> = Promise.resolve()

  push (item: T): void {
    this.#items.push(item)
    this.#wake?.()
  }

  /** Nothing comes any more. */
  end (): void {
    this.#ended = true
    this.#wake?.()
  }

  /** Whether one that is wanted was passed over, when something else was. */
  missed (wanted: (item: T) => boolean): boolean {
    return this.#items.slice(0, this.#next).some(item => !this.#taken.has(item) && wanted(item))
  }

  stateOf (item: T): 'taken' | 'passed over' | 'waiting' {
    if (this.#taken.has(item)) return 'taken'
    return this.#items.indexOf(item) < this.#next ? 'passed over' : 'waiting'
  }

  /**
   * The next one that is wanted, or undefined when none has come in time, or none comes any more. Who asks while another
   * one waits comes after that one.
   */
  take (wanted: (item: T) => boolean, timeout: number): Promise<T | undefined> {
    const taking = this.#turn.then(() => this.#take(wanted, timeout))
    this.#turn = taking.catch(() => {}) // whoever asked is told
    return taking
  }

  async #take (wanted: (item: T) => boolean, timeout: number): Promise<T | undefined> {
    const search = { over: false }
    const found = await within(timeout, this.#find(wanted, search))
    search.over = true
    return found
  }

  async #find (wanted: (item: T) => boolean, search: { readonly over: boolean }): Promise<T | undefined> {
    for (;;) {
      while (this.#next < this.#items.length && !search.over) {
        const item = this.#items[this.#next++] as T
        if (!wanted(item)) continue
        this.#taken.add(item)
        return item
      }
      if (this.#ended || search.over) return undefined
      await new Promise<void>(resolve => { this.#wake = resolve })
    }
  }
}
