import type { FastifyRequest } from 'fastify'
import type { RoomConnection } from './connection.js'
import { Deadlines } from './deadlines.js'
import { errors } from './errors.js'
import type { Taker } from './policy.js'
import { errorFrame, labelled, replyFrame } from './protocol.js'
import type { Serializers } from './serializers.js'
import { Mismatch, validated } from './validate.js'
import { alone } from './wire.js'

export interface CommandLimits {
  commandTimeout: number
  maxCommands: number
  maxPayload: number
}

/** A command as it came. */
export interface CommandFrame {
  readonly data: Buffer
  readonly isBinary: boolean
}

/** What a client asks for. */
export interface Call {
  readonly command: unknown
  readonly data: unknown
  /** Comes back with the reply, where one is wanted. */
  readonly id: string | number | undefined
  /** Which of its rooms is meant, where a socket may be in several. */
  readonly room: unknown
}

/** To whom a call goes. */
interface Addressee {
  readonly taker: Taker
  /** Undefined where a client in several rooms has named none, and there is more than one, or none. */
  readonly room: string | undefined
}

/** A handler that is at work. */
interface Work {
  readonly controller: AbortController
  readonly reject: (error: Error) => void
}

/** What all commands of an application share. */
export class CommandHost {
  readonly limits: CommandLimits
  readonly serializers: Serializers
  readonly works: Deadlines<Work>
  /** Reads a frame that could be read before. */
  readonly read: (connection: RoomConnection, frame: CommandFrame) => Call

  constructor (limits: CommandLimits, serializers: Serializers, read: (connection: RoomConnection, frame: CommandFrame) => Call) {
    this.limits = limits
    this.read = read
    this.serializers = serializers
    this.works = new Deadlines(limits.commandTimeout, ({ controller, reject }) => {
      const error = new errors.FST_ROOMS_COMMAND_TIMEOUT(limits.commandTimeout)
      controller.abort(error)
      reject(error)
    })
  }

  close (): void {
    this.works.close()
  }
}

/**
 * The commands of one socket: one after the other, in the order in which they came. Those of different sockets do not
 * wait for each other. Whatever goes wrong with one is its answer, and no other's.
 */
export class Commands {
  readonly #host: CommandHost
  readonly #takers: readonly Taker[]
  readonly #connection: RoomConnection
  readonly #request: FastifyRequest
  readonly #failed: (room: string | undefined, error: unknown) => void
  /** As they came: what is made of 64 KiB of JSON may be of megabytes. */
  readonly #waiting: CommandFrame[] = []
  #bytes = 0
  /** From the first look at a command to its answer: one that is refused has no work. */
  #busy = false
  #work: Work | undefined

  /**
   * @param takers one, or more where the socket may be in several rooms
   * @param failed is told of faults of handlers, which clients do not hear of
   */
  constructor (
    host: CommandHost, takers: readonly Taker[], connection: RoomConnection, request: FastifyRequest, failed: (room: string | undefined, error: unknown) => void
  ) {
    this.#host = host
    this.#takers = takers
    this.#connection = connection
    this.#request = request
    this.#failed = failed
  }

  /** @param call what the frame says */
  receive (call: Call, frame: CommandFrame): void {
    if (!this.#busy) {
      this.#answer(() => call)
      return
    }
    const { maxCommands, maxPayload } = this.#host.limits
    if (this.#waiting.length >= maxCommands || this.#bytes + frame.data.length > maxPayload) {
      this.#connection.say(errorFrame(new errors.FST_ROOMS_TOO_MANY_COMMANDS(maxCommands, maxPayload), call.id))
      return
    }
    this.#waiting.push({ data: alone(frame.data), isBinary: frame.isBinary })
    this.#bytes += frame.data.length
  }

  /** The client has left: nobody waits for an answer any more. */
  close (): void {
    this.#waiting.length = 0
    this.#work?.controller.abort()
  }

