/** A place where an application's work stops until the test lets it go on. */
export class Gate {
  readonly reached: Promise<void>
  readonly #opened: Promise<void>
  #reach!: () => void
  #open!: () => void

  constructor () {
    this.reached = new Promise(resolve => { this.#reach = resolve })
    this.#opened = new Promise(resolve => { this.#open = resolve })
  }

  async pass (): Promise<void> {
    this.#reach()
    await this.#opened
  }

  open (): void {
    this.#open()
  }
}
