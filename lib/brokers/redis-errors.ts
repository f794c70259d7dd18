import { errors } from '../errors.js'

export function isReply (error: unknown): error is Error {
  return (error as Error | undefined)?.name === 'ReplyError'
}

/** What Redis says within an answer, as if it were the whole of it. */
export function refusal (message: string): Error {
  return Object.assign(new Error(message), { name: 'ReplyError' })
}

/** Whether Redis itself refused, or ioredis had nothing to write to. */
export function wasNotSent (error: unknown): boolean {
  return isReply(error) || hadNoConnection(error)
}

export function hadNoConnection (error: unknown): boolean {
  return /^(Stream|Cluster) isn't /.test((error as Error | undefined)?.message ?? '')
}

export function unavailable (cause?: unknown): Error {
  return withCause(new errors.FST_ROOMS_BROKER_UNAVAILABLE(), cause)
}

/** @param id of the message that may still arrive */
export function unknown (id: string, cause?: unknown): Error {
  return withCause(new errors.FST_ROOMS_SEND_UNKNOWN(id), cause)
}

/** ioredis leaves the command on its errors, with the password or the message in it; they end in logs. */
export function redacted<T> (error: T): T {
  delete (error as { command?: unknown }).command
  return error
}

function withCause (error: Error, cause: unknown): Error {
  return cause === undefined ? error : Object.assign(error, { cause: redacted(cause) })
}
