import { setTimeout as sleep } from 'node:timers/promises'
import { Child, killChildren } from '../child.js'
import { Node } from '../constants/node.js'
import { Member } from '../member.js'
import { table } from '../tables.js'
import { whole } from './limits.js'
import { plan } from './plan.js'
import { createRandom, createRooms } from './random.js'

const SECONDS = 10
const FLOOD = 4 // s
const UNDER_WAY = 20
const CONCURRENCY = 64
const ADDRESSES = 50
/** The first two times that a process says that it lives, it writes all its counts again. */
const BEATS = 11_000 // ms
/** More than the linger of the servers, and than the time that Redis and they need to be done. */
const SETTLE = 500 // ms

/** What is reckoned is the mean of so many draws. What is run is one. */
const DRAWS = 20
/** How far the mean may be from what is true, and how many standard deviations chance may add to that. */
const WRONG = 0.05
const DEVIATIONS = 3
/** Processor time may be less than was reckoned, which takes each message for one that Redis is sent alone, but not much more. */
const MORE_CPU = 0.35

/**
 * Runs the workload with real processes and a real Redis, then kills one of the processes. Who goes where is left to another
 * chance than in the plan: what agrees does not agree because it is the same draw.
 * @returns whether all of it agrees
 */
export async function verify (options, constants) {
  process.on('exit', killChildren)
  const plans = Array.from({ length: DRAWS }, (_, number) => plan({ ...options, seed: options.seed + number }, constants))
  const redis = await Node.start()
  const servers = await Promise.all(Array.from({ length: options.processes }, async () => {
    const server = new Child('simulation/verify-server.js', { wanted: { redis: redis.url, history: options.history, ttl: options.ttl } })
    return Object.assign(server, { port: (await server.hello).port })
  }))
  const crowd = new Crowd(servers, options)
  await crowd.enter(options.sockets)
  await sleep(BEATS)

  const settled = { ...await subscriptions(redis), ...await sum(servers, ['members', 'rooms']) }
  const steady = await run(redis, servers, crowd, options)
  const flood = await fill(redis, servers, options)
  const before = await sum(servers.slice(1), ['members', 'rooms'])
  const gone = await kill(servers[0], crowd, options)
  const after = await sum(servers.slice(1), ['members', 'rooms'])
  const loaded = plan({ ...options, rate: flood.rate / options.rooms, session: Infinity }, constants)
  const rows = [
    drawn('channels', ({ placement }) => placement.rooms, settled.channels),
    drawn('subscriptions', ({ placement }) => placement.subscriptions, settled.subscriptions),
    happening('PUBLISH, per second', ({ redis }) => redis.hottest.messages + redis.hottest.commands.canary, steady.publish),
    happening('of Redis to processes, per second', ({ redis }) => redis.hottest.copies - redis.hottest.commands.canary, steady.copies),
    happening('to sockets, per second', ({ placement }) => placement.deliveries, steady.delivered),
    drawn('bytes that Redis sends, per second', ({ redis }) => redis.hottest.out, steady.out),
    drawn('bytes that Redis receives, per second', ({ redis }) => redis.hottest.in, steady.in),
    happening('counts written, per second', ({ redis }) => redis.hottest.reports, steady.hset, 2), // who leaves makes room for who comes
    happening('counts taken back, per second', ({ redis }) => redis.hottest.forgets, steady.hdel),
    happening('SUBSCRIBE and UNSUBSCRIBE, per second', ({ redis }) => redis.hottest.subscribes, steady.subscribes),
    ...options.history > 0
      ? [happening('XADD, per second', ({ redis }) => redis.hottest.messages, steady.xadd),
          drawn('bytes of histories', ({ redis }) => redis.hottest.memory.history, steady.histories * SECONDS, 0.03 ** 2)]
      : [],
    drawn('sockets of the process that dies', ({ placement }) => placement.socketsOfOne, gone.sockets),
    drawn('subscriptions made for its clients', ({ death }) => death.subscriptions, after.rooms - before.rooms),
    atMost(`CPU of Redis at ${whole(flood.rate)} messages per second, % of a core`, loaded.redis.hottest.shown * 100, flood.redis / 10_000),
    atMost('CPU of a process at the same, % of a core', loaded.process.mean.underLoad * 100, flood.process / 10_000)
  ]
  console.log(table(['', 'reckoned', 'measured', 'difference', 'may be', 'agrees'], rows.map(({ what, reckoned, measured, mayBe, agrees }) => [
    what, number(reckoned), number(measured), percent(reckoned / measured - 1), mayBe, agrees ? 'yes' : 'NO'
  ])))
  console.log(`\n${whole(options.sockets)} sockets in ${whole(options.rooms)} rooms (${options.members}), ${options.processes} processes, ${SECONDS} s; then one of them was killed, and its clients were back after ${gone.seconds.toFixed(1)} s.`)
  return rows.every(({ agrees }) => agrees)

  /** What depends on who is where. */
  function drawn (what, look, measured, chance = 0) {
    const values = plans.map(look)
    const reckoned = values.reduce((sum, value) => sum + value, 0) / DRAWS
    const variance = values.reduce((sum, value) => sum + (value / reckoned - 1) ** 2, 0) / (DRAWS - 1)
    const mayBe = WRONG + DEVIATIONS * Math.sqrt(variance + chance)
    return { what, reckoned, measured, mayBe: `± ${percent(mayBe)}`, agrees: Math.abs(reckoned / measured - 1) <= mayBe }
  }

  /** What also happens at times that are left to chance, so many at once. */
  function happening (what, look, measured, together = 1) {
    return drawn(what, look, measured, together / (look(plans[0]) * SECONDS))
  }

  function atMost (what, reckoned, measured) {
    return { what, reckoned, measured, mayBe: `at least ${percent(1 / (1 + MORE_CPU) - 1)}`, agrees: measured <= reckoned * (1 + MORE_CPU) }
  }
}

