import type { WebSocket } from 'ws'
import type { Position } from '../types/index.js'
import { turn, within } from './clock.js'
import { Caller, ExpectationError } from './failure.js'
import type { ExpectOptions } from './failure.js'
import { statusOf } from './frame.js'
import type { Connected, Frame, ReceivedMessage, Status } from './frame.js'
import type { Ending, Inbox } from './inbox.js'
import { described, selector } from './pattern.js'
import type { Which } from './pattern.js'

/**
 * One client of an application. It keeps every frame, from the first on. Messages and statuses are two lines: each
 * expectation takes from its own, in the order in which they came, and what it passes over does not come again.
 */
export class Client {
  /** The socket underneath, of `ws`. */
  readonly socket: WebSocket
  /** What the server said when it let the client in. */
  readonly connected: Connected
  readonly #inbox: Inbox
  readonly #timeout: number

  /** `connect` makes clients. */
  constructor (socket: WebSocket, inbox: Inbox, connected: Connected, timeout: number) {
    this.socket = socket
    this.connected = connected
    this.#inbox = inbox
    this.#timeout = timeout
  }

  /** Everything that the server has sent, in order: messages, statuses, pings. */
  get frames (): readonly Frame[] {
    return this.#inbox.frames
  }

  /** How far the client has come in each room with history: what `connect` takes as `recover`. */
  get positions (): Readonly<Record<string, Position>> {
    return this.#inbox.positions.all
  }

  /** The same for the only room, or undefined where it has no history. */
  get position (): Position | undefined {
    return this.#inbox.positions.first
  }

  /** Resolves when the socket has ended, by whatever hand. Never rejects. */
  get closed (): Promise<Ending> {
    return this.#inbox.closed
  }

  /**
   * Waits for the next message that is wanted. Messages are all frames but statuses and pings.
   * @param which its command, what it looks like, or a function; any message, if it is left out
   * @throws ExpectationError when none has come in time, with a list of what has
   */
  async expectMessage<Data = unknown> (which: string | Which<Frame> = {}, { timeout = this.#timeout }: ExpectOptions = {}): Promise<ReceivedMessage<Data>> {
    const caller = new Caller(this.expectMessage)
    const wanted = wantedFrames(which)
    const message = await this.#inbox.messages.take(wanted, timeout)
    if (message === undefined) throw caller.blame(this.#inbox.missing(`No message${described(which)} came`, this.#inbox.messages, wanted, timeout))
    return message as ReceivedMessage<Data>
  }

  /**
   * Waits for the next status of this name, such as `resync`.
   * @returns what it says
   * @throws ExpectationError when it has not come in time
   */
  async expectStatus (name: string, { timeout = this.#timeout }: ExpectOptions = {}): Promise<Status> {
    const caller = new Caller(this.expectStatus)
    const wanted = (frame: Frame): boolean => statusOf(frame)?.status === name
    const frame = await this.#inbox.statuses.take(wanted, timeout)
    if (frame === undefined) throw caller.blame(this.#inbox.missing(`The status '${name}' did not come`, this.#inbox.statuses, wanted, timeout))
    return statusOf(frame) as Status
  }

  /**
   * Has everything arrive that is on its way to this client, and sees that there is nothing but what expectations have
   * taken or passed over. It waits for no time: what comes after the answer to a ping was sent after this call.
   * @param which nothing like this may have come, whatever else has; nothing at all, if it is left out
   * @param options.timeout for the answer
   * @throws ExpectationError with a list of what has come
   */
  async expectNothing (which: string | Which<Frame> = {}, { timeout = this.#timeout }: ExpectOptions = {}): Promise<void> {
    const caller = new Caller(this.expectNothing)
    await turn() // the messages of a turn of the event loop leave at its end
    if (this.socket.readyState === this.socket.OPEN && await within(timeout, this.#roundTrip()) === undefined) {
      throw caller.blame(this.#inbox.error(`The application has not answered a ping within ${timeout} ms: does it read from this socket?`))
    }
    if (this.#inbox.foreign) throw caller.blame(this.#inbox.error('Nobody can say whether there was something.'))
    const found = this.#inbox.rest.filter(wantedFrames(which))
    if (found.length === 0) return
    throw caller.blame(new ExpectationError(`No frame${described(which)} was expected to come, and these did:\n${this.#inbox.listed(found)}\nIf they are meant to, expect them first.`))
  }

  /**
   * Waits for the end of the socket.
   * @param code what it has to end with
   * @throws ExpectationError when it stays open, or ends with another code
   */
  async expectClose (code?: number, { timeout = this.#timeout }: ExpectOptions = {}): Promise<Ending> {
    const caller = new Caller(this.expectClose)
    const ending = await this.#inbox.end(timeout)
    if (ending !== undefined && (code === undefined || ending.code === code)) return ending
    throw caller.blame(this.#inbox.error(`The socket should have ended${code === undefined ? '' : ` with ${code}`} within ${timeout} ms.`))
  }

  /** Sends a frame: an object as JSON, anything else as it is. */
  send (frame: object | string | Buffer): void {
    if (this.socket.readyState !== this.socket.OPEN) throw new ExpectationError(`Nothing can be sent on a socket that is closing or closed. ${this.#inbox.state()}`)
    this.socket.send(typeof frame === 'string' || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame))
  }

  /** Ends the socket as a client does that has had enough. Resolves when the application knows it, too. */
  async close (code?: number, reason?: string): Promise<Ending> {
    this.socket.close(code, reason)
    return await this.#gone()
  }

  /** Ends the socket as a broken link does: nobody says goodbye. Resolves when the application knows it, too. */
  async terminate (): Promise<Ending> {
    this.socket.terminate()
    return await this.#gone()
  }

  async #gone (): Promise<Ending> {
    const ending = await this.closed
    await turn()
    return ending
  }

  /** A ping of the WebSocket protocol, which the server answers after all that it has sent before, and tells nobody of. */
  #roundTrip (): Promise<unknown> {
    return Promise.race([this.closed, new Promise(resolve => {
      this.socket.once('pong', resolve)
      this.socket.ping()
    })])
  }
}

function wantedFrames (which: string | Which<Frame>): (frame: Frame) => boolean {
  return selector<Frame>(typeof which === 'string' ? { command: which } : which)
}
