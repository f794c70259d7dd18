import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Entry, interleave } from '../contest.js'

const SIZE = 200 // bytes of JSON
const SOCKETS = 6_000
const FIRST = 2_000
const SOME = 1_000
const VISITS = 3_000
const PINGED = 4_000
const PING_INTERVAL = 1_000 // ms
const PING_FOR = 3_000 // ms
const TABLE = 20_000
const LOOKED_AT = 1_000
const LOOKED_AFTER = 1_000 // ms
const LOOK_FOR = 4_000 // ms
const SETTLE = 300 // ms
const MOST_ROUNDS = 5

/** What a socket costs a process of the plugin, with Redis behind it. */
export async function measureSockets (redis, rounds) {
  return await interleave([{ name: 'socket' }], Math.min(rounds, MOST_ROUNDS), async () => {
    const entry = await Entry.start('rooms', { members: 0, redis, wanted: { options: { linger: 100 } } })
    const empty = await entry.server.ask('memory')
    // The first ones pay for what is made once, and for code that is not compiled yet.
    await entry.connect(FIRST)
    const [held, kernel] = [await memory(entry), slabs()]
    await entry.connect(SOME) // collecting garbage makes V8 forget compiled code
    const cpu = await entry.cpu()
    await entry.connect(SOCKETS - SOME)
    const connect = (await entry.cpu() - cpu) / (SOCKETS - SOME)
    const after = await memory(entry)
    // Both ends of each connection are on this machine.
    const ends = growth(kernel, slabs(), SOCKETS) / 2 / SOCKETS
    await entry.stop()
    return { connect, rss: (after.rss - held.rss) / SOCKETS, heap: (after.heap - held.heap) / SOCKETS, kernel: ends, empty: empty.rss }
  })
}

/** What it costs that members come and go, in a room that others are in, and in rooms that have nobody else here. */
export async function measureVisits (redis, rounds) {
  const entries = []
  for (const [name, rooms] of [['shared', 1], ['own', VISITS]]) {
    const entry = await Entry.start('rooms', { members: 0, rooms, redis, wanted: { options: { linger: 100 } } })
    await entry.connect(1)
    entries.push(Object.assign(entry, { name }))
    await entry.visit(VISITS)
  }
  const values = await interleave(entries, Math.min(rounds, MOST_ROUNDS), async entry => {
    await sleep(2 * SETTLE) // rooms linger
    const before = await entry.cpu()
    await entry.visit(VISITS)
    await sleep(2 * SETTLE)
    return { cpu: (await entry.cpu() - before) / VISITS }
  })
  await Promise.all(entries.map(entry => entry.stop()))
  return values
}

/** What it costs to ask a socket whether it lives, and to hear that it does; and what a process without sockets does. */
export async function measurePings (redis, rounds) {
  const options = { keepAlive: PING_INTERVAL, pongTimeout: PING_INTERVAL / 2 }
  const entries = []
  for (const [name, members] of [['none', 0], ['many', PINGED]]) {
    entries.push(Object.assign(await Entry.start('rooms', { members, redis, wanted: { options } }), { name }))
  }
  await sleep(PING_INTERVAL)
  const values = await interleave(entries, Math.min(rounds, MOST_ROUNDS), async entry => {
    const before = await entry.cpu()
    await sleep(PING_FOR)
    return { cpu: (await entry.cpu() - before) / (PING_FOR / PING_INTERVAL) }
  })
  await Promise.all(entries.map(entry => entry.stop()))
  return { idle: values.none.cpu, ping: values.many.cpu.map((cpu, round) => (cpu - values.none.cpu[round]) / PINGED) }
}

/** What a room with one member takes, beside the member, on the heap: without a history and with one. */
export async function measureRooms (redis) {
  const heap = async (rooms, options) => {
    const entry = await Entry.start('joins', { members: 0, wanted: { redis, rooms, members: TABLE, options } })
    await entry.server.ask('fill')
    const { heap } = await memory(entry)
    await entry.stop()
    return heap
  }
  const few = await heap(20)
  const kept = { history: { size: 100, ttl: 300_000 } }
  return { without: (await heap(TABLE) - few) / (TABLE - 20), with: (await heap(TABLE, kept) - few) / (TABLE - 20) }
}

/**
 * What it costs to look at the end of a history, which a process does for each room with members: with a Cluster each second,
 * and otherwise three times in the life of a history. Here it has a short one.
 */
export async function measureLooks (redis, rounds) {
  const entries = []
  for (const [name, history] of [['without', undefined], ['with', { size: 100, ttl: LOOKED_AFTER * 3 }]]) {
    entries.push(Object.assign(await Entry.start('rooms', { members: LOOKED_AT, rooms: LOOKED_AT, redis, wanted: { options: { history } } }), { name }))
  }
  const values = await interleave(entries, Math.min(rounds, MOST_ROUNDS), async entry => {
    const before = await entry.cpu()
    await sleep(LOOK_FOR)
    return { cpu: (await entry.cpu() - before) / (LOOK_FOR / LOOKED_AFTER) }
  })
  await Promise.all(entries.map(entry => entry.stop()))
  return values.with.cpu.map((cpu, round) => (cpu - values.without.cpu[round]) / LOOKED_AT)
}

/**
 * What a message costs that one process sends and another one receives for its members. `alone`, it is the only one;
 * `busy`, each room is sent one in the same turn.
 */
export async function measureMessages (redis, rounds) {
  const plans = [
    { name: 'alone, 1', rooms: 1, members: 1, bursts: 1_000 },
    { name: 'alone, 1000', rooms: 1, members: 1_000, bursts: 30 },
    { name: 'busy, 100 in 10', rooms: 10, members: 100, bursts: 200 },
    { name: 'busy, 1000 in 1000', rooms: 1_000, members: 1_000, bursts: 10 },
    { name: 'busy, 1000 in 100', rooms: 100, members: 1_000, bursts: 20 },
    { name: 'busy, 10000 in 1000', rooms: 1_000, members: 10_000, bursts: 3 }
  ]
  const entries = []
  for (const { name, rooms, members, bursts } of plans) {
    const entry = await Entry.start('rooms', { members, rooms, redis })
    await entry.plan({ burst: rooms, rooms, size: SIZE }, { perBurst: members })
    await entry.warmUp(500)
    entries.push(Object.assign(entry, { name, rooms, bursts }))
  }
  const values = await interleave(entries, rounds, async entry => {
    const before = await each(entry)
    await entry.run(entry.bursts)
    const [received, sent] = (await each(entry)).map((cpu, index) => (cpu - before[index]) / entry.bursts / entry.rooms)
    return { received, sent }
  })
  await Promise.all(entries.map(entry => entry.stop()))
  return values
}

async function each ({ server, publisher }) {
  return [(await server.ask('cpu')).cpu, (await publisher.ask('cpu')).cpu]
}

async function memory (entry) {
  await sleep(SETTLE)
  return await entry.server.ask('memory')
}

/** Bytes that the kernel holds, by kind. Only root may know. */
function slabs () {
  try {
    const lines = readFileSync('/proc/slabinfo', 'utf8').split('\n').slice(2, -1)
    return new Map(lines.map(line => line.split(/\s+/)).map(([name, active, , size]) => [name, { active: Number(active), size: Number(size) }]))
  } catch {
    return new Map()
  }
}

/** Of the kinds of which each socket has one or more: whatever else goes on on the machine is left out. */
function growth (before, after, sockets) {
  let bytes = 0
  for (const [name, { active, size }] of after) {
    const more = active - before.get(name).active
    if (more > sockets) bytes += more * size
  }
  return before.size === 0 ? NaN : bytes
}