/** Everything at once for some seconds: messages, and members who come and go. */
async function run (redis, servers, crowd, { rate, rooms, size, session, sockets, processes }) {
  const delivered = (await sum(servers, ['delivered'])).delivered
  await redis.admin.config('RESETSTAT')
  const leaving = crowd.change(sockets / session, SECONDS)
  const sent = await Promise.all(servers.map(server => server.ask('send', { rate: rate * rooms / processes, seconds: SECONDS, rooms, size })))
  await leaving
  await sleep(SETTLE)
  const [calls, stats] = [await redis.calls(), await redis.info('stats')]
  const total = name => sent.reduce((sum, one) => sum + one[name], 0)
  const measured = {
    publish: calls.publish,
    hset: calls.hset,
    hdel: calls.hdel,
    subscribes: calls.subscribe + calls.unsubscribe,
    copies: total('copies'),
    delivered: (await sum(servers, ['delivered'])).delivered - delivered,
    out: stats.total_net_output_bytes,
    in: stats.total_net_input_bytes,
    xadd: calls.xadd,
    histories: await histories(redis, rooms)
  }
  return Object.fromEntries(Object.entries(measured).map(([name, value]) => [name, value / SECONDS]))
}

/**
 * As many messages as go. What a process costs that has little to do says nothing about what it can do: its code and its
 * sockets have left the processor's caches each time that it wakes.
 */
async function fill (redis, servers, { rooms, size, processes }) {
  const before = await redis.cpu()
  const sent = await Promise.all(servers.map(server => server.ask('flood', { underWay: UNDER_WAY, seconds: FLOOD, rooms, size })))
  const each = sent.reduce((sum, one) => ({ cpu: sum.cpu + one.cpu, sent: sum.sent + one.sent }))
  return { rate: each.sent / FLOOD, process: each.cpu / processes / FLOOD, redis: (await redis.cpu() - before) / FLOOD }
}

async function kill (server, crowd, { reconnect }) {
  const start = performance.now()
  const away = crowd.of(server)
  await server.stop()
  await crowd.comeBack(away, server, reconnect)
  const seconds = (performance.now() - start) / 1_000
  await sleep(SETTLE)
  return { sockets: away.length, seconds }
}

async function subscriptions (redis) {
  const channels = await redis.admin.pubsub('CHANNELS', '*room-*')
  const numbers = await redis.admin.pubsub('NUMSUB', ...channels)
  return { channels: channels.length, subscriptions: numbers.reduce((sum, value, index) => index % 2 === 0 ? sum : sum + value, 0) }
}

async function histories (redis, rooms) {
  const keys = Array.from({ length: rooms }, (_, room) => `{rooms:room-${room}}:s`)
  const sizes = await Promise.all(keys.map(key => redis.admin.memory('USAGE', key, 'SAMPLES', 0)))
  return sizes.reduce((sum, size) => sum + (size ?? 0), 0)
}

async function sum (servers, names) {
  const all = await Promise.all(servers.map(server => server.ask('stats')))
  return Object.fromEntries(names.map(name => [name, all.reduce((sum, stats) => sum + stats[name], 0)]))
}

/** The clients. */
class Crowd {
  #servers
  #drawRoom
  #random
  #present = []
  #next = 0

  constructor (servers, { members, rooms, exponent, seed }) {
    this.#servers = servers
    this.#random = createRandom(seed + 1_000_003)
    this.#drawRoom = createRooms(members, rooms, exponent, this.#random)
  }

  async enter (count) {
    let left = count
    await Promise.all(Array.from({ length: CONCURRENCY }, async () => {
      while (left-- > 0) await this.#join(this.#drawRoom(), this.#servers)
    }))
  }

  /** So many per second leave, and as many others come. */
  async change (rate, seconds) {
    const coming = []
    const start = performance.now()
    for (let due = start; due < start + seconds * 1_000; due -= Math.log(1 - this.#random()) / rate * 1_000) {
      if (due > performance.now()) await sleep(due - performance.now())
      const at = Math.floor(this.#random() * this.#present.length)
      const [{ member }] = this.#present.splice(at, 1, this.#present.at(-1))
      this.#present.pop()
      member.socket.destroy()
      coming.push(this.#join(this.#drawRoom(), this.#servers))
    }
    await Promise.all(coming)
  }

  of (server) {
    return this.#present.filter(({ on }) => on === server)
  }

  async comeBack (away, server, seconds) {
    const others = this.#servers.filter(other => other !== server)
    this.#present = this.#present.filter(({ on }) => on !== server)
    await Promise.all(away.map(async ({ room }) => {
      await sleep(this.#random() * seconds * 1_000)
      await this.#join(room, others)
    }))
  }

  async #join (room, servers) {
    const on = servers[Math.floor(this.#random() * servers.length)]
    const number = this.#next++
    const member = new Member({ speaks: 'token', port: on.port, room: `room-${room}`, user: `user-${number}`, address: `127.0.0.${2 + number % ADDRESSES}`, onCount () {} })
    member.ready.catch(() => {}) // of one who was sent away with its process
    await member.ready
    this.#present.push({ member, on, room })
  }
}

function percent (share) {
  return `${(share * 100).toFixed(1)} %`
}

function number (value) {
  return value >= 1_000 ? whole(value) : Number(value.toPrecision(3)).toString()
}
