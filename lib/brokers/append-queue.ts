import type { HistoryBounds, Position } from '../../types/index.js'
import type { Append } from './appends.js'
import { Appends } from './appends.js'
import type { Appended } from './broker.js'
import type { Session } from './fence.js'
import { Positions } from './positions.js'
import { hadNoConnection, isReply, unavailable, unknown } from './redis-errors.js'

/** What one script may have. Redis does nothing else meanwhile, so this is a matter of a millisecond. */
const BATCH = { messages: 256, characters: 512 * 1_024 }

/** Messages of one channel that are sent together, and are kept all or none, with numbers that follow each other. */
export interface Flight {
  readonly channel: string
  readonly appends: readonly Append[]
  /** Of their texts. */
  readonly characters: number
  /** An entry of the history from before these were sent. */
  readonly after: Position | undefined
  /** The connection that it was sent by. */
  session?: Session | undefined
}

/** What carries flights to Redis. */
export interface Carrier {
  /** How many flights may go together. */
  readonly batch: number
  /** What is carried until the end of this turn leaves in one write. */
  gather (): void
  /** What became of each. Rejects with the error of Redis when nothing was carried out, or with whatever ioredis says when it has lost the connection. */
  carry (flights: Flight[]): Promise<Array<Appended | Error>>
  /** Whether it can be found out, by the next connection, what became of a flight that the last one took with it. */
  readonly recovers: boolean
  /** What became of it. What is absent will stay so. Rejects when this connection is lost too. */
  recover (flight: Flight): Promise<Appended | 'absent' | 'unknown'>
}

/** The messages of one channel. */
interface Line {
  readonly channel: string
  waiting: Append[]
  /** What Redis has not answered. Only then the next leave: nothing can overtake, whatever is redirected or sent again. */
  flight: Flight | undefined
  /** Its connection is lost, and with it the answer. */
  doubtful: boolean
}

/** Appends on their way to Redis, in order for each channel. They wait for a connection, and for what was sent before. */
export class AppendQueue {
  readonly positions = new Positions()
  readonly #carrier: Carrier
  readonly #appends: Appends
  readonly #lines = new Map<string, Line>()
  /** Lines that have something to send at the end of this turn. */
  readonly #due = new Set<Line>()
  #open = false

  constructor (carrier: Carrier, publishTimeout: number) {
    this.#carrier = carrier
    this.#appends = new Appends(publishTimeout, append => this.#abandoned(append))
  }

