import type { RoomConnection } from './connection.js'

/**
 * Pings every member once per interval and ends those that do not answer, with one timer for all. The sockets sit in
 * the slots of a wheel, so that the pings are spread; a slot's answers are looked at when the wheel has gone on by the
 * time that a pong may take. Who has just come is known to be alive: its first ping is at least half an interval away,
 * and does not fall into the time in which a whole crowd comes back.
 */
export class KeepAlive {
  readonly #slots: RoomConnection[][]
  readonly #tick: number
  readonly #pongTicks: number
  #turn = 0
  /** How many have come, for the next one's slot. */
  #added = 0
  #size = 0
  #timer: NodeJS.Timeout | undefined

  constructor ({ keepAlive, pongTimeout }: { keepAlive: number, pongTimeout: number }) {
    // Half a second is fine enough for seconds; a short interval still needs a turn for the ping and one for the pong.
    const slots = Math.min(1_024, Math.max(4, Math.round(keepAlive / 500)))
    this.#slots = Array.from({ length: slots }, () => [])
    this.#tick = keepAlive / slots
    this.#pongTicks = Math.min(slots - 1, Math.ceil(pongTimeout / this.#tick))
  }

  add (connection: RoomConnection): void {
    const slots = this.#slots.length
    const slot = (this.#turn - this.#added++ % (slots >> 1) + slots) % slots
    connection.slot = slot
    connection.seat = (this.#slots[slot] as RoomConnection[]).push(connection) - 1
    this.#size++
    this.#timer ??= setInterval(() => this.#advance(), this.#tick)
  }

  delete (connection: RoomConnection): void {
    const slot = this.#slots[connection.slot]
    if (slot === undefined) return
    const last = slot.pop() as RoomConnection
    if (last !== connection) {
      slot[connection.seat] = last
      last.seat = connection.seat
    }
    connection.slot = -1
    if (--this.#size === 0) this.close()
  }

  close (): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #advance (): void {
    const slots = this.#slots.length
    this.#turn = (this.#turn + 1) % slots
    const answered = (this.#turn - this.#pongTicks + slots) % slots
    this.#each(answered, connection => { if (!connection.alive) connection.terminate() })
    this.#each(this.#turn, connection => {
      connection.alive = false
      connection.ping()
    })
  }

  /** Of a copy: one visit may be the end of several. */
  #each (number: number, visit: (connection: RoomConnection) => void): void {
    for (const connection of [...this.#slots[number] as RoomConnection[]]) if (connection.slot === number) visit(connection)
  }
}
