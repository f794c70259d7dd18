import type { FastifyRequest } from 'fastify'
import type { Command, RoomContract } from '../types/index.js'
import type { RoomConnection } from './connection.js'
import { Deadlines } from './deadlines.js'
import { errors } from './errors.js'
import { errorFrame, replyFrame } from './protocol.js'
import type { Serializers } from './serializers.js'
import { Mismatch, validated } from './validate.js'

export interface CommandLimits {
  commandTimeout: number
  maxCommands: number
}

type Handler = (command: Command) => unknown

/** What a client asks for. */
interface Call {
  readonly command: unknown
  readonly data: unknown
  /** Comes back with the reply, where one is wanted. */
  readonly id: unknown
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

  constructor (limits: CommandLimits, serializers: Serializers) {
    this.limits = limits
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
  readonly #contract: RoomContract
  readonly #handlers: Readonly<Record<string, Handler>>
  readonly #connection: RoomConnection
  readonly #room: string
  readonly #request: FastifyRequest
  readonly #failed: (error: unknown) => void
  readonly #waiting: Call[] = []
  #work: Work | undefined

  /** @param failed is told of faults of handlers, which clients do not hear of */
  constructor (
    host: CommandHost, contract: RoomContract, handlers: Readonly<Record<string, Handler>>, connection: RoomConnection, room: string,
    request: FastifyRequest, failed: (error: unknown) => void
  ) {
    this.#host = host
    this.#contract = contract
    this.#handlers = handlers
    this.#connection = connection
    this.#room = room
    this.#request = request
    this.#failed = failed
  }

  receive (call: Call): void {
    const { maxCommands } = this.#host.limits
    if (this.#waiting.length >= maxCommands) {
      this.#connection.write(errorFrame(new errors.FST_ROOMS_TOO_MANY_COMMANDS(maxCommands), call.id))
      return
    }
    this.#waiting.push(call)
    if (this.#work === undefined) this.#next()
  }

  /** The client has left: nobody waits for an answer any more. */
  close (): void {
    this.#waiting.length = 0
    this.#work?.controller.abort()
  }

  #next (): void {
    const call = this.#waiting.shift()
    if (call !== undefined) this.#answer(call)
  }

  async #answer ({ command, data, id }: Call): Promise<void> {
    try {
      const reply = await this.#run(command, data)
      if (id !== undefined) this.#connection.write(replyFrame(command as string, reply, id))
    } catch (error) {
      this.#connection.write(errorFrame(this.#told(error), id))
    } finally {
      this.#work = undefined
      this.#next()
    }
  }

  /** @returns the reply as JSON */
  async #run (command: unknown, data: unknown): Promise<string | undefined> {
    const definition = typeof command === 'string' && Object.hasOwn(this.#handlers, command) ? this.#contract.definition.commands?.[command] : undefined
    if (definition === undefined) throw new errors.FST_ROOMS_UNKNOWN_COMMAND(quoted(command))
    const checked = definition.data === undefined ? data : validated(this.#request, definition.data, data)
    const reply = await this.#bounded(signal => this.#handlers[command as string]?.({
      data: checked, connection: this.#connection, room: this.#room, request: this.#request, signal
    } as Command))
    return this.#host.serializers.reply(this.#contract, command as string, reply)
  }

  #bounded (work: (signal: AbortSignal) => unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const own: Work = { controller: new AbortController(), reject }
      this.#work = own
      this.#host.works.add(own)
      Promise.resolve(own.controller.signal).then(work).finally(() => this.#host.works.delete(own)).then(resolve, reject)
    })
  }

  /** What a client may hear of an error: what is its own fault, in the words of the application; of other faults, nothing. */
  #told (error: unknown): Error & { code?: string } {
    if (error instanceof Mismatch) return new errors.FST_ROOMS_INVALID_COMMAND(error.message)
    const { statusCode } = (error ?? {}) as { statusCode?: unknown }
    if (error instanceof Error && typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) return error
    this.#failed(error)
    return error instanceof errors.FST_ROOMS_COMMAND_TIMEOUT ? error : new errors.FST_ROOMS_COMMAND_FAILED()
  }
}

/** The beginning of what a client sent for a command. An object is not asked for its text: it may bring a `toString` that is none. */
function quoted (command: unknown): string {
  return JSON.stringify((typeof command === 'object' ? JSON.stringify(command) : String(command)).slice(0, 40))
}
