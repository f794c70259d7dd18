import { now } from './clock.js'

/** How often it looks whether a message is due, in milliseconds. */
const TICK = 10

/**
 * Sends messages into rooms at a steady pace, numbered for each room, and writes down what it is told of each. It waits for
 * none: what is said later finds the number by itself.
 */
export class Publisher {
  #name
  #publish
  #report
  #numbers = new Map()
  #timer
  /** Sends that nothing was said of yet. */
  #pending = 0
  #idle

  /**
   * @param publish sends one message, and resolves with a claim
   * @param report told of what was sent and what was claimed
   */
  constructor (name, publish, report) {
    this.#name = name
    this.#publish = publish
    this.#report = report
  }

  /**
   * @param rate messages per second, in each room
   * @param size bytes of padding
   * @param most stop after so many messages for each room
   */
  start ({ rooms, rate, size = 0, most = Infinity }) {
    const padding = 'x'.repeat(size)
    const begun = now()
    let sent = 0
    this.#timer = setInterval(() => {
      // A process that has been asleep does not catch up: that would be a burst that no handler makes.
      const due = Math.min(Math.floor((now() - begun) * rate / 1_000), sent + Math.ceil(rate * TICK / 1_000) * 2, most)
      for (; sent < due; sent++) for (const room of rooms) this.send(room, padding)
      if (sent >= most) this.stop()
    }, TICK)
  }

  stop () {
    clearInterval(this.#timer)
  }

  send (room, padding = '') {
    const n = (this.#numbers.get(room) ?? 0) + 1
    this.#numbers.set(room, n)
    const at = now()
    this.#pending++
    const settle = claim => {
      this.#report(['claimed', this.#name, room, n, claim, now()])
      if (--this.#pending === 0) this.#idle?.()
    }
    this.#report(['sent', this.#name, room, n, at])
    this.#publish(room, { key: `${this.#name}:${n}`, ...(padding !== '' && { padding }) }).then(settle, error => settle(`threw ${error.message}`))
  }

  /** Resolves when something was said of every message. */
  async settled () {
    if (this.#pending > 0) await new Promise(resolve => { this.#idle = resolve })
  }
}
