import type { RoomConnection } from './connection.js'

const SWEEP = 500

/**
 * Ends sockets whose token has expired. One sweep looks at all of them: a timer per socket would cost more, and fires
 * at once for a token that lives longer than 24.8 days.
 */
export class Expiry {
  readonly #expiring = new Map<RoomConnection, number>()
  #timer: NodeJS.Timeout | undefined

  /** @param at in seconds since 1970; what is not a finite number never comes */
  add (connection: RoomConnection, at: unknown): void {
    if (typeof at !== 'number' || !Number.isFinite(at)) return
    if (at * 1_000 <= Date.now()) {
      connection.end('expired_token')
      return
    }
    this.#expiring.set(connection, at * 1_000)
    this.#timer ??= setInterval(() => this.#sweep(), SWEEP)
  }

  delete (connection: RoomConnection): void {
    if (this.#expiring.delete(connection) && this.#expiring.size === 0) this.close()
  }

  close (): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #sweep (): void {
    const now = Date.now()
    for (const [connection, at] of this.#expiring) {
      if (at <= now) connection.end('expired_token')
    }
  }
}
