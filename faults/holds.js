import { CLAIMS } from './oracle.js'

/** What a timer, a connection and a moment in which somebody looks may add to a time. */
const SLACK = 500
const TELLING = 3_000
const CLAIM = 2_000

/**
 * What has to hold for one of ours in a scenario, and does not, in sentences.
 * @param must what is particular to the scenario:
 * `lossy` where Redis itself lost messages, so that they can only be told of; `told` how many may be told of, also in rooms
 * without history; `resumed` and `pause` in milliseconds;
 * `epochs` how many notices of a new epoch there may be; `claim` in which time a send settles;
 * `redirected` where a node of a Cluster may have put one message behind the next; `lag` how late timers were, in milliseconds
 */
export function failuresOf (verdict, must, { history }) {
  const failures = [...verdict.failures, ...verdict.deaths]
  const slack = SLACK + 2 * (must.lag ?? 0)
  const atMost = (value, most, what) => {
    if (value > most) failures.push(`${what}: ${Math.round(value)}, at most ${most}`)
  }
  atMost(verdict.silent, 0, 'lost in silence')
  atMost(verdict.doubled, 0, 'doubled')
  if (history || must.redirected !== true) atMost(verdict.disordered, 0, 'out of order')
  atMost(verdict.differing, 0, 'in different orders for different members')
  atMost(verdict.falseClaims, 0, 'false claims')
  atMost(verdict.claims.pending, 0, 'sends that never settled')
  atMost(verdict.slowestClaim, (must.claim ?? CLAIM) + slack, 'milliseconds until a send had settled')
  atMost(verdict.slowestTelling, TELLING + slack, 'milliseconds until a member was told of a loss')
  for (const [claim, count] of Object.entries(verdict.claims)) {
    if (!(claim in CLAIMS)) failures.push(`${count} sends failed with ${claim}`)
  }
  atMost(verdict.away, 0, 'members that did not come back')
  if (must.told !== undefined) atMost(verdict.told, must.told, 'lost and told')
  if (history) {
    if (must.lossy !== true) {
      atMost(verdict.told, 0, 'lost, though Redis had them')
      atMost(verdict.forked, 0, 'numbers that stand for two messages')
    }
    if (must.epochs !== undefined) atMost(verdict.notices.epoch ?? 0, must.epochs, 'new epochs')
    atMost(verdict.claims.degraded, 0, 'sends to a room with history that were served to one process only')
  }
  if (must.resumed !== undefined) atMost(verdict.resumed, must.resumed + slack, 'milliseconds from the end of the fault to the first message of another process')
  if (must.pause !== undefined) atMost(verdict.longestPause, must.pause + slack, 'milliseconds without a message of another process')
  return failures
}
