/** The rooms that a socket is in. Most are in one, and are spared a Set for as long as nobody asks for it. */
export class RoomNames implements Iterable<string> {
  #only: string | undefined
  #all: Set<string> | undefined

  /** For applications: always as they are, whenever it was asked for. */
  get all (): ReadonlySet<string> {
    return this.#set()
  }

  get first (): string | undefined {
    return this.#all === undefined ? this.#only : this.#all.values().next().value
  }

  * [Symbol.iterator] (): Iterator<string> {
    if (this.#all !== undefined) yield * this.#all
    else if (this.#only !== undefined) yield this.#only
  }

  has (room: string): boolean {
    return this.#all === undefined ? this.#isOnly(room) : this.#all.has(room)
  }

  add (room: string): void {
    if (this.#all === undefined && this.#only === undefined) this.#only = room
    else this.#set().add(room)
  }

  /** @returns whether it was among them */
  delete (room: string): boolean {
    if (this.#all !== undefined) return this.#all.delete(room)
    const was = this.#isOnly(room)
    if (was) this.#only = undefined
    return was
  }

  /** @returns those that there were */
  clear (): string[] {
    const names = [...this]
    this.#only = undefined
    this.#all?.clear()
    return names
  }

  /** Applications in JavaScript may ask for undefined, which is no room, and not that of a socket that is in none. */
  #isOnly (room: string): boolean {
    return this.#only !== undefined && this.#only === room
  }

  #set (): Set<string> {
    this.#all ??= new Set(this)
    this.#only = undefined
    return this.#all
  }
}
