/** Who is there, by what they have in common, and no more of a kind than there may be. */
export class Crowd<T> {
  readonly #max: number
  readonly #kinds = new Map<string, Set<T>>()

  constructor (max: number) {
    this.#max = max
  }

  isFull (kind: string): boolean {
    return (this.#kinds.get(kind)?.size ?? 0) >= this.#max
  }

  /** @returns whether there was room for one more */
  add (kind: string, member: T): boolean {
    if (this.isFull(kind)) return false
    const members = this.#kinds.get(kind) ?? new Set()
    this.#kinds.set(kind, members.add(member))
    return true
  }

  delete (kind: string, member: T): void {
    const members = this.#kinds.get(kind)
    if (members?.delete(member) === true && members.size === 0) this.#kinds.delete(kind)
  }
}
