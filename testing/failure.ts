/** How long is waited for what is expected, in milliseconds: less than test runners give a whole test. */
export const TIMEOUT = 3_000

export interface ExpectOptions {
  /** How long to wait, in milliseconds. @default 3000, or what `connect` was given */
  timeout?: number | undefined
}

/** Something that a test has expected did not come true. */
export class ExpectationError extends Error {
  override readonly name: string = 'ExpectationError'
}

/** A client was not let in: refused before the upgrade, with an HTTP status, or after it, with a close code. */
export class RefusedError extends Error {
  override readonly name: string = 'RefusedError'
  /** The close code, such as 4401; undefined when there was no WebSocket yet. */
  readonly code: number | undefined
  /** What the status frame ahead of the close said, such as `invalid_token`; undefined when there was none. */
  readonly status: string | undefined
  /** The status of the HTTP response that refused the upgrade; undefined when the upgrade went well. */
  readonly statusCode: number | undefined

  constructor (message: string, { code, status, statusCode }: { code?: number | undefined, status?: string | undefined, statusCode?: number | undefined }) {
    super(message)
    this.code = code
    this.status = status
    this.statusCode = statusCode
  }
}

/** The line of the test that has called. What fails later, in a timer or a listener, has no trace of it. */
export class Caller {
  readonly #trace: readonly string[]

  /** @param method the one that the test calls; it does not appear in the trace itself */
  constructor (method: (...parameters: never[]) => unknown) {
    const trace = { stack: '' }
    Error.captureStackTrace(trace, method)
    this.#trace = trace.stack.split('\n').slice(1)
  }

  /** The same error, as if the caller had thrown it. */
  blame<E extends Error> (error: E): E {
    error.stack = [`${error.name}: ${error.message}`, ...this.#trace].join('\n')
    return error
  }
}
