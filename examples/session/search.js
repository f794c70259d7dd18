import { generatePrime } from 'node:crypto'
import { promisify } from 'node:util'

const BITS = 1_024
const findPrime = promisify(generatePrime)

/** A long process of the server, in steps that somebody asks for: each finds a large prime number, which takes a moment or two. */
export class Search {
  /** @type {string[]} */
  found = []
  #wanted = 0

  /** @param {number} things how many are wanted from now on */
  start (things) {
    this.#wanted = things
    this.found = []
    return { things }
  }

  /**
   * @param {AbortSignal} signal
   * @throws Error, in words for who has asked
   */
  async next (signal) {
    if (this.#wanted === 0) throw conflict('Nothing has been started yet.')
    if (this.found.length === this.#wanted) throw conflict('All of them are done. Save them, or start anew.')
    const prime = BigInt(`0x${Buffer.from(await findPrime(BITS)).toString('hex')}`).toString()
    signal.throwIfAborted() // whoever has asked is gone, or was told that it took too long
    this.found.push(prime)
    return { done: this.found.length, things: this.#wanted, thing: prime }
  }
}

/** @param {string} message */
function conflict (message) {
  return Object.assign(new Error(message), { statusCode: 409 })
}
