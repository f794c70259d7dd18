/** Keys of one object of the document: what AsyncAPI takes for a key, and each once. */
export class Names {
  readonly #taken: Set<string>

  constructor (taken: Iterable<string> = []) {
    this.#taken = new Set(taken)
  }

  take (...parts: string[]): string {
    const wanted = parts.join('.').replaceAll(/[{}:]/g, '').replaceAll(/[^\w.-]+/g, '.').replaceAll(/^\.+|\.+$/g, '') || 'root'
    let name = wanted
    for (let count = 2; this.#taken.has(name); count++) name = `${wanted}-${count}`
    this.#taken.add(name)
    return name
  }
}
