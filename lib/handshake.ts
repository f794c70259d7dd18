import type { RoomConnection } from './connection.js'
import { Deadlines } from './deadlines.js'
import { errors } from './errors.js'
import { parseObject } from './protocol.js'
import type { Cause } from './protocol.js'
import type { Session } from './session.js'

/** What the first frame was not. The log may know; the client gets the same answer whatever was wrong. */
export class Refusal extends Error {
  readonly end: Cause

  constructor (end: Cause, why: string) {
    super(why)
    this.end = end
  }
}

/** The first frame of a client. */
export interface FirstFrame {
  readonly token: string
  /** Where the client stood in its rooms, as it says; nothing of it has been checked. */
  readonly recover: unknown
}

export interface HandshakeLimits {
  authTimeout: number
  maxAuthPayload: number
  maxWaiting: number
}

/** From an open socket to a user: first the token within its time, then the hooks within theirs. */
export class Handshakes {
  readonly #limits: HandshakeLimits
  readonly #tokens: Deadlines<RoomConnection>
  readonly #hooks: Deadlines<RoomConnection>

  constructor (limits: HandshakeLimits) {
    this.#limits = limits
    this.#tokens = new Deadlines(limits.authTimeout, connection => connection.end('auth_timeout'))
    this.#hooks = new Deadlines(limits.authTimeout, connection => {
      connection.interrupt(new errors.FST_ROOMS_HOOK_TIMEOUT(limits.authTimeout))
    })
  }

  /** Sockets that have not proved who they are. */
  get waiting (): number {
    return this.#tokens.size + this.#hooks.size
  }

  get full (): boolean {
    return this.waiting >= this.#limits.maxWaiting
  }

  /** Has a socket wait for its token. Its time runs from the upgrade; nothing that the client sends prolongs it. */
  greet (connection: RoomConnection, newcomer: Session): void {
    connection.newcomer = newcomer
    this.#tokens.add(connection)
  }

  /** @param frame null where it is binary @throws Refusal */
  read (connection: RoomConnection, frame: Buffer | null): FirstFrame {
    if (frame === null) throw new Refusal('invalid_token', 'the first message is binary')
    // `ws` lets pass what a command may need; a token needs less, and comes from anybody.
    if (frame.length > this.#limits.maxAuthPayload) throw new Refusal('too_big', 'the first message is longer than maxAuthPayload')
    const { token, recover } = (connection.dialect === undefined ? parseObject(frame) : connection.dialect.first(frame)) ?? {}
    if (typeof token !== 'string' || token === '') {
      throw new Refusal('invalid_token', connection.dialect === undefined ? 'the first message is not {"token":"…"}' : 'the codec finds no token in the first message')
    }
    return { token, recover }
  }

  /**
   * What hooks take is counted from the first of them that has to be waited for, in the place of the token's time: nothing has two deadlines.
   * @returns what it was given
   */
  within<T> (connection: RoomConnection, work: PromiseLike<T>): PromiseLike<T> {
    if (connection.open && !this.#hooks.has(connection)) this.#hooks.add(connection)
    return work
  }

  /** The hooks have decided, or the socket has ended. */
  finish (connection: RoomConnection): void {
    this.#tokens.delete(connection)
    this.#hooks.delete(connection)
  }

  close (): void {
    this.#tokens.close()
    this.#hooks.close()
  }
}
