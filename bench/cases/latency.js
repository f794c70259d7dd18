import { Contest, interleave } from '../contest.js'

/** One message to one member, from the call to the client's read. Batching must not be paid for in waiting. */
export const name = 'latency'

export async function run ({ rounds, slice }) {
  const contest = await Contest.open(['rooms', 'ws', 'socketio'], { members: 1 })
  await contest.each(async entry => {
    // First without pauses: with them it takes too long until all is compiled.
    await entry.plan({ burst: 1, size: 200, stamped: true }, { perBurst: 1, listeners: 1 })
    await entry.warmUp(2 * slice)
    await entry.plan({ burst: 1, size: 200, stamped: true }, { perBurst: 1, pause: 1, listeners: 1 })
    await entry.warmUp(3 * slice) // with the pauses, a slice has few messages otherwise
  })
  const values = await interleave(contest.entries, rounds, entry => entry.run())
  await contest.close()
  return [{ id: 'latency', title: 'a single message to 1 member', values, main: 'p50' }]
}
