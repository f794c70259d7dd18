import { fork } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { rooms, Stage } from '../../hostile/shared.js'

/** As many as have a class of objects be taken for long-lived by V8, where most of them are. */
const WAITING = 1_000
const REFUSED = 4_000

t.test('of a flood that is refused beside a crowd that waits, hardly anything outlives the next scavenge', async t => {
  // Large from the start, so that V8 makes up its mind about what lives long as it does in a process that has been up for a while.
  const execArgv = ['--trace-gc-nvp', '--min-semi-space-size=16', '--max-semi-space-size=16']
  const wanted = { options: { maxWaiting: WAITING, authTimeout: 60_000 } }
  const server = fork(new URL(rooms.file), [JSON.stringify(wanted)], { execArgv, stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  t.teardown(() => server.kill('SIGKILL'))
  let traced = ''
  server.stdout?.on('data', text => { traced += String(text) })
  const [{ port }] = await once(server, 'message') as [{ port: number }]
  const stage = new Stage(rooms, port, 0)
  t.teardown(() => stage.leave())

  await stage.upgrade(WAITING)
  const before = scavenges(traced).length
  await stage.upgrade(REFUSED)
  const [, ...found] = scavenges(traced).slice(before) // the first one still has those that wait
  t.ok(found.length > 0, `${found.length} scavenges`)
  const sum = (what: 'allocated' | 'survived'): number => found.reduce((sum, scavenge) => sum + scavenge[what], 0)
  t.ok(sum('survived') < sum('allocated') * 0.12, `${Math.round(sum('survived') / sum('allocated') * 100)} of 100 bytes have survived`)
})

function scavenges (traced: string): Array<{ allocated: number, survived: number }> {
  const lines = traced.split('\n').slice(0, -1).filter(line => line.includes(' gc=s '))
  return lines.map(line => ({ allocated: Number(/ allocated=(\d+)/.exec(line)?.[1]), survived: Number(/ new_space_survived=(\d+)/.exec(line)?.[1]) }))
}
