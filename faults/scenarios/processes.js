import { sleep } from '../clock.js'
import { Single } from '../topologies/single.js'
import { AFTER } from './standard.js'
import { until } from '../until.js'

const single = () => Single.start()
const HOUR = 3_600_000
/** How long Redis is away where that is long, after what time all queues are full, and what a process may have grown by since: in MB. */
const [AWAY, FULL, GROWTH] = [120_000, 20_000, 32]

/** A room of ours keeps what comes while a process is asleep, and a client may be given it. */
const roomy = ({ history }) => history === true ? { options: { maxRecovery: 2_000, maxRecoveryBytes: 64 * 1_024 * 1_024 } } : {}

async function asleep (field, plan) {
  await field.serve(['a', 'b'], { direct: true })
  for (const room of plan.rooms) {
    await field.join(1, { room, doors: ['a'] })
    await field.join(2, { room, doors: ['b'] })
  }
  await field.publish(['a'], plan)
  await sleep(500)
  await field.fault(async () => {
    field.process('b').signal('SIGSTOP')
    await sleep(3_000)
    field.process('b').signal('SIGCONT')
  })
  await sleep(AFTER)
  await field.settle()
}

export const scenarios = [
  {
    id: 'A9',
    title: 'a process sleeps until Redis gives it up',
    done: 'SIGSTOP of one process for 3 s, while 200 messages of 32 KB per second go to its room, and Redis keeps no more than 8 MB for a subscriber.',
    topology: () => Single.start(['--client-output-buffer-limit', 'pubsub', '8mb', '8mb', '1']),
    wanted: roomy,
    run: field => asleep(field, { rooms: ['room'], rate: 200, size: 32 * 1_024 }),
    must: {}
  },
  {
    id: 'A9-rooms',
    title: 'a process sleeps until Redis gives it up, with 40 rooms',
    done: 'The same with 10 messages of 16 KB per second to each of 40 rooms, and 4 MB for a subscriber: all rooms together have missed more than that, each of them less.',
    topology: () => Single.start(['--client-output-buffer-limit', 'pubsub', '4mb', '4mb', '1']),
    wanted: roomy,
    run: field => asleep(field, { rooms: Array.from({ length: 40 }, (_, number) => `room-${number}`), rate: 10, size: 16 * 1_024 }),
    must: {}
  },
  {
    id: 'A10',
    title: 'Redis is not there when the processes start',
    done: 'It comes after 4 s. Clients and messages do not wait for it.',
    topology: () => Single.absent(),
    async run (field) {
      await field.serve(['a', 'b'], { absent: true })
      const memory = await field.process('a').ask('memory')
      await field.join(2, { doors: ['a'], wait: false })
      await field.join(2, { doors: ['b'], wait: false })
      await field.publish(['a', 'b'], { rate: 50 })
      await field.fault(async () => {
        await sleep(4_000)
        await field.topology.server.start()
      })
      field.measures['memory grew by'] = `${Math.round((await field.process('a').ask('memory') - memory) / 1_000_000)} MB`
      await sleep(AFTER)
      await field.settle()
      const [{ to }] = field.faults
      const entered = Math.max(...field.members.map(({ journal }) => journal.events[0]?.at ?? Infinity)) - to
      field.measures['last client in'] = entered < 0 ? 'before' : `after ${(entered / 1_000).toFixed(1)} s`
      if (field.contender.ours) field.require('clients are in within 1.5 s', entered <= 2_000)
    },
    must: { resumed: 1_500 }
  },
  {
    id: 'A10-long',
    title: 'Redis is away for two minutes',
    done: `SIGKILL, and a new process, empty, after ${AWAY / 1_000} s, while 200 messages of 4 KB per second are sent. The memory of the process that sends is measured ${FULL / 1_000} s after the SIGKILL, and at the end.`,
    topology: single,
    async run (field) {
      const { server } = field.topology
      await field.serve(['a', 'b'])
      await field.join(1, { doors: ['a'] })
      await field.join(1, { doors: ['b'] })
      await field.publish(['a'], { rate: 200, size: 4_000 })
      await sleep(1_000)
      await field.fault(async () => {
        await server.kill()
        await sleep(FULL)
        const memory = await field.process('a').ask('memory')
        await sleep(AWAY - FULL)
        const growth = (await field.process('a').ask('memory') - memory) / 1_000_000
        field.measures['memory grew by'] = `${Math.round(growth)} MB`
        if (field.contender.ours) field.require(`memory does not grow by more than ${GROWTH} MB while Redis is away`, growth <= GROWTH)
        await server.start()
      })
      await sleep(AFTER)
      await field.settle()
    },
    must: { lossy: true, resumed: 1_500 }
  },
  {
    id: 'A20',
    title: 'a process is killed while it sends to 500 clients',
    done: 'SIGKILL. Its clients go to the other process.',
    topology: single,
    alone: true,
    async run (field) {
      await field.serve(['a', 'b', 'c'])
      await field.join(500, { doors: ['a', 'b'] })
      await field.publish(['c'], { rate: 20 })
      await sleep(1_500)
      await field.process('a').kill()
      await until(() => field.members.every(({ journal }) => journal.events.at(-1).type !== 'closed'))
      await sleep(1_500)
      await field.settle()
    },
    must: {}
  },
  {
    id: 'A21',
    title: 'two processes send 10,000 messages into one room',
    done: 'Each sends 1,000 per second and waits for none.',
    topology: single,
    alone: true,
    async run (field) {
      await field.serve(['a', 'b'])
      await field.join(2, { doors: ['a'] })
      await field.join(2, { doors: ['b'] })
      await field.publish(['a', 'b'], { rate: 1_000, most: 5_000 })
      await until(async () => field.members.every(({ journal }) => journal.count('message') >= 10_000), 8_000).catch(() => {})
      await field.settle()
    },
    must: { told: 0 }
  },
  {
    id: 'A22',
    title: 'the clocks of the processes are two hours apart',
    done: 'One is an hour fast, the other an hour slow. Clients go from one to the other and back.',
    topology: single,
    async run (field) {
      await Promise.all([field.serve(['a'], { clock: HOUR }), field.serve(['b'], { clock: -HOUR })])
      await field.join(2, { doors: ['a', 'b'] })
      await field.join(2, { doors: ['b', 'a'] })
      await field.publish(['a', 'b'], { rate: 50 })
      for (let time = 0; time < 4; time++) {
        await sleep(700)
        for (const member of field.members) member.cut()
      }
      await sleep(1_500)
      await field.settle()
    },
    must: {}
  },
  {
    id: 'A23',
    title: 'clients enter while messages are sent',
    done: '200 clients enter 20 rooms at random times, while two processes send into all of them. Most are the first of their room in a process.',
    topology: single,
    wanted: ({ ours }) => ours ? { options: { linger: 1 } } : {},
    async run (field) {
      const rooms = Array.from({ length: 20 }, (_, number) => `room-${number}`)
      await field.serve(['a', 'b'])
      await field.publish(['a', 'b'], { rooms, rate: 10 })
      for (let count = 0; count < 200; count++) {
        await field.join(1, { room: field.random.pick(rooms), doors: [field.random.pick(['a', 'b'])], wait: false })
        await sleep(field.random.between(0, 30))
      }
      await until(() => field.members.every(({ journal }) => journal.events.length > 0))
      await sleep(1_000)
      await field.settle()
    },
    must: { told: 0 }
  }
]