  #next (): void {
    const frame = this.#waiting.shift()
    if (frame === undefined) return
    this.#bytes -= frame.data.length
    this.#answer(() => this.#host.read(this.#connection, frame))
  }

  async #answer (read: () => Call): Promise<void> {
    this.#busy = true
    let id: Call['id']
    let room: string | undefined
    try {
      const call = read()
      const { command } = call
      id = call.id
      const addressee = this.#addressee(call)
      room = addressee.room
      const reply = this.#worded(command as string, await this.#run(call, addressee), id)
      if (reply !== undefined) this.#connection.write(this.#named(reply, room))
    } catch (error) {
      this.#connection.say(this.#named(this.#refusal(error, room, id), room))
    } finally {
      this.#work = undefined
      this.#busy = false
      this.#next()
    }
  }

  /** The frame of a reply, if there is to be one. */
  #worded (command: string, reply: string | undefined, id: Call['id']): string | undefined {
    const { dialect } = this.#connection
    if (dialect !== undefined) return dialect.reply(command, reply, id)
    return id === undefined ? undefined : replyFrame(command, reply, id)
  }

  #named (frame: string, room: string | undefined): string {
    return this.#connection.labelled && room !== undefined ? labelled(frame, room) : frame
  }

  /**
   * In several rooms, the one that the client names counts, and it must be in it. A command without a room goes to the
   * first contract that has it.
   */
  #addressee ({ command, room: named }: Call): Addressee {
    const { memberships, names } = this.#connection
    const [first] = this.#takers as [Taker]
    if (memberships === undefined) return { taker: first, room: names.first }
    if (named === undefined) {
      const taker = this.#takers.find(({ handlers }) => typeof command === 'string' && Object.hasOwn(handlers, command)) ?? first
      const [room, ...others] = [...names].filter(room => memberships.contractOf(room) === taker.contract)
      return { taker, room: others.length === 0 ? room : undefined }
    }
    if (typeof named !== 'string' || !names.has(named)) throw new errors.FST_ROOMS_NOT_IN_ROOM(quoted(named))
    const taker = this.#takers.find(({ contract }) => contract === memberships.contractOf(named))
    if (taker === undefined) throw new errors.FST_ROOMS_NO_COMMANDS()
    return { taker, room: named }
  }

  /** @returns the reply as JSON */
  async #run ({ command, data }: Call, { taker: { contract, handlers }, room }: Addressee): Promise<string | undefined> {
    const definition = typeof command === 'string' && Object.hasOwn(handlers, command) ? contract.definition.commands?.[command] : undefined
    if (definition === undefined) throw new errors.FST_ROOMS_UNKNOWN_COMMAND(quoted(command))
    const checked = definition.data === undefined ? data : validated(this.#request, definition.data, data)
    const reply = await this.#bounded(signal => handlers[command as string]?.({
      data: checked, connection: this.#connection, room: room as string, request: this.#request, signal
    }))
    return this.#host.serializers.reply(contract, command as string, reply)
  }

  #bounded (work: (signal: AbortSignal) => unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const own: Work = { controller: new AbortController(), reject }
      this.#work = own
      this.#host.works.add(own)
      Promise.resolve(own.controller.signal).then(work).finally(() => this.#host.works.delete(own)).then(resolve, reject)
    })
  }

  /** What a handler throws may be such that it cannot be looked at, or not be written, and that is no reason for anything to end. */
  #refusal (error: unknown, room: string | undefined, id: Call['id']): string {
    try {
      return errorFrame(this.#told(error, room), id)
    } catch (cause) {
      this.#failed(room, new Error('A handler threw something that cannot be told.', { cause }))
      return errorFrame(new errors.FST_ROOMS_COMMAND_FAILED(), id)
    }
  }

  /** What a client may hear of an error: what is its own fault, in the words of the application; of other faults, nothing. */
  #told (error: unknown, room: string | undefined): Error & { code?: string } {
    if (error instanceof Mismatch) return new errors.FST_ROOMS_INVALID_COMMAND(error.message)
    const { statusCode } = (error ?? {}) as { statusCode?: unknown }
    if (error instanceof Error && typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) return error
    if (!this.#hasStopped(error)) this.#failed(room, error)
    return error instanceof errors.FST_ROOMS_COMMAND_TIMEOUT ? error : new errors.FST_ROOMS_COMMAND_FAILED()
  }

  /** Whether a handler has done what its signal is for: the client has left, and that is no fault of anybody. */
  #hasStopped (error: unknown): boolean {
    return this.#work?.controller.signal.aborted === true && error instanceof Error && error.name === 'AbortError'
  }
}

/** The beginning of what a client sent for a command. An object is not asked for its text: it may bring a `toString` that is none. */
function quoted (command: unknown): string {
  return JSON.stringify((typeof command === 'object' ? JSON.stringify(command) : String(command)).slice(0, 40))
}
