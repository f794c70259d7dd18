import { RoomsError } from './errors.js'

/** What the server sends. Only `command` is known to be there. */
export interface Frame {
  readonly command: string
  readonly data?: unknown
  readonly id?: unknown
  readonly seq?: unknown
  readonly mid?: unknown
  readonly room?: unknown
}

/** Whatever it cannot read, a client passes over. */
export function frameIn (text: unknown): Frame | undefined {
  try {
    const frame = JSON.parse(text as string)
    return typeof frame.command === 'string' ? frame : undefined
  } catch {}
}

export function objectIn (value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? value as Record<string, unknown> : {}
}

/** The error of a `WSError`. */
export function errorIn (data: unknown): RoomsError {
  const { code, message } = objectIn(data)
  return new RoomsError(typeof code === 'string' ? code : 'FAILED', String(message), true)
}
