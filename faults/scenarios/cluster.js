import { sleep } from '../clock.js'
import { Cluster } from '../topologies/cluster.js'
import { AFTER } from './standard.js'

/** Enough for every master to have some. */
const ROOMS = Array.from({ length: 6 }, (_, number) => `room-${number}`)

/**
 * @param work what goes wrong
 * @param after how long to look on
 */
async function inRooms (field, work, after = AFTER) {
  await field.serve(['a', 'b'])
  for (const room of ROOMS) {
    await field.join(1, { room, doors: ['a'] })
    await field.join(1, { room, doors: ['b'] })
  }
  await field.publish(['a', 'b'], { rooms: ROOMS, rate: 20 })
  await sleep(1_000)
  await work(field)
  await sleep(after)
  await field.settle()
}

/** The slot that a contender's room lives in, as far as it lives in one. */
async function home ({ contender, topology }, room = ROOMS[0]) {
  const { stream, channel } = contender
  return await topology.slotOf((stream ?? channel)(room))
}

/** Rooms whose node is alive notice nothing. */
async function others (field, victim) {
  const spared = new Set()
  for (const room of ROOMS) if (await field.topology.ownerOf(await home(field, room)) !== victim) spared.add(room)
  return () => {
    const { longestPause } = field.judge(({ room }) => spared.has(room))
    field.measures['pause of other nodes’ rooms'] = spared.size === 0 ? '-' : `${(longestPause / 1_000).toFixed(1)} s`
    if (field.contender.ours) field.require('rooms of other nodes go on', longestPause <= 1_500)
  }
}

async function losing (field, work) {
  let look
  await inRooms(field, async () => {
    const master = await field.topology.ownerOf(await home(field))
    look = await others(field, master)
    await field.fault(() => work(master))
  }, AFTER + 4_000)
  look()
}

export const scenarios = [
  {
    id: 'A14',
    title: 'Cluster: a slot moves, with 3 s between its keys and its owner',
    done: 'SETSLOT IMPORTING and MIGRATING, MIGRATE, 3 s of nothing, SETSLOT NODE.',
    topology: () => Cluster.start(),
    run: field => inRooms(field, async () => {
      await field.topology.move(await home(field), 3_000)
    }),
    must: { redirected: true, pause: 4_000 }
  },
  {
    id: 'A14-often',
    title: 'Cluster: a slot moves six times',
    done: 'As above, without the pause, every 700 ms.',
    topology: () => Cluster.start(),
    run: field => inRooms(field, async () => {
      const slot = await home(field)
      for (let time = 0; time < 6; time++) {
        await field.topology.move(slot, 0)
        await sleep(700)
      }
    }),
    must: { redirected: true }
  },
  {
    id: 'A15',
    title: 'Cluster: a master is killed and comes back',
    done: 'SIGKILL of the master that has the first room, and a new process with its AOF after 3 s. There are no replicas; cluster-require-full-coverage is no.',
    topology: () => Cluster.start({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] }),
    run: field => losing(field, async master => {
      await master.kill()
      await sleep(3_000)
      await master.start()
      await field.topology.agree()
    }),
    must: { redirected: true, resumed: 8_000 }
  },
  {
    id: 'A15-failover',
    title: 'Cluster: a master is killed, and its replica takes over',
    done: 'SIGKILL of the master that has the first room; three masters, three replicas, cluster-node-timeout 1,500, cluster-require-full-coverage no.',
    topology: () => Cluster.start({ replicas: 1 }),
    run: field => losing(field, async master => {
      await master.kill()
      await field.topology.agree(master)
    }),
    must: { lossy: true, redirected: true, resumed: 8_000 }
  }
]
