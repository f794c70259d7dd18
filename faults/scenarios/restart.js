import { readdirSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { sleep } from '../clock.js'
import { Single } from '../topologies/single.js'
import { underLoad } from './standard.js'

const OUTAGE = 1_500
const TIMES = 3

/** Crashes of the Redis process, which comes back with what it had written down. Several: how one ends is often luck. */
const restart = (id, args, rest) => ({
  id,
  topology: () => Single.start(args),
  run: field => underLoad(field, async () => {
    const { server } = field.topology
    for (let time = 0; time < TIMES; time++) {
      await field.fault(async () => {
        await server.kill()
        await sleep(OUTAGE)
        await server.start()
      })
      if (time < TIMES - 1) await sleep(2_500)
    }
  }),
  ...rest
})

/** What a power failure leaves of the file: all but its end. Some of what Redis has confirmed was never written. */
const CUT_OFF = 4_000

async function truncate (field) {
  const { server } = field.topology
  await field.fault(async () => {
    await server.kill()
    const folder = join(server.folder, 'appendonlydir')
    const file = join(folder, readdirSync(folder).find(name => name.endsWith('.incr.aof')))
    truncateSync(file, Math.max(0, statSync(file).size - CUT_OFF))
    await server.start()
  })
}

export const scenarios = [
  restart('A1', [], {
    title: 'Redis is killed and comes back empty',
    done: 'SIGKILL, and a new process on the same port after 1.5 s, without persistence; three times.',
    must: { lossy: true, resumed: 1_500 }
  }),
  restart('A2', ['--appendonly', 'yes', '--appendfsync', 'everysec'], {
    title: 'Redis is killed and comes back with its AOF (everysec)',
    done: 'SIGKILL, and a new process with the same files after 1.5 s; three times.',
    must: { resumed: 1_500, epochs: 0 }
  }),
  restart('A2-always', ['--appendonly', 'yes', '--appendfsync', 'always'], {
    title: 'Redis is killed and comes back with its AOF (always)',
    done: 'SIGKILL, and a new process with the same files after 1.5 s; three times.',
    must: { resumed: 1_500, epochs: 0 }
  }),
  {
    id: 'A2-torn',
    title: 'Redis comes back without the end of its AOF',
    done: `SIGKILL, the last ${CUT_OFF.toLocaleString('en')} bytes of the file are cut off, and a new process reads what is left.`,
    topology: () => Single.start(['--appendonly', 'yes', '--appendfsync', 'always']),
    run: field => underLoad(field, async () => {
      const [away] = await field.join(1, { doors: ['b'] })
      await sleep(500)
      away.leave()
      await truncate(field)
      await sleep(1_500)
      away.return()
    }),
    must: { lossy: true, resumed: 1_500 }
  }
]
