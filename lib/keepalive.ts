import type { RoomConnection } from './connection.js'
import { PING_FRAME } from './protocol.js'

/**
 * Pings every member once per interval and ends those that do not answer, with one timer for all. The sockets sit in
 * the slots of a wheel, so that the pings are spread over the interval; a slot's answers are looked at when the wheel
 * has gone on by the time that a pong may take.
 */
export class KeepAlive {
  readonly #slots: Array<Set<RoomConnection>>
  readonly #tick: number
  readonly #pongTicks: number
  #turn = 0
  #next = 0
  #size = 0
  #timer: NodeJS.Timeout | undefined

  constructor ({ keepAlive, pongTimeout }: { keepAlive: number, pongTimeout: number }) {
    // Half a second is fine enough for seconds; a short interval still needs a turn for the ping and one for the pong.
    const slots = Math.min(1_024, Math.max(4, Math.round(keepAlive / 500)))
    this.#slots = Array.from({ length: slots }, () => new Set<RoomConnection>())
    this.#tick = keepAlive / slots
    this.#pongTicks = Math.min(slots - 1, Math.ceil(pongTimeout / this.#tick))
  }

  add (connection: RoomConnection): void {
    connection.slot = this.#next
    this.#next = (this.#next + 1) % this.#slots.length
    this.#slots[connection.slot]?.add(connection)
    this.#size++
    this.#timer ??= setInterval(() => this.#advance(), this.#tick)
  }

  delete (connection: RoomConnection): void {
    if (this.#slots[connection.slot]?.delete(connection) === true && --this.#size === 0) this.close()
  }

  close (): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #advance (): void {
    const slots = this.#slots.length
    this.#turn = (this.#turn + 1) % slots
    const answered = (this.#turn - this.#pongTicks + slots) % slots
    for (const connection of this.#slots[answered] as Set<RoomConnection>) {
      if (!connection.alive) connection.terminate()
    }
    for (const connection of this.#slots[this.#turn] as Set<RoomConnection>) {
      connection.alive = false
      // Both kinds: browsers answer the protocol's ping by themselves but hide it from the page, which needs to see one.
      connection.socket.ping()
      connection.say(PING_FRAME)
    }
  }
}
