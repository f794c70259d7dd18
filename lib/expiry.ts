import type { RoomConnection } from './connection.js'
import { Deadlines } from './deadlines.js'
import { expiringFrame } from './protocol.js'

const SWEEP = 500
/** For how long a client may go on to read what it was sent before, in milliseconds: with the sweep, that is less than a second. */
const READING = 400

/**
 * Tells sockets whose token is about to expire, and ends those whose token has. One sweep looks at all of them: a timer per
 * socket would cost more, and fires at once for a token that lives longer than 24.8 days.
 */
export class Expiry {
  readonly #window: number
  readonly #expiring = new Set<RoomConnection>()
  /** They have ended, and what is still to be written to them would reach them as they read on. */
  readonly #unread = new Deadlines<RoomConnection>(READING, ({ socket }) => { if (socket.bufferedAmount > 0) socket.terminate() })
  /** Nobody has to be ended before this, in milliseconds since 1970. */
  #next = Infinity
  #timer: NodeJS.Timeout | undefined

  /** @param refreshWindow how long ahead a client is told, in milliseconds */
  constructor (refreshWindow: number) {
    this.#window = refreshWindow
  }

  /** Looks after a socket from now on, by its `expiresAt`, or begins anew. */
  add (connection: RoomConnection): void {
    const { expiresAt } = connection
    if (expiresAt === Infinity) {
      this.delete(connection)
      return
    }
    const now = Date.now()
    if (expiresAt <= now) {
      this.#end(connection)
      return
    }
    // A token that lives no longer than the window would otherwise be asked for again at once, and so would the next.
    connection.remindAt = connection.session === undefined ? Infinity : expiresAt - Math.min(this.#window, (expiresAt - now) / 2)
    this.#next = Math.min(this.#next, expiresAt)
    this.#expiring.add(connection)
    this.#timer ??= setInterval(() => this.#sweep(), SWEEP)
  }

  /** For how many milliseconds a socket's token is still good; undefined is for ever. */
  remaining ({ expiresAt }: RoomConnection): number | undefined {
    return expiresAt === Infinity ? undefined : Math.max(0, Math.round(expiresAt - Date.now()))
  }

  /** Ahead of all that is written: where a busy process has swept too late, those go who may not see it. */
  check (): void {
    if (this.#next < Infinity && Date.now() - this.#next > SWEEP) this.#sweep()
  }

  delete (connection: RoomConnection): void {
    if (this.#expiring.delete(connection) && this.#expiring.size === 0) this.#rest()
  }

  close (): void {
    this.#rest()
    this.#unread.close()
  }

  #rest (): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#next = Infinity
  }

  #sweep (): void {
    const now = Date.now()
    this.#next = Infinity
    for (const connection of this.#expiring) {
      const { expiresAt } = connection
      if (expiresAt <= now) {
        this.#end(connection)
      } else {
        this.#next = Math.min(this.#next, expiresAt)
        if (connection.remindAt <= now) {
          connection.remindAt = Infinity
          connection.say(expiringFrame(Math.round(expiresAt - now)))
        }
      }
    }
  }

  #end (connection: RoomConnection): void {
    connection.end('expired_token')
    if (connection.socket.bufferedAmount > 0) this.#unread.add(connection)
  }
}
