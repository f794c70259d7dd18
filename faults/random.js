/** Numbers that look like chance and are the same for the same seed (mulberry32). */
export class Random {
  #state

  constructor (seed) {
    this.#state = seed >>> 0
  }

  /** From 0 up to, and without, 1. */
  next () {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from `least` to `most`, both included. */
  between (least, most) {
    return least + Math.floor(this.next() * (most - least + 1))
  }

  pick (list) {
    return list[this.between(0, list.length - 1)]
  }

  bytes (length) {
    return Buffer.from(Array.from({ length }, () => this.between(0, 255)))
  }

  /** Another one, whose numbers do not depend on how many of this one's have been taken meanwhile. */
  fork (name) {
    let seed = this.#state
    for (const character of name) seed = Math.imul(seed ^ character.codePointAt(0), 0x01000193)
    return new Random(seed)
  }
}
