import { Entry, interleave } from '../contest.js'

/**
 * Whether a delivery costs more when there are more members: everything that grows with the room shows here. The floor
 * says how much of that is the kernel's, whose sockets do not fit into the caches either.
 */
export const name = 'members'

export async function run ({ rounds, slice, scale }) {
  const entries = []
  const titles = {}
  for (const [contender, title] of [['rooms', 'fastify-rooms'], ['floor', 'plain TCP sockets']]) {
    for (const members of [100, 1_000, 10_000]) {
      const entry = await Entry.start(contender, { members: scale(members) })
      entry.name = `${contender}-${members}`
      titles[entry.name] = `${title}, ${scale(members).toLocaleString('en')} members`
      await entry.plan({ burst: 1, size: 200 }, { perBurst: scale(members) })
      await entry.warmUp(slice)
      entries.push(entry)
    }
  }
  const values = await interleave(entries, rounds, entry => entry.run())
  await Promise.all(entries.map(entry => entry.stop()))
  return [{ id: 'members', title: 'CPU per delivery, one message after the other, as a room grows', titles, values }]
}
