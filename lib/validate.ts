import type { FastifyRequest } from 'fastify'
import { errors } from './errors.js'
import { isThenable } from './thenable.js'

/** What did not pass a schema, in words for whoever sent it. */
export class Mismatch extends Error {
  readonly statusCode = 403
}

interface Fault {
  readonly instancePath?: string
  readonly message?: string
}

export interface Validate {
  (data: unknown): unknown
  errors?: readonly Fault[] | null
}

/**
 * What passes a schema, by the compiler of the application's route, with its options and its `addSchema`.
 * Fastify's own makes numbers of strings, fills in defaults and leaves out what is not named, in the very object.
 * @throws Mismatch, or whatever the compiler makes of a schema that it does not take
 */
export function validated (request: FastifyRequest, schema: unknown, data: unknown): unknown {
  // What Fastify has compiled before it finds again twice as fast in this way.
  const validate = request.getValidationFunction(schema as never) ?? request.compileValidationSchema(schema as never)
  return passed(validate as unknown as Validate, data)
}

/** @throws Mismatch, FST_ROOMS_ASYNC_SCHEMA */
export function passed (validate: Validate, data: unknown): unknown {
  const result = validate(data)
  if (isThenable(result)) {
    Promise.resolve(result).catch(() => {}) // nobody waits for what it comes to
    throw new errors.FST_ROOMS_ASYNC_SCHEMA()
  }
  if (result === false) throw new Mismatch(said(validate.errors?.[0]))
  if (typeof result !== 'object' || result === null) return data
  const { value = data, error } = result as { value?: unknown, error?: Error | readonly Fault[] }
  if (error !== undefined) throw new Mismatch(error instanceof Error ? error.message : said(error[0]))
  return value
}

/** Of what is wrong, one thing at a time. */
function said (error: Fault | undefined): string {
  return `${error?.instancePath?.slice(1).replaceAll('/', '.') || 'it'} ${error?.message ?? 'is not what is expected'}`
}
