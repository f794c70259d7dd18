import { now, sleep } from '../clock.js'
import { Single } from '../topologies/single.js'
import { until } from '../until.js'

const single = () => Single.start()
const SOAK = 60_000
const CROWD = 2_000
/** Over so many milliseconds: 2,000 clients in one process do not take down the minute as it happens. */
const SHARE_OF = 200

export const scenarios = [
  {
    id: 'B9',
    title: 'a minute of everything',
    done: 'For 60 s, 100 clients in 5 rooms, 50 messages per second to each room; every second 20 clients are cut, and every few seconds connections to Redis are killed, go dead, or lose their answers.',
    topology: single,
    async run (field) {
      const { random } = field
      const rooms = Array.from({ length: 5 }, (_, number) => `room-${number}`)
      await field.serve(['a', 'b'])
      for (const room of rooms) {
        await field.join(10, { room, doors: ['a', 'b'] })
        await field.join(10, { room, doors: ['b', 'a'] })
      }
      await field.publish(['a', 'b'], { rooms, rate: 25 })
      const end = now() + SOAK
      let next = now() + 2_000
      while (now() < end) {
        for (let count = 0; count < 4; count++) random.pick(field.members).cut()
        if (now() > next) {
          await field.fault(() => oneOf(field))
          next = now() + random.between(2_000, 5_000)
        }
        await sleep(200)
      }
      await sleep(4_000)
      await field.settle()
    },
    must: {}
  },
  {
    id: 'B12',
    title: 'two processes are restarted, one after the other, with 2,000 clients',
    done: 'SIGTERM, a new process, and the same for the other. A third one sends.',
    topology: single,
    alone: true,
    async run (field) {
      await field.serve(['a', 'b', 'c'])
      for (let count = 0; count < CROWD; count += 100) {
        await field.join(50, { doors: ['a', 'b'] })
        await field.join(50, { doors: ['b', 'a'] })
      }
      await field.publish(['c'], { rate: 5 })
      await sleep(1_000)
      for (const name of ['a', 'b']) {
        await field.process(name).terminate()
        await field.serve([name])
        await until(() => field.members.every(({ journal }) => journal.events.at(-1)?.type !== 'closed'))
      }
      await sleep(1_000)
      await field.settle()
      const endings = field.members.flatMap(({ journal }) => journal.events.filter(({ type }) => type === 'closed'))
      const codes = [...new Set(endings.map(({ code }) => code))]
      field.measures['closed with'] = codes.join(', ')
      const most = crowd(endings.map(({ at }) => at), SHARE_OF)
      field.measures[`most in ${SHARE_OF} ms`] = `${Math.round(100 * most / CROWD)} %`
      field.require('clients are closed with 1012', codes.length === 1 && codes[0] === 1012)
      field.require('at most a quarter of the clients is sent away within 200 ms', most <= CROWD / 4)
    },
    must: {}
  },
  {
    id: 'reads',
    title: '10,000 clients come back',
    done: '500 clients in 10 rooms are cut, miss 5 messages and come back, 20 times. What Redis is asked for is counted.',
    topology: single,
    alone: true,
    async run (field) {
      const rooms = Array.from({ length: 10 }, (_, number) => `room-${number}`)
      await field.serve(['a', 'b'])
      for (const room of rooms) await field.join(50, { room, doors: ['b'] })
      const { admin } = field.topology.server
      for (const room of rooms) await field.send('a', { room, count: 1 })
      await sleep(500)
      await admin.config('RESETSTAT')
      for (let time = 0; time < 20; time++) {
        for (const member of field.members) member.leave()
        await until(() => field.members.every(({ journal }) => journal.events.at(-1).type === 'closed'))
        for (const room of rooms) await field.send('a', { room, count: 5 })
        const connected = field.members.map(({ journal }) => journal.count('connected'))
        for (const member of field.members) member.return()
        await until(() => field.members.every(({ journal }, number) => journal.count('connected') > connected[number]))
      }
      await field.settle()
      const calls = commands(await admin.info('commandstats'))
      const reads = ['xrange', 'xrevrange', 'xread', 'get', 'getdel', 'evalsha', 'eval'].reduce((sum, name) => sum + (calls[name] ?? 0), 0)
      field.measures['reads of Redis'] = reads
      field.measures['of 10,000 recovered'] = field.members.reduce((sum, { journal }) => sum + journal.events.filter(({ recovered }) => recovered === true).length, 0)
      // Numbering and publishing is one script for each burst and room; a reading is one for each burst, room and process.
      if (field.contender.history) field.require('reads are in proportion to rooms, not to clients', reads <= 20 * rooms.length * 6)
    },
    must: {}
  }
]

/** One thing that goes wrong between the processes and Redis, and is over. */
async function oneOf (field) {
  const { random, topology, proxies } = field
  const { admin } = topology.server
  await random.pick([
    () => admin.client('KILL', 'TYPE', 'pubsub'),
    async () => {
      await admin.client('KILL', 'TYPE', 'pubsub')
      await admin.client('KILL', 'TYPE', 'normal')
    },
    () => random.pick(proxies).cut(),
    () => random.pick(proxies).set('blackhole', 'subscriber'),
    async () => {
      const proxy = random.pick(proxies)
      proxy.set('drop-replies', 'commands')
      await sleep(200)
      proxy.cut('commands')
    },
    () => admin.client('PAUSE', 1_000, 'ALL')
  ])()
}

/** The most that happened within so many milliseconds. */
function crowd (times, ms) {
  const sorted = times.toSorted((one, other) => one - other)
  let most = 0
  let first = 0
  sorted.forEach((time, number) => {
    while (time - sorted[first] > ms) first++
    most = Math.max(most, number - first + 1)
  })
  return most
}

function commands (stats) {
  return Object.fromEntries([...stats.matchAll(/^cmdstat_(\w+):calls=(\d+)/gm)].map(([, name, calls]) => [name, Number(calls)]))
}
