import type { FastifyBaseLogger } from 'fastify'
import type { Connection, Hooks } from '../types/index.js'

type Reporting = Pick<Hooks, 'onError'>

/** A fault of the application's, for its log and its `onError`. */
export function report (hooks: Reporting, log: FastifyBaseLogger, connection: Connection, room: string | undefined, thrown: unknown, message: string): void {
  const error = thrown instanceof Error ? thrown : new Error('A hook threw something that is no error.', { cause: thrown })
  log.error({ err: error, room }, message)
  reportTo(hooks, log, { error, room, connection })
}

/** An `onError` that fails must not start over. */
export function reportTo (hooks: Reporting, log: FastifyBaseLogger, event: Parameters<Exclude<Reporting['onError'], undefined>>[0]): void {
  Promise.resolve(event).then(event => hooks.onError?.(event)).catch(err => log.error({ err }, 'onError failed'))
}
