import { Contest, interleave } from '../contest.js'

const CONTENDERS = ['rooms', 'socketio']
const SIZE = 200 // bytes of JSON

/** Two processes and Redis: one publishes, the members are with the other. */
export const name = 'redis'
export const needsRedis = true

export async function run (options) {
  const many = options.scale(1_000)
  return [
    await compare(options, {
      id: 'redis-fanout',
      title: `through Redis, ${many.toLocaleString('en')} members, bursts of 100, the receiving process`,
      members: many,
      burst: 100,
      measured: 'receiver'
    }),
    await compare(options, {
      id: 'redis-single',
      title: 'through Redis, 1 member, bursts of 1,000, both processes',
      members: 1,
      burst: 1_000,
      measured: 'both'
    })
  ]
}

async function compare ({ rounds, slice, redis }, { id, title, members, burst, measured }) {
  const contest = await Contest.open(CONTENDERS, { members, redis, measured })
  await contest.each(async entry => {
    await entry.plan({ burst, size: SIZE }, { perBurst: burst * members })
    await entry.warmUp(slice)
  })
  const values = await interleave(contest.entries, rounds, entry => entry.run())
  await contest.close()
  return { id, title, values }
}
