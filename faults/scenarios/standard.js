import { sleep } from '../clock.js'

/** From the end of a fault until publishers stop: whoever has missed something is to hear of it while messages flow. */
export const AFTER = 4_000

/**
 * Two processes with members of one room each, and a publisher in both: every member hears its own process and another.
 * @param work what goes wrong meanwhile
 */
export async function underLoad (field, work, { rate = 50, size, members = 2, before = 700, after = AFTER, wanted } = {}) {
  await field.serve(['a', 'b'], wanted)
  await field.join(members, { doors: ['a', 'b'] })
  await field.join(members, { doors: ['b', 'a'] })
  await field.publish(['a', 'b'], { rate, size })
  await sleep(before)
  await work()
  await sleep(after)
  await field.settle()
}
