import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { keep } from '../bench/child.js'

/** As much of what a process says last as helps to know why it ended. */
const LAST_WORDS = 4_000

/** A server under test, in a process of its own. */
export class ServerProcess {
  name
  port
  /** What its publishers have sent, by publisher, room and number. */
  sends = new Map()
  /** How it ended, where nobody had asked it to: with its last words. */
  death
  #process
  #asked = new Map()
  #next = 0
  #expected = false
  #words = ''

  /** @param flags for Node; those of this process are none of its business */
  constructor (name, file, wanted, flags = []) {
    this.name = name
    this.#process = fork(fileURLToPath(new URL(file, import.meta.url)), [JSON.stringify(wanted)], { execArgv: flags, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    keep(this.#process)
    this.#process.stderr.on('data', words => { this.#words = (this.#words + words).slice(-LAST_WORDS) })
    this.#process.on('message', message => this.#heard(message))
    this.#process.once('exit', (code, signal) => {
      if (!this.#expected) this.death = `${this.name} ended with ${signal ?? code}: ${this.#words.trim()}`
      for (const { reject } of this.#asked.values()) reject(new Error(`${this.name} has ended`))
    })
  }

  get pid () {
    return this.#process.pid
  }

  get running () {
    return this.#process.exitCode === null && this.#process.signalCode === null
  }

  /** Waits until it listens. */
  async ready () {
    while (this.port === undefined) {
      if (!this.running) throw new Error(this.death)
      await Promise.race([once(this.#process, 'message'), once(this.#process, 'exit')])
    }
    return this
  }

  ask (what, details) {
    if (!this.running) return Promise.reject(new Error(`${this.name} has ended`))
    const id = ++this.#next
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject })
      // Where it cannot be told any more, its exit comes, and rejects.
      this.#process.send({ id, ask: what, ...details }, () => {})
    })
  }

  /** SIGSTOP and SIGCONT are a hang, SIGKILL is a crash. */
  signal (name) {
    if (name === 'SIGKILL') this.#expected = true
    this.#process.kill(name)
  }

  /** As a supervisor would: SIGTERM, and then it has time. */
  async terminate (ms = 20_000) {
    this.#expected = true
    if (!this.running) return
    const exited = once(this.#process, 'exit')
    const late = setTimeout(() => this.#process.kill('SIGKILL'), ms)
    this.#process.kill('SIGTERM')
    await exited
    clearTimeout(late)
  }

  async kill () {
    this.#expected = true
    if (!this.running) return
    const exited = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await exited
  }

  #heard ({ port, reports, id, answer, error }) {
    if (port !== undefined) this.port = port
    else if (reports !== undefined) for (const report of reports) this.#reported(report)
    else {
      const { resolve, reject } = this.#asked.get(id)
      this.#asked.delete(id)
      if (error === undefined) resolve(answer)
      else reject(new Error(`${this.name}: ${error}`))
    }
  }

  #reported ([what, publisher, room, n, ...rest]) {
    const key = `${room} ${publisher}:${n}`
    if (what === 'sent') this.sends.set(key, { publisher, process: this.name, room, n, at: rest[0], claim: 'pending' })
    else Object.assign(this.sends.get(key), { claim: rest[0], settled: rest[1] })
  }
}
