import { now } from './clock.js'

/** Waits for what has no event of its own. */
export async function until (condition, ms = 15_000) {
  const end = now() + ms
  while (!await condition()) {
    if (now() > end) throw new Error(`never came true: ${condition}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}
