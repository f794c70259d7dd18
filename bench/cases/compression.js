import { Contest, interleave } from '../contest.js'

const CONTENDERS = ['rooms', 'ws', 'socketio']
const SIZE = 1_200 // bytes of JSON

/** permessage-deflate is on and every client asks for it. */
export const name = 'compression'

export async function run ({ rounds, slice, scale }) {
  const members = scale(300)
  const contest = await Contest.open(CONTENDERS, { members, compress: true })
  await contest.each(async entry => {
    await entry.plan({ burst: 1, size: SIZE }, { perBurst: members })
    // What is not compressed would win without having run.
    const { bytes, text } = await entry.client.ask('look', { perBurst: members })
    if (!text.includes('UPDATE_USER') || bytes > 0.8 * SIZE) throw new Error(`${entry.name} sent ${bytes} bytes for ${SIZE}: ${text}`)
    await entry.warmUp(slice)
  })
  const values = await interleave(contest.entries, rounds, entry => entry.run())
  await contest.close()
  return [{ id: 'compression', title: `compression on, ${members} members, 1.2 KB of JSON`, values, missing: contest.missing }]
}
