/**
 * What is to be done when a connection has ended: never come back; not with this token; at once, with a fresh token; later,
 * as the server has too much to do; after a random time.
 */
export type Verdict = 'final' | 'token' | 'now' | 'later' | 'soon'

/** By close code, as the table "How sockets end" of docs/protocol.md has it. */
const VERDICTS: Partial<Record<number, Verdict>> = {
  1011: 'later',
  1013: 'later',
  4401: 'token',
  4408: 'soon',
  4413: 'soon',
  4419: 'now',
  4429: 'later'
}
const FINAL = /^100[02789]$/

/** The close code that a status announces: a link may break before the close itself arrives. Others mean no more than that. */
const ANNOUNCED: Partial<Record<string, number>> = {
  invalid_token: 4401,
  forbidden: 4403,
  expired_token: 4419,
  disconnected: 4410,
  rate_limited: 4429,
  unavailable: 1011,
  overloaded: 1013
}

/** Codes from 3000 on that are not the protocol's are the application's own, by which it has ended the connection. */
export function verdictOn (code: number): Verdict {
  return VERDICTS[code] ?? (code < 3000 && !FINAL.test(String(code)) ? 'soon' : 'final')
}

/** @param code with which the socket was closed; 1005 and 1006 are no word of the server */
export function codeOf (code: number, lastStatus: unknown): number {
  return (code === 1005 || code === 1006 ? ANNOUNCED[lastStatus as string] : undefined) ?? code
}

/**
 * Milliseconds to wait: chance spreads the clients of a server that went away, from the first attempt on. Where the server
 * has asked for time, it is given some.
 * @param attempts that have failed before
 */
export function delayFor (verdict: Verdict, attempts: number, { firstDelay, maxDelay }: { readonly firstDelay: number, readonly maxDelay: number }): number {
  if (verdict === 'now' && attempts === 0) return 0
  if (verdict === 'later') return Math.min(maxDelay, 4 * firstDelay * 2 ** attempts) * (1 + Math.random()) / 2
  return Math.min(maxDelay, firstDelay * 2 ** attempts) * Math.random()
}
