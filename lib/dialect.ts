import { isUtf8 } from 'node:buffer'
import type { Codec, Message, Position } from '../types/index.js'
import { errors, isError } from './errors.js'
import type { ParseUntrusted } from './json.js'
import { checkSize, isHeaded, messageIn, numbered, objectIn, parseObject, PING_FRAME, PONG_FRAME, replyFrame, RESYNC_FRAME, unnumbered } from './protocol.js'
import type { Payload } from './wire.js'

/** What all dialects of an application share. */
export interface DialectHost {
  readonly maxMessage: number
  readonly parse: ParseUntrusted
  /** A codec failed at something of which nobody else is told. */
  failed (error: unknown): void
}

/** A word of the plugin's own, as the protocol has it. */
interface Word {
  readonly command: string
  readonly data: { readonly status: string, readonly code: string, readonly message: string }
  readonly id?: string | number
}

/**
 * How clients and brokers are spoken to by an application's codec. What it leaves out is said as the protocol has it. Rooms
 * and sockets without a codec have no dialect, and nothing here is in their way.
 *
 * A codec is the application's code, and meets what strangers send. So each method says what becomes of one that fails.
 */
export class Dialect {
  readonly #codec: Codec
  readonly #host: DialectHost
  readonly #json = (text: string): unknown => this.#host.parse(text)

  constructor (codec: Codec, host: DialectHost) {
    this.#codec = codec
    this.#host = host
  }

