import { readFileSync } from 'node:fs'
import { Entry } from '../contest.js'

const MOST_ROUNDS = 5
const SIZE = 32 * 1_024 // bytes of JSON
const MESSAGES = 250 // 8.2 MB for each member: the kernel takes four of them for one who does not read, and then we hold what we may
const LISTENERS = 20
const WATCH = 20 // ms

/** One member stops reading, which must be nothing to the others. */
export const name = 'stalled'

export async function run ({ rounds, scale }) {
  const members = scale(1_000)
  const plan = { burst: 1, size: SIZE, stamped: true }
  const values = { healthy: {}, stalled: {} }
  const entry = await Entry.start('rooms', { members })
  const measure = async (name, readers) => {
    await entry.plan(plan, { perBurst: readers, listeners: LISTENERS })
    const growth = watchMemory(entry.server.pid)
    const { p50, p99 } = await entry.run(MESSAGES)
    for (const [metric, value] of Object.entries({ p50, p99, growth: growth() })) (values[name][metric] ??= []).push(value)
  }

  await entry.plan(plan, { perBurst: members, listeners: LISTENERS })
  await entry.run(MESSAGES / 10)
  for (let round = 1; round <= Math.min(rounds, MOST_ROUNDS); round++) {
    await measure('healthy', members)
    await entry.client.ask('stall')
    await measure('stalled', members - 1)
    const { ended } = await entry.server.ask('stats')
    if (ended.too_slow !== round) throw new Error('the one who did not read was not ended, so nothing was measured')
    await entry.connect(1)
  }
  await entry.stop()
  return [{
    id: 'stalled',
    title: `${members.toLocaleString('en')} members, ${MESSAGES} messages of ${SIZE / 1_024} KB to each`,
    titles: { healthy: 'all read', stalled: 'one of them does not read' },
    values,
    main: 'p99'
  }]
}

/** How much more memory than now a process took at most, from outside, so that nothing is asked of it meanwhile. */
function watchMemory (pid) {
  const rss = () => Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]) * 1_024
  const start = rss()
  let most = start
  const timer = setInterval(() => { most = Math.max(most, rss()) }, WATCH)
  return () => {
    clearInterval(timer)
    return most - start
  }
}
