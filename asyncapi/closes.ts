import { CAUSES } from '../lib/protocol.js'
import type { Cause } from '../lib/protocol.js'

/** How a socket may end, and whether a client should come back. */
export interface Close {
  readonly code: number
  readonly meaning: string
  /** The status that goes ahead of it, where there is one. */
  readonly status?: string
  readonly retry: string
}

/** In the words of docs/protocol.md, which a test compares. */
const RETRY: Record<Cause, readonly [meaning: string, retry: string]> = {
  done: ['the application has ended the socket', 'no'],
  too_big: ['the first message is too long', 'no'],
  unavailable: ['a hook failed, also a snapshot, or took too long', 'yes, with back-off'],
  restarting: ['the server is going away', 'yes, with jitter'],
  overloaded: ['too many are waiting at the door, or the history cannot be read now', 'yes, with back-off'],
  bad_frame: ['a later frame was binary, not a JSON object, or had a bad `id`', 'no'],
  invalid_token: ['token missing, malformed or refused', 'not with this token'],
  forbidden: ['the user may not enter', 'no'],
  auth_timeout: ['no token in time', 'yes'],
  disconnected: ['the application has ended the socket', 'no'],
  too_slow: ['the client reads too slowly; mostly seen as 1006', 'yes'],
  expired_token: ['the token has expired on the open socket', 'yes, with a fresh token'],
  rate_limited: ['the client sends too fast', 'yes, with back-off']
}

export const CLOSES: readonly Close[] = [
  ...(Object.keys(CAUSES) as Cause[]).map(cause => {
    const [{ code, status }, [meaning, retry]] = [CAUSES[cause], RETRY[cause]]
    return { code, meaning, ...status !== undefined && { status }, retry }
  }),
  { code: 1006, meaning: 'the link broke, or gave no sign of life', retry: 'yes, with jitter' }
].sort((one, other) => one.code - other.code)

/** As a table in Markdown. */
export function closesTable (): string {
  const rows = CLOSES.map(({ code, meaning, status, retry }) => `| ${code} | ${meaning} | ${status === undefined ? '-' : `\`${status}\``} | ${retry} |`)
  return ['| code | what happened | status | try again? |', '|---|---|---|---|', ...rows].join('\n')
}