  /** The first frame, of which nothing has been checked; undefined where it is nothing. */
  first (bytes: Buffer): { token?: unknown, recover?: unknown } | undefined {
    if (this.#codec.first === undefined) return parseObject(bytes)
    try {
      return objectIn(this.#codec.first(bytes.toString(), this.#json))
    } catch {
      return undefined
    }
  }

  /**
   * A later frame, of which nothing has been checked.
   * @returns undefined where it is none of the protocol
   * @throws Error, in words for the client
   */
  command (bytes: Buffer, isBinary: boolean): Record<string, unknown> | undefined {
    if (isBinary ? this.#codec.binary === undefined : this.#codec.command === undefined) {
      return isBinary ? undefined : objectIn(this.#host.parse(bytes))
    }
    try {
      return readOf(objectIn(isBinary ? this.#codec.binary?.(bytes) : this.#codec.command?.(bytes.toString(), this.#json)))
    } catch (error) {
      throw isForClient(error) ? error : new Error('it could not be read')
    }
  }

  /**
   * A message to one socket. @param text as the protocol has it
   * @throws FST_ROOMS_INVALID_MESSAGE, FST_ROOMS_MESSAGE_TOO_LARGE
   */
  message (text: string): string {
    return this.#written(() => this.#frame(JSON.parse(text), undefined))
  }

  /**
   * A message to a room, as its broker gets it. It is read back and written for members: who sends what members could not be
   * shown is told at once, because nobody is later.
   * @param text as the protocol has it, and as far as a contract lets it
   * @param kept whether the room has history
   * @throws FST_ROOMS_INVALID_MESSAGE, FST_ROOMS_MESSAGE_TOO_LARGE
   */
  encode (text: string, kept: boolean): string {
    return this.#written(() => {
      const { broker } = this.#codec
      const encoded: unknown = broker === undefined ? text : broker.encode(JSON.parse(text))
      if (typeof encoded !== 'string') throw new Error('`broker.encode` returned no string')
      if (encoded === RESYNC_FRAME || isHeaded(encoded)) throw new Error('what `broker.encode` returned would be taken for the plugin’s own word')
      if (kept && parseObject(encoded) === undefined) throw new Error('in a room with history, `broker.encode` must return a JSON object')
      checkSize(encoded, this.#host.maxMessage)
      const message = this.read(encoded)
      if (message === undefined) throw new Error('`broker.decode` does not read what `broker.encode` returned')
      this.#frame(message, undefined)
      return kept ? encoded.trimEnd() : encoded // a number goes before the last brace
    })
  }

  /** What came from the broker, as members are shown it; undefined where it is no message. */
  received (payload: Payload, position: Position | undefined): string | undefined {
    if (typeof payload !== 'string' && !isUtf8(payload)) return undefined
    const text = payload.toString()
    return this.show(position === undefined ? text : unnumbered(text, position), position)
  }

  /** A message as the broker carries it, as members are shown it; undefined where it is none. */
  show (text: string | undefined, position?: Position): string | undefined {
    try {
      const message = text === undefined ? undefined : this.read(text)
      return message && this.#frame(message, position)
    } catch {
      return undefined
    }
  }

  /** The message in a text of the broker; undefined where there is none. */
  read (text: string): Message | undefined {
    try {
      checkSize(text, this.#host.maxMessage)
      const { broker } = this.#codec
      return messageIn(broker === undefined ? parseObject(text) : broker.decode(text, this.#json))
    } catch {
      return undefined
    }
  }

  /**
   * What the handler of a command returned. @param reply as JSON
   * @throws what the codec does
   */
  reply (command: string, reply: string | undefined, id: string | number | undefined): string | undefined {
    if (this.#codec.reply === undefined) return id === undefined ? undefined : replyFrame(command, reply, id)
    return said(this.#codec.reply({ command, ...reply !== undefined && { data: JSON.parse(reply) }, ...id !== undefined && { id } }))
  }

  /** @throws what the codec does */
  snapshot (frame: string): string | undefined {
    return this.#codec.snapshot === undefined ? frame : said(this.#codec.snapshot(JSON.parse(frame).data))
  }

  /** A word of the plugin's own; undefined where it is not to be said. */
  say (frame: string): string | undefined {
    const { ping, command } = this.#codec
    if (frame === PING_FRAME) return ping === false ? undefined : ping ?? frame
    if (frame === PONG_FRAME) return command === undefined ? frame : undefined // it asks in words of its own, if at all
    try {
      return this.#say(frame)
    } catch (error) {
      this.#host.failed(error)
      return undefined
    }
  }

  #say (frame: string): string | undefined {
    const { command, data, ...rest } = JSON.parse(frame) as Word
    if (command === 'WSError') {
      return this.#codec.error === undefined ? frame : said(this.#codec.error({ ...data, ...rest }))
    }
    if (this.#codec.status === undefined) return frame
    const { status, ...details } = data
    return said(this.#codec.status(status, { ...details, ...rest }))
  }

  #frame (message: Message, position: Position | undefined): string {
    const { command, data } = message
    let frame: unknown
    if (this.#codec.message !== undefined) {
      frame = this.#codec.message({ command, data }, position === undefined ? {} : { position: { epoch: position.epoch, seq: position.seq, mid: position.mid } })
    } else {
      const text = JSON.stringify({ command, data })
      frame = position === undefined ? text : numbered(text, position.seq, position.mid)
    }
    if (typeof frame !== 'string') throw new Error('`message` returned no string')
    checkSize(frame, this.#host.maxMessage)
    return frame
  }

  #written (write: () => string): string {
    try {
      return write()
    } catch (cause) {
      if (isError(cause, 'FST_ROOMS_MESSAGE_TOO_LARGE')) throw cause
      throw Object.assign(new errors.FST_ROOMS_INVALID_MESSAGE(`the codec of the room cannot write it: ${(cause as Error)?.message}.`), { cause })
    }
  }
}

/** What is asked for, read here and now: a codec may have made an object that reads when it is asked, and fails then. */
function readOf (frame: Record<string, unknown> | undefined): Record<string, unknown> | undefined {
  if (frame === undefined) return undefined
  const { command, data, id } = frame
  return Object.hasOwn(frame, 'token') ? { command, data, id, token: frame.token } : { command, data, id }
}

/** The frame for those who have a dialect, or none. */
export function inDialect (dialect: Dialect | undefined, frame: string): string | undefined {
  return dialect === undefined ? frame : dialect.say(frame)
}

function said (text: unknown): string | undefined {
  if (text !== undefined && typeof text !== 'string') throw new Error('A codec returned neither a string nor undefined.')
  return text
}

/** Whether an error is the fault of the client, in words that it may hear. */
function isForClient (error: unknown): boolean {
  const { statusCode } = (error ?? {}) as { statusCode?: unknown }
  return error instanceof Error && typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500
}
