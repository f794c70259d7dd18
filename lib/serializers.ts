import type { FastifyInstance } from 'fastify'
import { SerializerSelector } from '@fastify/fast-json-stringify-compiler'
import type { RoomContract } from '../types/contract.js'
import type { Message } from '../types/index.js'
import { errors } from './errors.js'
import { checkCommand } from './protocol.js'
import { Validators } from './validators.js'

type Serialize = (data: unknown) => string
type Compile = (route: { schema: unknown, method: string, url: string, httpStatus: string }) => Serialize

interface Written {
  /** The frame up to its data. */
  readonly head: string
  readonly serialize: Serialize
}

interface Compiled {
  readonly messages: Map<string, Written>
  readonly replies: Map<string, Serialize>
}

/**
 * What contracts say of messages, compiled once, and run once for each message, whatever the number of members. What a
 * schema does not name does not leave: a row of a database has more columns than its readers should see.
 */
export class Serializers {
  readonly #app: FastifyInstance
  readonly #compiled = new WeakMap<RoomContract, Compiled>()
  readonly #validators: Validators | undefined
  #compiler: Compile | undefined

  constructor (app: FastifyInstance, { validateMessages }: { validateMessages: boolean }) {
    this.#app = app
    if (validateMessages) this.#validators = new Validators(app)
  }

  /**
   * @returns the text of the frame
   * @throws FST_ROOMS_INVALID_MESSAGE
   */
  encode (contract: RoomContract, { command, data }: Message): string {
    const written = this.compile(contract).messages.get(command)
    if (written === undefined) {
      throw new errors.FST_ROOMS_INVALID_MESSAGE(`the contract of '${contract.pattern}' has no message '${String(command).slice(0, 40)}'; it has ${Object.keys(contract.definition.messages).join(', ') || 'none'}.`)
    }
    let text: string
    try {
      text = written.serialize(data)
    } catch (cause) {
      throw mismatch(contract, `the data of ${command} are`, cause)
    }
    return isNothing(text) ? `${written.head}}` : `${written.head},"data":${text}}`
  }

  /**
   * What the handler of a command returned, as JSON.
   * @throws FST_ROOMS_INVALID_MESSAGE: the handler is at fault, and not the client
   */
  reply (contract: RoomContract, command: string, reply: unknown): string | undefined {
    const serialize = this.compile(contract).replies.get(command)
    try {
      const text = serialize === undefined ? JSON.stringify(reply) as string | undefined : serialize(reply)
      return isNothing(text) ? undefined : text
    } catch (cause) {
      throw mismatch(contract, `the reply to ${command} is`, cause)
    }
  }

  /** @throws FST_ROOMS_INVALID_CONTRACT */
  compile (contract: RoomContract): Compiled {
    let compiled = this.#compiled.get(contract)
    if (compiled === undefined) {
      const { messages, commands = {} } = contract.definition
      compiled = { messages: new Map(), replies: new Map() }
      for (const [command, schema] of Object.entries(messages)) {
        compiled.messages.set(command, { head: `{"command":${JSON.stringify(command)}`, serialize: this.#compile(contract, command, schema) })
      }
      for (const [command, { reply }] of Object.entries(commands)) {
        if (reply !== undefined) compiled.replies.set(command, this.#compile(contract, command, reply))
      }
      this.#compiled.set(contract, compiled)
    }
    return compiled
  }

  #compile ({ pattern }: RoomContract, command: string, schema: unknown): Serialize {
    try {
      checkCommand(command)
      // The application's own, or the one that Fastify would take; it has none itself until a route has a response schema.
      const compiler = (this.#app.serializerCompiler as Compile | undefined) ?? this.#stock()
      const serialize = compiler({ schema, method: 'GET', url: pattern, httpStatus: '200' })
      const validators = this.#validators
      if (validators === undefined) return serialize
      return data => {
        validators.check(schema, pattern, data)
        return serialize(data)
      }
    } catch (cause) {
      throw Object.assign(new errors.FST_ROOMS_INVALID_CONTRACT(pattern, `the schema of ${command} does not compile: ${(cause as Error).message}`), { cause })
    }
  }

  #stock (): Compile {
    this.#compiler ??= SerializerSelector()(this.#app.getSchemas(), {}) as Compile
    return this.#compiler
  }
}

/** Where a schema takes anything, nothing is this to fast-json-stringify, and so is a function. */
function isNothing (text: string | undefined): boolean {
  return text === undefined || text === 'undefined'
}

function mismatch ({ pattern }: RoomContract, what: string, cause: unknown): Error {
  return Object.assign(new errors.FST_ROOMS_INVALID_MESSAGE(`${what} not what the contract of '${pattern}' says: ${(cause as Error).message}.`), { cause })
}
