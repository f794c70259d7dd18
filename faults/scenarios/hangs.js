import { now, sleep } from '../clock.js'
import { Single } from '../topologies/single.js'
import { underLoad } from './standard.js'
import { until } from '../until.js'

/** Redis says nothing for a while, and then goes on as if nothing had been. */
const hang = (id, seconds, work, rest) => ({
  id,
  topology: () => Single.start(),
  run: field => underLoad(field, async () => {
    const noticing = noticed(field)
    await field.fault(() => work(field.topology.server, seconds * 1_000))
    await noticing
  }),
  ...rest
})

/** How long until our processes say that they have no Redis. */
async function noticed (field) {
  if (!field.contender.ours) return
  const start = now()
  try {
    await until(async () => (await Promise.all(field.processes.map(process => process.ask('stats')))).every(({ broker }) => broker === 'down'), 4_000)
    field.measures['noticed after'] = `${((now() - start) / 1_000).toFixed(1)} s`
    field.require('noticed within 3 s that Redis hangs', now() - start <= 3_200)
  } catch {
    field.measures['noticed after'] = 'not'
  }
}

async function stop (server, ms) {
  await server.kill('SIGSTOP')
  await sleep(ms)
  await server.kill('SIGCONT')
}

async function pause (mode, server, ms) {
  await server.admin.client('PAUSE', ms, mode)
  await sleep(ms)
}

export const scenarios = [
  hang('A3', 5, stop, {
    title: 'Redis hangs for 5 s',
    done: 'SIGSTOP, and SIGCONT after 5 s.',
    must: { resumed: 1_500 }
  }),
  hang('A4-all', 3, (server, ms) => pause('ALL', server, ms), {
    title: 'Redis takes no command for 3 s',
    done: 'CLIENT PAUSE 3000 ALL.',
    must: { resumed: 1_500 }
  }),
  hang('A4-write', 3, (server, ms) => pause('WRITE', server, ms), {
    title: 'Redis takes no writes for 3 s',
    done: 'CLIENT PAUSE 3000 WRITE: pings are answered, so no connection is in doubt.',
    must: { resumed: 1_500 }
  }),
  hang('A4-sleep', 3, server => server.admin.call('DEBUG', 'SLEEP', 3), {
    title: 'Redis is busy with one command for 3 s',
    done: 'DEBUG SLEEP 3.',
    must: { resumed: 1_500 }
  })
]
