export interface NamingError extends TypeError {
  readonly code: string
  readonly statusCode: number
}

/**
 * The errors of names and of contracts. Pages define contracts too, and @fastify/error is of Node alone: what is made here
 * looks the same to whoever meets it.
 */
function createError (code: string, text: (...parts: string[]) => string): new (...parts: string[]) => NamingError {
  return class extends TypeError {
    override readonly name = 'FastifyError'
    readonly code = code
    readonly statusCode = 500

    constructor (...parts: string[]) {
      super(text(...parts))
    }

    /** By this, `instanceof FastifyError` knows it. */
    get [Symbol.for('fastify-error-generic')] (): boolean {
      return true
    }

    override toString (): string {
      return `${this.name} [${code}]: ${this.message}`
    }
  }
}

export const InvalidContract = createError(
  'FST_ROOMS_INVALID_CONTRACT',
  (pattern, problem) => `The contract of the rooms '${pattern}' cannot be used: ${problem}.`
)

export const InvalidRoom = createError(
  'FST_ROOMS_INVALID_ROOM',
  name => `A room name is a string of 1 to 128 letters, digits and _ - . : / @ % ~ + =, not ${name}. Encode other text with encodeURIComponent().`
)
