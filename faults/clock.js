/** Milliseconds, of a clock that all processes of one machine share: what one has sent can be held against what another got. */
export function now () {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000
}

export { setTimeout as sleep } from 'node:timers/promises'
