import { Contest, interleave } from '../contest.js'

const CONTENDERS = ['rooms', 'floor', 'joined', 'bun', 'ws', 'socketio']
const SIZE = 200 // bytes of JSON

/** One room, one message to all: what a delivery costs the server when messages come alone, and when they come together. */
export const name = 'fanout'

export async function run ({ rounds, slice, scale }) {
  const members = scale(1_000)
  const contest = await Contest.open(CONTENDERS, { members })
  const results = []
  for (const burst of [1, 10, 100]) {
    await contest.each(async entry => {
      await entry.plan({ burst, size: SIZE }, { perBurst: burst * members })
      await entry.warmUp(slice)
    })
    results.push({
      id: `fanout-${burst}`,
      title: `${members.toLocaleString('en')} members, ${burst === 1 ? 'one at a time' : `bursts of ${burst}`}`,
      values: await interleave(contest.entries, rounds, entry => entry.run())
    })
  }
  await contest.close()
  return results
}
