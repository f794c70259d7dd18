import { sleep } from '../clock.js'
import { Single } from '../topologies/single.js'
import { underLoad } from './standard.js'

const single = () => Single.start()

/** What a client misses while it is away, and how much a room keeps where that is less. */
const [MISSED, KEPT] = [300, 10]

export const scenarios = [
  {
    id: 'A17',
    title: 'everything in Redis is deleted',
    done: 'FLUSHALL, twice, and between the two the stream alone is deleted, as an eviction does it. One client is away meanwhile.',
    topology: single,
    run: field => underLoad(field, async () => {
      const { admin } = field.topology.server
      const [away] = await field.join(1, { doors: ['b'] })
      await sleep(300)
      away.leave()
      await admin.flushall()
      await sleep(700)
      await admin.del(field.contender.stream?.('room') ?? 'none')
      await sleep(700)
      await admin.flushall()
      await sleep(300)
      away.return()
    }),
    must: { lossy: true }
  },
  {
    id: 'A18',
    title: 'a client has missed more than is kept',
    done: `A room keeps ${KEPT} messages, and a client misses ${MISSED}.`,
    topology: single,
    wanted: contender => contender.history === true ? { history: { size: KEPT, ttl: 60_000 } } : { maxLen: KEPT },
    async run (field) {
      await field.serve(['a', 'b'])
      const [away] = await field.join(1, { doors: ['b'] })
      await field.join(1, { doors: ['b'] })
      await field.publish(['a'], { rate: 100 })
      await sleep(500)
      away.leave()
      await sleep(MISSED * 10)
      const before = away.journal.events.length
      away.return()
      await sleep(1_000)
      await field.settle()
      const connected = away.journal.events[before]
      field.measures['said to have recovered'] = connected.recovered === true ? 'yes' : 'no'
      if (field.contender.history) field.require('the client is told that it has not recovered', connected.recovered === false)
    },
    must: { lossy: true }
  },
  {
    id: 'D4',
    title: 'nobody says anything for longer than history lasts',
    done: 'A room keeps messages for 1 s. It has members and is silent for 3 s; then one of them goes away, misses three messages, and comes back.',
    topology: single,
    wanted: contender => contender.history === true ? { history: { size: 100, ttl: 1_000 } } : {},
    async run (field) {
      await field.serve(['a', 'b'])
      const [away] = await field.join(1, { doors: ['b', 'a'] })
      await field.join(1, { doors: ['b'] })
      await sleep(3_000)
      away.leave()
      await field.publish(['a'], { rate: 50, most: 3 })
      await sleep(500)
      const before = away.journal.events.length
      away.return()
      await away.journal.until(({ type }) => type === 'connected', { from: before })
      field.measures['said to have recovered'] = away.journal.events[before].recovered === true ? 'yes' : 'no'
      await field.settle()
    },
    must: {}
  },
  {
    id: 'D5',
    title: 'Redis forgets all scripts, 20 times',
    done: 'SCRIPT FLUSH, 20 times, while two processes send 200 messages per second each and wait for none.',
    topology: single,
    run: field => underLoad(field, async () => {
      for (let time = 0; time < 20; time++) {
        await field.topology.server.admin.script('FLUSH')
        await sleep(field.random.between(20, 150))
      }
    }, { rate: 200, after: 1_500 }),
    must: { told: 0 }
  }
]
