import { sleep } from '../clock.js'
import { Replicated } from '../topologies/replicated.js'
import { Sentinel } from '../topologies/sentinel.js'
import { underLoad } from './standard.js'

const sentinel = (id, work, rest) => ({
  id,
  topology: () => Sentinel.start(),
  run: field => underLoad(field, async () => {
    const master = await field.topology.master()
    await work(field, master)
    await sleep(4_000)
  }),
  ...rest
})

export const scenarios = [
  sentinel('A11', field => field.topology.failover(), {
    title: 'Sentinel: a planned failover',
    done: 'SENTINEL FAILOVER, with one master, one replica and three Sentinels.',
    // What the old master took after the replica had been promoted is discarded by the failover.
    must: { lossy: true, pause: 2_000 }
  }),
  sentinel('A12-kill', (field, master) => master.kill(), {
    title: 'Sentinel: the master is killed',
    done: 'SIGKILL; down-after-milliseconds is 1,000.',
    must: { lossy: true, pause: 6_000 }
  }),
  sentinel('A12-hang', async (field, master) => {
    await master.kill('SIGSTOP')
    setTimeout(() => master.kill('SIGCONT'), 7_000)
    await sleep(3_500)
  }, {
    title: 'Sentinel: the master hangs, and comes back when another has taken its place',
    done: 'SIGSTOP, and SIGCONT after 7 s.',
    must: { lossy: true, pause: 6_000 }
  }),
  {
    id: 'A13',
    title: 'a replica that lagged is promoted, and overtakes',
    done: 'The link of replication goes dead, 500 ms of messages do not reach the replica, and it is promoted. One process is there at once and sends; the other, and a client that was away, come when the new numbers have passed those they know.',
    topology: () => Replicated.start(),
    async run (field) {
      await underLoad(field, async () => {
        const { topology } = field
        const [away] = await field.join(1, { doors: ['b'] })
        await topology.follow()
        topology.link.set('blackhole')
        await sleep(500)
        away.leave()
        await field.fault(async () => {
          const [a, b] = field.proxies
          b.arriving = 'refuse'
          for (const proxy of [a, b]) proxy.target = topology.replica.port
          await topology.promote()
          a.cut()
          b.cut()
          await sleep(1_500) // the new numbers pass the old ones
          b.arriving = 'pass'
        })
        await sleep(500)
        away.return()
      })
    },
    must: { lossy: true, resumed: 1_500 }
  }
]
