import type { WebSocket } from 'ws'
import { CAUSES } from '../lib/protocol.js'
import { within } from './clock.js'
import { ExpectationError } from './failure.js'
import { parseFrame, statusOf } from './frame.js'
import type { Frame } from './frame.js'
import { Line } from './line.js'
import { Positions } from './positions.js'

/** How many frames an error lists, and how many characters of each. */
const FRAMES = 20
const CHARACTERS = 200

/** How a client's socket has ended. */
export interface Ending {
  readonly code: number
  readonly reason: string
  /** Why the server has ended the socket, as its last frame said, such as `restarting`. */
  readonly status: string | undefined
}

/** What a socket has brought, from its first frame to its end. */
export class Inbox {
  readonly frames: Frame[] = []
  readonly messages = new Line<Frame>()
  readonly statuses = new Line<Frame>()
  readonly positions = new Positions()
  readonly closed: Promise<Ending>
  #ending: Ending | undefined
  #foreign: string | undefined

  constructor (socket: WebSocket) {
    socket.on('message', (data, isBinary) => this.#receive(data as Buffer, isBinary))
    this.closed = new Promise(resolve => {
      socket.once('close', (code, reason) => {
        const last = this.frames.at(-1)
        this.#ending = { code, reason: reason.toString(), status: last && explanation(last, code) }
        this.#end()
        resolve(this.#ending)
      })
    })
  }

  /** How the socket has ended, or undefined when it has not in time. */
  async end (timeout: number): Promise<Ending | undefined> {
    return await within(timeout, this.closed)
  }

  /** What no expectation has taken or passed over. */
  get rest (): readonly Frame[] {
    return this.frames.filter(frame => this.#mark(frame) === 'waiting')
  }

  /** The error that something has not come: what was expected, why that may be, and everything that came. */
  missing (what: string, line: Line<Frame>, wanted: (frame: Frame) => boolean, timeout: number): ExpectationError {
    const when = this.#ending === undefined ? `within ${timeout} ms` : 'before the socket ended'
    const hint = line.missed(wanted)
      ? ' It came earlier, and was passed over: expect things in the order in which they come.'
      : this.#ending === undefined ? ' Was it sent, and to a room that this client is in? If it only needs longer, give { timeout }.' : ''
    return this.error(`${what} ${when}.${hint}`)
  }

  /** An error with all that is known of the socket. */
  error (what: string): ExpectationError {
    return new ExpectationError([what, this.listed(this.frames), this.state()].join('\n'))
  }

  /** Whether there was a frame of some other protocol. */
  get foreign (): boolean {
    return this.#foreign !== undefined
  }

  state (): string {
    if (this.#foreign !== undefined) return `A frame came that is none of the protocol, so nothing can be expected of this client: ${shortened(this.#foreign)}`
    if (this.#ending === undefined) return 'The socket is open.'
    const { code, status, reason } = this.#ending
    return `The socket has ended with ${[code, status, reason].filter(Boolean).join(', ')}.`
  }

  /** A line for each frame, for the last ones if there are many. */
  listed (frames: readonly Frame[]): string {
    if (frames.length === 0) return 'No frame has come.'
    const lines = frames.slice(-FRAMES).map(frame => `  ${this.#mark(frame).padEnd(11)} ${shortened(JSON.stringify(frame))}`)
    if (frames.length > FRAMES) lines.unshift(`  (${frames.length - FRAMES} frames before)`)
    return lines.join('\n')
  }

  #receive (data: Buffer, isBinary: boolean): void {
    const frame = isBinary ? undefined : parseFrame(data)
    if (frame === undefined) {
      this.#foreign ??= data.toString()
      this.#end()
      return
    }
    this.frames.push(frame)
    this.positions.follow(frame)
    this.#lineOf(frame)?.push(frame)
  }

  #end (): void {
    this.messages.end()
    this.statuses.end()
  }

  /** Pings are in no line: when they come is nobody's business. */
  #lineOf ({ command }: Frame): Line<Frame> | undefined {
    if (command === 'WSPing') return undefined
    return command === 'WSStatus' ? this.statuses : this.messages
  }

  #mark (frame: Frame): 'taken' | 'passed over' | 'waiting' | 'ping' {
    return this.#lineOf(frame)?.stateOf(frame) ?? 'ping'
  }
}

/** What a frame says about a close that follows it. */
function explanation (frame: Frame, code: number): string | undefined {
  const status = statusOf(frame)?.status
  return Object.values(CAUSES).some(cause => cause.code === code && cause.status === status) ? status : undefined
}

function shortened (text: string): string {
  return text.length <= CHARACTERS ? text : `${text.slice(0, CHARACTERS)}… (${text.length} characters)`
}
