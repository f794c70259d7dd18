import { within } from './clock.js'
import { Caller, ExpectationError, TIMEOUT } from './failure.js'
import type { ExpectOptions } from './failure.js'
import { selector } from './pattern.js'
import type { Which } from './pattern.js'

/** Something that a test has wished upon a bus, and what it has met so far. */
export interface Fault<T> {
  /** What it has met, in order: so a test can see that what was to go wrong did. A message to two applications is two. */
  readonly hits: readonly T[]
  /** Resolves once it has met so many. @param count @default 1 @throws ExpectationError when it has not in time */
  reached (count?: number, options?: ExpectOptions): Promise<void>
  /** From now on it meets nothing. */
  stop (): void
}

/** A fault that keeps what it meets. */
export interface Hold<T> extends Fault<T> {
  /** How many it keeps. */
  readonly held: number
  /** Lets the first so many go, in order. Without a number it lets all go, and is over. */
  release (count?: number): void
}

export interface FaultOptions {
  /** How many it meets; a message to many applications is one. @default all, until it is stopped */
  times?: number | undefined
}

/** What a fault is to meet: the next so many, those that look like the pattern, or those for which the function returns true. */
export type Target<T> = number | Which<T>

export class Trap<T extends object> implements Fault<T> {
  readonly hits: T[] = []
  readonly #selects: (item: T) => boolean
  readonly #times: number
  readonly #units = new Set<object>()
  readonly #waiting: Array<{ count: number, resolve: (reached: true) => void }> = []
  #stopped = false

  constructor (target: Target<T> = {}, { times = Infinity }: FaultOptions = {}) {
    this.#selects = typeof target === 'number' ? () => true : selector(target)
    this.#times = typeof target === 'number' ? target : times
  }

  /** Whether it meets this. @param unit what counts as one: the message of several deliveries */
  meets (item: T, unit: object): boolean {
    if (this.#stopped || !this.#selects(item)) return false
    if (this.#units.size >= this.#times && !this.#units.has(unit)) return false
    this.#units.add(unit)
    this.hits.push(item)
    for (const { count, resolve } of this.#waiting) if (this.hits.length >= count) resolve(true)
    return true
  }

  async reached (count = 1, { timeout = TIMEOUT }: ExpectOptions = {}): Promise<void> {
    if (this.hits.length >= count) return
    const caller = new Caller(this.reached)
    const reached = await within(timeout, new Promise<true>(resolve => { this.#waiting.push({ count, resolve }) }))
    if (reached !== true) throw caller.blame(new ExpectationError(`The fault should have met ${count} within ${timeout} ms, and has met ${this.hits.length}. Compare its \`hits\` with what it is to meet.`))
  }

  stop (): void {
    this.#stopped = true
  }

  /** Whether it keeps such a thing back. */
  keeps (_selects: (item: T) => boolean): boolean {
    return false
  }
}

/** All faults for things of one kind. The first that meets a thing decides what becomes of it. */
export class Traps<T extends object, R> {
  readonly #set: Array<{ trap: Trap<T>, effect: ((item: T, go: () => R) => R) | undefined }> = []

  /** @param effect what becomes of a thing; without it, the trap only looks on */
  add<F extends Trap<T>> (trap: F, effect?: (item: T, go: () => R) => R): F {
    this.#set.push({ trap, effect })
    return trap
  }

  /** @param go what happens where nothing goes wrong */
  pass (item: T, unit: object, go: () => R): R {
    for (const { trap, effect } of this.#set) {
      if (trap.meets(item, unit) && effect !== undefined) return effect(item, go)
    }
    return go()
  }

  /** Whether any of them keeps such a thing back. */
  keep (selects: (item: T) => boolean): boolean {
    return this.#set.some(({ trap }) => trap.keeps(selects))
  }
}
