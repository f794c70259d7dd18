import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const children = new Set()

/** A contender that cannot do what the case is about. */
export class Unsupported extends Error {}

/** A process of the bench. It is asked one thing at a time, and answers each. */
export class Child {
  /** What it said when it was ready. */
  hello
  #process
  #name

  constructor (file, { wanted = {}, runtime = process.execPath, flags = [] } = {}) {
    this.#name = file
    this.#process = fork(fileURLToPath(new URL(file, import.meta.url)), [JSON.stringify(wanted)], { execPath: runtime, execArgv: flags })
    keep(this.#process)
    this.hello = this.#answer()
  }

  get pid () {
    return this.#process.pid
  }

  async ask (what, details) {
    const answer = this.#answer()
    this.#process.send({ ask: what, ...details })
    return await answer
  }

  async stop () {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    this.#process.kill('SIGKILL')
    await once(this.#process, 'exit')
  }

  async #answer () {
    const left = new AbortController()
    try {
      return await Promise.race([
        once(this.#process, 'message', left).then(([answer]) => {
          if (answer.unsupported !== undefined) throw new Unsupported(answer.unsupported)
          if (answer.error !== undefined) throw new Error(`${this.#name}: ${answer.error}`)
          return answer
        }),
        once(this.#process, 'exit', left).then(([code, signal]) => {
          throw new Error(`${this.#name} ended with ${signal ?? code}`)
        })
      ])
    } finally {
      left.abort()
    }
  }
}

/** Remembers a process until it ends. */
export function keep (child) {
  children.add(child)
  child.on('exit', () => children.delete(child))
}

/** Nothing may outlive the bench, however it ends. */
export function killChildren () {
  for (const child of children) child.kill('SIGKILL')
}
