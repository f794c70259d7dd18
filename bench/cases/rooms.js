import { Contest, interleave } from '../contest.js'

const CONTENDERS = ['rooms', 'ws', 'socketio']
const SIZE = 200 // bytes of JSON

/** As many rooms as members: nothing can be shared, so this is what everything around the write costs. */
export const name = 'rooms'

export async function run ({ rounds, slice, scale }) {
  const members = scale(2_000)
  const contest = await Contest.open(CONTENDERS, { members, rooms: members })
  await contest.each(async entry => {
    await entry.plan({ burst: members, rooms: members, size: SIZE }, { perBurst: members })
    await entry.warmUp(slice)
  })
  const values = await interleave(contest.entries, rounds, entry => entry.run())
  await contest.close()
  return [{ id: 'rooms', title: `${members.toLocaleString('en')} rooms of one member, one message to each in a burst`, values }]
}
