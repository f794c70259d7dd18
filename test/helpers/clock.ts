import { mock } from 'node:test'
import type { Test } from 'tap'

/** Has the time of day go on by so many seconds at once, until the test ends. Timers go on as they were. */
export function advanceClock (t: Test, seconds: number): void {
  const now = Date.now
  const clock = mock.method(Date, 'now', () => now() + seconds * 1_000)
  t.teardown(() => clock.mock.restore())
}

/** Has work done, up to the end of its turn, as if it were so many seconds later: no timer knows. */
export async function laterBy (seconds: number, work: () => unknown): Promise<void> {
  const now = Date.now
  const clock = mock.method(Date, 'now', () => now() + seconds * 1_000)
  work()
  await new Promise(resolve => setImmediate(resolve))
  clock.mock.restore()
}
