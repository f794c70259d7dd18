/** So that those who never come back are forgotten one day. */
const USERS = 1_000

/** What users have saved last, for as long as the process lives. */
export class Saved {
  /** @type {Map<string, readonly string[]>} */
  #things = new Map()

  /**
   * @param {string} user
   * @param {readonly string[]} things
   */
  save (user, things) {
    this.#things.delete(user)
    this.#things.set(user, things)
    const [oldest] = this.#things.keys()
    if (this.#things.size > USERS && oldest !== undefined) this.#things.delete(oldest)
    return { saved: things.length }
  }

  /** @param {string} user */
  of (user) {
    return this.#things.get(user) ?? []
  }
}