  append (channel: string, text: string, mid: string, bounds: HistoryBounds): Promise<Appended> {
    if (this.#appends.full(this.#open, text)) return Promise.reject(unavailable())
    return new Promise((resolve, reject) => {
      const line = this.#line(channel)
      line.waiting.push(this.#appends.add({ channel, text, mid, bounds, resolve, reject }))
      this.#schedule(line)
    })
  }

  /** There is a connection, and it is prepared. */
  open (): void {
    this.#open = true
    for (const line of this.#lines.values()) {
      if (line.doubtful) this.#recover(line, line.flight as Flight)
      else this.#schedule(line)
    }
  }

  /** The connection is lost. */
  interrupt (): void {
    this.#open = false
    for (const line of this.#lines.values()) line.doubtful = line.flight !== undefined
  }

  close (): void {
    this.#open = false
    this.#appends.close()
    this.#lines.clear()
  }

  #line (channel: string): Line {
    let line = this.#lines.get(channel)
    if (line === undefined) {
      line = { channel, waiting: [], flight: undefined, doubtful: false }
      this.#lines.set(channel, line)
    }
    return line
  }

  #schedule (line: Line): void {
    if (!this.#open || line.flight !== undefined) return
    if (this.#due.size === 0) process.nextTick(() => this.#send())
    this.#due.add(line)
  }

  #send (): void {
    const lines = [...this.#due]
    this.#due.clear()
    if (this.#open) this.#carrier.gather()
    let together: Flight[] = []
    let messages = 0
    let characters = 0
    for (const line of lines) {
      if (!this.#open || line.waiting.length === 0) {
        this.#tidy(line)
        continue
      }
      const flight = this.#board(line)
      messages += flight.appends.length
      characters += flight.characters
      if (together.length === this.#carrier.batch || messages > BATCH.messages || characters > BATCH.characters) {
        this.#carry(together)
        together = []
        messages = flight.appends.length
        characters = flight.characters
      }
      together.push(flight)
    }
    this.#carry(together)
  }

  #board (line: Line): Flight {
    const { count, characters } = batchOf(line.waiting)
    const appends = line.waiting.splice(0, count)
    for (const append of appends) this.#appends.sent(append)
    line.flight = { channel: line.channel, appends, characters, after: this.positions.get(line.channel) }
    return line.flight
  }

  #carry (flights: Flight[]): void {
    if (flights.length === 0) return
    this.#carrier.carry(flights).then(answers => {
      flights.forEach((flight, index) => this.#arrived(flight, answers[index] as Appended | Error))
    }, error => {
      // One history that is refused must not keep the others from being written.
      if (flights.length > 1 && isReply(error)) for (const flight of flights) this.#carry([flight])
      else for (const flight of flights) this.#arrived(flight, error)
    })
  }

  #arrived (flight: Flight, answer: Appended | Error): void {
    const line = this.#lines.get(flight.channel)
    if (line?.flight !== flight) return
    if (!(answer instanceof Error)) {
      this.#landed(line, flight, answer)
    } else if (hadNoConnection(answer)) {
      this.#open = false
      this.#return(line, flight)
    } else if (isReply(answer)) {
      this.#failed(line, flight, () => unavailable(answer))
    } else {
      line.doubtful = true
      if (!this.#carrier.recovers) this.#failed(line, flight, append => unknown(append.mid, answer))
    }
  }

  #recover (line: Line, flight: Flight): void {
    this.#carrier.recover(flight).then(outcome => {
      if (outcome === 'unknown') this.#failed(line, flight, append => unknown(append.mid))
      else if (outcome === 'absent') this.#return(line, flight)
      else this.#landed(line, flight, outcome)
    }, () => {}) // the next connection tries again
  }

  #landed (line: Line, { channel, appends }: Flight, { epoch, seq, subscribers }: Appended): void {
    const last = appends.length - 1
    this.positions.learn(channel, { epoch, seq: seq + last, mid: (appends[last] as Append).mid })
    appends.forEach((append, index) => this.#appends.resolve(append, { epoch, seq: seq + index, subscribers }))
    this.#next(line)
  }

  #failed (line: Line, { appends }: Flight, why: (append: Append) => Error): void {
    for (const append of appends) this.#appends.reject(append, () => why(append))
    this.#next(line)
  }

  /** What was certainly not carried out waits again, before what came later. */
  #return (line: Line, { appends }: Flight): void {
    const again = appends.filter(({ state }) => state === 'sent')
    for (const append of again) this.#appends.returned(append)
    line.waiting.unshift(...again)
    this.#next(line)
  }

  #next (line: Line): void {
    line.flight = undefined
    line.doubtful = false
    this.#schedule(line)
    this.#tidy(line)
  }

  /** Whoever has waited longest is given up first, and is the first of its line. */
  #abandoned ({ channel }: Append): void {
    const line = this.#lines.get(channel) as Line
    line.waiting.shift()
    this.#tidy(line)
  }

  #tidy (line: Line): void {
    if (line.waiting.length === 0 && line.flight === undefined && !this.#due.has(line)) this.#lines.delete(line.channel)
  }
}

/** How many of the first go together: one at least, however long it is. */
function batchOf (waiting: readonly Append[]): { count: number, characters: number } {
  let count = 0
  let characters = 0
  for (const { text } of waiting) {
    if (count === BATCH.messages || (count > 0 && characters + text.length > BATCH.characters)) break
    count++
    characters += text.length
  }
  return { count, characters }
}
