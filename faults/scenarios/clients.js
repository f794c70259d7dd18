import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { keep } from '../../bench/child.js'
import { now, sleep } from '../clock.js'
import { FaultProxy } from '../proxy.js'
import { Single } from '../topologies/single.js'
import { until } from '../until.js'

const single = () => Single.start()

/** How many messages a client misses, time after time. */
const MISSED = [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 299]

/** Of the pings, where a scenario is about them. */
const [KEEP_ALIVE, PONG] = [1_000, 500]

export const scenarios = [
  {
    id: 'B1',
    title: 'a client is gone, and nobody says so',
    done: `Nothing passes any more between 5 clients and their process. Pings go out every ${KEEP_ALIVE / 1_000} s and have ${PONG / 1_000} s for their answer.`,
    topology: single,
    wanted: () => ({ keepAlive: KEEP_ALIVE, pongTimeout: PONG }),
    async run (field) {
      await field.serve(['a'])
      const link = await FaultProxy.start(field.process('a').port)
      try {
        await field.join(5, { doors: [{ name: 'a', port: link.port }] })
        await field.join(5, { doors: ['a'] })
        await field.publish(['a'], { rate: 20 })
        await sleep(500)
        link.partition()
        const start = now()
        await until(async () => await field.process('a').ask('members') <= 5, 5_000)
        const took = now() - start
        field.measures['forgotten after'] = `${(took / 1_000).toFixed(1)} s`
        field.require(`a dead client is forgotten within ${KEEP_ALIVE + PONG} ms`, took <= KEEP_ALIVE + PONG + 500)
        await sleep(500)
        field.require('and no other is', await field.process('a').ask('members') === 5)
        for (const member of field.members.slice(0, 5)) member.leave()
        await field.settle()
      } finally {
        link.close()
      }
    },
    // Those who were cut off find out by themselves, each in its own time.
    must: { lossy: true }
  },
  {
    id: 'B8',
    title: 'a client comes back with the place where it stood',
    done: `It misses ${MISSED.slice(0, -1).join(', ')} and ${MISSED.at(-1)} messages, one time after the other.`,
    topology: single,
    async run (field) {
      await field.serve(['a', 'b'])
      const [away] = await field.join(1, { doors: ['b', 'a'] })
      const [witness] = await field.join(1, { doors: ['b'] })
      for (const count of MISSED) {
        away.leave()
        await away.journal.until(({ type }) => type === 'closed', { from: away.journal.events.length - 1 })
        await field.send('a', { count, padding: 'x'.repeat(100) })
        await until(() => witness.journal.count('message') >= MISSED.slice(0, MISSED.indexOf(count) + 1).reduce((sum, one) => sum + one), 3_000).catch(() => {})
        const before = away.journal.events.length
        away.return()
        await away.journal.until(({ type }) => type === 'connected', { from: before })
        // It goes away again when it has got what there is for it; some contenders have nothing.
        const recovered = away.journal.events[before].recovered === true
        if (recovered) await until(() => away.journal.count('message') >= witness.journal.count('message'), 3_000).catch(() => {})
        await field.send('a', { count: 1 })
      }
      await sleep(500)
      await field.settle()
    },
    must: {}
  },
  {
    id: 'D17',
    title: 'a slow reader comes back',
    done: 'It reads 1.5 MB per second, has missed 10 MB, and its room goes on with 100 KB per second. 1 MiB may wait for a socket.',
    topology: single,
    wanted: ({ history }) => history === true ? { options: { maxRecoveryBytes: 32 * 1_024 * 1_024 } } : {},
    async run (field) {
      await field.serve(['a', 'b'])
      const link = await FaultProxy.start(field.process('b').port)
      link.rate = 1_500_000
      try {
        const [away] = await field.join(1, { doors: [{ name: 'b', port: link.port }] })
        await field.join(1, { doors: ['b'] })
        await sleep(300)
        away.leave()
        await field.publish(['a'], { rate: 50, size: 40_000, most: 250 })
        await sleep(5_500)
        await field.publish(['a'], { rate: 5, size: 20_000 })
        away.return()
        await sleep(12_000)
        await field.settle()
        field.measures['sent away'] = away.journal.events.filter(({ type, code }) => type === 'closed' && code !== 'left').length
        if (field.contender.history) field.require('the slow reader is not sent away', field.measures['sent away'] === 0)
      } finally {
        link.close()
      }
    },
    must: {}
  },
  {
    id: 'B13',
    title: 'a process is told to end while a client is frozen',
    done: 'One of three clients is a process that gets SIGSTOP; then the server gets SIGTERM.',
    topology: single,
    async run (field) {
      await field.serve(['a'])
      await field.join(2, { doors: ['a'] })
      const frozen = fork(fileURLToPath(new URL('../frozen.js', import.meta.url)), [JSON.stringify({ contender: field.contender.id, port: field.process('a').port })])
      keep(frozen)
      await once(frozen, 'message')
      frozen.kill('SIGSTOP')
      try {
        for (const member of field.members) member.leave()
        const start = now()
        await field.process('a').terminate(40_000)
        const took = now() - start
        field.measures['ended after'] = `${(took / 1_000).toFixed(1)} s`
        // What docs/shutdown.md says: at most drainTimeout for the sockets, and then it is done.
        field.require('it has ended within 6 s', took <= 6_000)
      } finally {
        frozen.kill('SIGKILL')
      }
    },
    must: {}
  },
  {
    id: 'B14',
    title: 'clients go away while they come in',
    done: '300 clients are cut at a random moment of their first 80 ms, and again while they come back.',
    topology: single,
    async run (field) {
      await field.serve(['a'])
      await field.publish(['a'], { rate: 100 })
      for (let round = 0; round < 10; round++) {
        const members = await field.join(30, { doors: ['a'], wait: false })
        await Promise.all(members.map(async member => {
          for (let time = 0; time < 2; time++) {
            await sleep(field.random.between(0, 80))
            member.leave()
            member.return()
          }
          await sleep(field.random.between(0, 80))
          await member.stop()
        }))
      }
      await sleep(1_000)
      const left = await field.process('a').ask('members')
      field.measures['members left behind'] = left
      field.require('nobody is left behind in the room', left === 0)
      await field.settle()
    },
    // Who leaves for good right after it came back did not wait for what it had missed.
    must: { lossy: true }
  }
]
