import { setTimeout as sleep } from 'node:timers/promises'
import { Entry, interleave } from '../contest.js'

const CONTENDERS = ['rooms', 'hand', 'socketio']
/** More than other slow cases have: one process and the next of the same program may differ by a fifth here. */
const MOST_ROUNDS = 21
const SETTLE = 300 // ms

/** Authenticated sockets that do nothing: what it costs to let one in, and to keep it. */
export const name = 'connect'

export async function run ({ rounds, scale }) {
  const members = scale(10_000)
  const some = members / 10
  const values = await interleave(CONTENDERS.map(name => ({ name })), Math.min(rounds, MOST_ROUNDS), async ({ name }) => {
    const entry = await Entry.start(name, { members: 0 })
    // The first ones pay for what is made once; and collecting garbage makes V8 forget compiled code, which the next three
    // thousand pay for, with every contender.
    await entry.connect(2 * some)
    const before = await held(entry)
    const warm = 3 * some
    await entry.connect(warm)
    const cpu = await entry.cpu()
    await entry.connect(members - warm)
    const connect = (await entry.cpu() - cpu) / (members - warm)
    const after = await held(entry)
    await entry.stop()
    return { connect, rss: (after.rss - before.rss) / members, heap: (after.heap - before.heap) / members }
  })
  return [{ id: 'connect', title: `${members.toLocaleString('en')} authenticated idle sockets`, values }]
}

async function held (entry) {
  await sleep(SETTLE)
  return await entry.server.ask('memory')
}
