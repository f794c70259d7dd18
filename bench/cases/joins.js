import { Entry, interleave } from '../contest.js'

const BARE = 10_000
const MOST_ROUNDS = 9

/**
 * Whether joining and leaving costs more where there are more rooms: whatever walks through all of them shows here. The
 * members are as many in both, so that the garbage collector has the same to do. It is measured as clients do it, with a
 * connection and a token; and bare, as what the plugin's handler costs alone.
 */
export const name = 'joins'

export async function run ({ rounds, scale }) {
  const visits = scale(4_000)
  const many = scale(100_000)
  const entries = []
  const titles = {}
  for (const [name, rooms] of [['few', 100], ['many', many]]) {
    const entry = await Entry.start('joins', { members: 0, rooms, wanted: { rooms, members: many } })
    entry.name = name
    titles[name] = `${rooms.toLocaleString('en')} rooms`
    await entry.server.ask('fill')
    await entry.visit(visits)
    entries.push(entry)
  }
  const values = await interleave(entries, Math.min(rounds, MOST_ROUNDS), async entry => {
    await entry.server.ask('collect') // no slice is to pay for the garbage of another
    const before = await entry.cpu()
    await entry.visit(visits)
    await entry.server.ask('left')
    const join = (await entry.cpu() - before) / visits
    return { join, ...await entry.server.ask('bare', { count: BARE }) }
  })
  await Promise.all(entries.map(entry => entry.stop()))
  return [{ id: 'joins', title: 'join and leave, as the table of rooms grows', titles, values }]
}
