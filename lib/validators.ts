import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { passed } from './validate.js'
import type { Validate } from './validate.js'

type Compile = (route: { schema: unknown, method: string, url: string, httpPart: string }) => Validate

/** What is sent, checked as requests are: a serialiser writes what it can, and looks at no minimum, format or enum. */
export class Validators {
  readonly #app: FastifyInstance
  readonly #compiled = new Map<unknown, Validate>()

  constructor (app: FastifyInstance) {
    this.#app = app
    // Fastify makes an instance's compiler, with its options of Ajv, for the first route that has a schema, and not before.
    app.route({
      method: 'GET',
      url: '/fastify-rooms/validator',
      exposeHeadRoute: false,
      schema: { hide: true, querystring: Type.Object({}) } as object,
      handler: (_request, reply) => { reply.callNotFound() }
    })
  }

  /**
   * Ajv changes what it checks, so it gets a copy: what JSON makes of the data, in which a date is its text.
   * @throws Mismatch; what the compiler makes of a schema that it does not take
   */
  check (schema: unknown, pattern: string, data: unknown): void {
    const text = JSON.stringify(data) as string | undefined
    passed(this.#compile(schema, pattern), text === undefined ? undefined : JSON.parse(text))
  }

  #compile (schema: unknown, url: string): Validate {
    let validate = this.#compiled.get(schema)
    if (validate === undefined) {
      const compile = this.#app.validatorCompiler as Compile | undefined
      if (compile === undefined) throw new Error('they cannot be checked before app.ready()')
      validate = compile({ schema, method: 'GET', url, httpPart: 'body' })
      this.#compiled.set(schema, validate)
    }
    return validate
  }
}
