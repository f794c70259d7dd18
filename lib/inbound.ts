import type { Call, CommandFrame } from './commands.js'
import type { RoomConnection } from './connection.js'
import { errors } from './errors.js'
import type { ParseUntrusted } from './json.js'
import { errorFrame, objectIn, PONG_FRAME } from './protocol.js'
import type { Session } from './session.js'
import type { Counters } from './stats.js'
import { alone } from './wire.js'

/** What a frame takes in memory beside its bytes, which may be none. */
const FRAME_COST = 64

/** What clients say once they have said who they are: signs of life, new tokens, commands. */
export class Inbound {
  readonly #parse: ParseUntrusted
  readonly #counters: Counters
  readonly #maxToken: number

  /** @param maxToken bytes of a frame with a token, and of all that wait for the verdict on one client */
  constructor (parse: ParseUntrusted, counters: Counters, maxToken: number) {
    this.#parse = parse
    this.#counters = counters
    this.#maxToken = maxToken
  }

  /** Every frame of a client but the first. A route that takes no commands ignores what it does not know. */
  frame (connection: RoomConnection, data: Buffer, isBinary: boolean): void {
    if (!connection.open) return
    if (!connection.spend(data.length)) return
    // The first frame that a client gets is the verdict on its token; nothing is answered before.
    if (connection.entered) this.#take(connection, data, isBinary)
    else if (connection.dialect === undefined || !keep(connection, data, isBinary, this.#maxToken)) this.#counters.ignored++
  }

  /** Who is not told `connected` in words that it knows speaks as soon as it can, and that is not lost. */
  takeEarly (connection: RoomConnection): void {
    const { early } = connection
    connection.early = undefined
    for (const { data, isBinary } of early?.frames ?? []) this.#take(connection, data, isBinary)
  }

  /** A command that has waited for its turn. */
  reread (connection: RoomConnection, { data, isBinary }: CommandFrame): Call {
    const { command, data: said, id, room } = this.#read(connection, data, isBinary) as unknown as Call & { data: unknown }
    return { command, data: said, id, room }
  }

  /** @returns undefined where it is no frame of the protocol @throws Error, in words for the client */
  #read ({ dialect }: RoomConnection, data: Buffer, isBinary: boolean): Record<string, unknown> | undefined {
    if (dialect !== undefined) return dialect.command(data, isBinary)
    return isBinary ? undefined : objectIn(this.#parse(data))
  }

  #take (connection: RoomConnection, data: Buffer, isBinary: boolean): void {
    if (!connection.open) return
    let frame: Record<string, unknown> | undefined
    try {
      frame = this.#read(connection, data, isBinary)
    } catch (error) {
      if (connection.commands === undefined) this.#counters.ignored++
      else connection.say(errorFrame(new errors.FST_ROOMS_INVALID_COMMAND((error as Error).message), undefined))
      return
    }
    const id = frame?.id
    if (frame === undefined || !isId(id)) return connection.end('bad_frame')
    if (frame.command === 'WSPing') {
      connection.say(PONG_FRAME)
    } else if (frame.command === 'WSPong') {
      // A sign of life, which it has given by now.
    } else if (frame.command === undefined && Object.hasOwn(frame, 'token') && connection.session !== undefined) {
      this.#refresh(connection.session, connection, frame.token, data.length, id)
    } else if (connection.commands !== undefined) {
      connection.commands.receive({ command: frame.command, data: frame.data, id, room: frame.room }, { data, isBinary })
    } else {
      this.#counters.ignored++
      if (id !== undefined) connection.say(errorFrame(new errors.FST_ROOMS_NO_COMMANDS(), id))
    }
  }

  /** A new token is held to what the first one was. */
  #refresh (session: Session, connection: RoomConnection, token: unknown, bytes: number, id: string | number | undefined): void {
    if (bytes > this.#maxToken) connection.end('too_big')
    else if (typeof token !== 'string' || token === '') connection.end('invalid_token')
    else session.refresh(token, id)
  }
}

/** Has a frame wait for the verdict. @returns whether there is room for it */
function keep (connection: RoomConnection, data: Buffer, isBinary: boolean, most: number): boolean {
  const early = connection.early ??= { frames: [], bytes: 0 }
  if (early.bytes + data.length > most) return false
  early.bytes += data.length + FRAME_COST
  early.frames.push({ data: alone(data), isBinary })
  return true
}

/** An id comes back in the answer, so it must be small and plain, and a number that JSON can write: 1e999 is none. */
function isId (id: unknown): id is string | number | undefined {
  return id === undefined || Number.isFinite(id) || (typeof id === 'string' && id.length <= 128)
}
