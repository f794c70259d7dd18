import { now } from './clock.js'

/** What one member saw, in order; the oracle reads it. */
export class Journal {
  id
  room
  events = []
  #waiting = []

  constructor (id, room) {
    this.id = id
    this.room = room
  }

  write (type, details) {
    this.events.push({ type, at: now(), ...details })
    for (const waiter of this.#waiting.splice(0)) waiter()
  }

  /** Waits until something has happened that is wanted, from the beginning or from an event on. */
  async until (wanted, { from = 0, ms = 15_000 } = {}) {
    let at = from
    const late = setTimeout(() => { for (const waiter of this.#waiting.splice(0)) waiter(true) }, ms)
    try {
      for (;;) {
        for (; at < this.events.length; at++) if (wanted(this.events[at])) return this.events[at]
        const gaveUp = await new Promise(resolve => { this.#waiting.push(resolve) })
        if (gaveUp) throw new Error(`${this.id} waited in vain for ${wanted}; last: ${JSON.stringify(this.events.slice(-3))}`)
      }
    } finally {
      clearTimeout(late)
    }
  }

  count (type) {
    return this.events.reduce((count, event) => event.type === type ? count + 1 : count, 0)
  }
}
