// npm run docs:scaling [-- check]: writes the tables of docs/scaling.md that hold numbers of constants.json, or what is
// reckoned from them; or looks whether they are what would be written.
import { readFileSync, writeFileSync } from 'node:fs'
import { number } from './metrics.js'
import { limits, megabytes, percent, sum, whole } from './simulation/limits.js'
import { loopLoad } from './simulation/loop.js'
import { OPTIONS, readOptions } from './simulation/options.js'
import { pencil } from './simulation/pencil.js'
import { plan } from './simulation/plan.js'
import { sweepTable } from './simulation/report.js'
import { table } from './tables.js'

const PAGE = new URL('../docs/scaling.md', import.meta.url)
const constants = JSON.parse(readFileSync(new URL('constants.json', import.meta.url)))
const { redis, cluster, process: ours } = constants

const EVEN = '--session 1800 --sockets 100000 --processes 10 --rooms 10000 --members equal'
const MILLION = '--session 1800 --sockets 1000000 --processes 40 --rooms 50000'
/** What stands above each column, what Redis is, and the workload. */
const PLANS = [
  ['1,000 sockets', 'one', '--session 1800 --sockets 1000 --processes 2 --rooms 100'],
  ['10,000', 'one, a replica, Sentinel', '--session 1800 --sockets 10000 --processes 3 --rooms 1000'],
  ['100,000', 'one, a replica, Sentinel', '--session 1800 --sockets 100000 --processes 10 --rooms 10000'],
  ['a million', 'one, a replica, Sentinel', MILLION]
]
const EXTREMES = [
  ['one room of a million', 'one, a replica, Sentinel', '--session 1800 --sockets 1000000 --processes 100 --rooms 1 --rate 2'],
  ['a million rooms of one', 'one, a replica, Sentinel', '--session 1800 --sockets 1000000 --processes 40 --rooms 1000000 --members equal --rate 0.02'],
  ['the same, ten times the messages', 'Cluster of 6 masters', '--session 1800 --sockets 1000000 --processes 40 --rooms 1000000 --members equal --rate 0.2 --nodes 6']
]
const KEPT = '--history 100 --reconnect 10'
const [TARGET] = OPTIONS.target
/** Where constants.json is older than what measures them. */
const UNMEASURED = 'Not among these constants: `npm run bench:constants` measures it.'
/** Ports of one address towards another, by default on Linux. */
const PORTS = 60_999 - 32_768 + 1
/** Sockets are told to go in this time by default: drainTimeout without closeTimeout, in seconds. */
const DRAIN = 3

const micros = value => value === undefined ? '' : `${number(value)} µs`
const bytes = value => value >= 10_000 ? `${number(value / 1_000)} KB` : `${whole(value)} B`

const blocks = {
  measured: () => table(['', ''], [
    ['measured', constants.measured],
    ...Object.entries(constants.machine),
    ['versions', Object.entries(constants.versions).filter(([name]) => ['fastify-rooms', 'Node', 'Redis', 'ioredis', 'ws'].includes(name)).map(([name, version]) => `${name} ${version}`).join(', ')]
  ]),

  commands () {
    const [none, one, two, eight, , forty] = redis.publish.busy.map(([subscribed], index) => [
      `\`PUBLISH\`, ${subscribed === 0 ? 'nobody is subscribed' : subscribed === 1 ? 'to 1 process' : `to ${subscribed} processes`}`,
      ...['alone', 'busy', 'gathered'].map(mode => micros(redis.publish[mode][index][1]))
    ])
    const { replica } = redis
    const row = (name, { alone, busy, gathered }) => [name, micros(alone), micros(busy), micros(gathered)]
    return table(['CPU of Redis for one', 'alone', '16 at the same time', '100 in one write'], [
      none, one, two, eight, forty,
      row('`SUBSCRIBE` or `UNSUBSCRIBE` of a room', redis.subscribe),
      row('members counted: `HSET` and `EXPIRE`', redis.report),
      row('the last member here has left: `HDEL`', redis.forget),
      row('message of a room with history, nobody is subscribed; a hundred are to as many rooms', redis.append),
      ...redis.append.one === undefined ? [] : [['a hundred to one room', '', '', micros(redis.append.one)]],
      row('a look at the end of a history', redis.look),
      [`the last ${redis.tail[0]} messages of a history`, '', micros(redis.tail[1]), ''],
      ...replica === undefined ? [] : [['`PUBLISH`, nobody is subscribed: of a master without replica; with one; of that', '', [replica.without, replica.with, replica.replica].map(micros).join('; '), '']]
    ])
  },

  memory () {
    const { channel, subscription, connection, count, history } = redis.memory
    const kept = wanted => Object.entries(history).map(([size, points]) => `${bytes(points.find(([kept]) => kept === wanted)[1])} (${whole(Number(size))} B each)`).join(', ')
    return table(['memory of Redis', ''], [
      ['a room that one process has subscribed to; each further process', `${bytes(channel)}; ${bytes(subscription)}`],
      ['a connection', bytes(connection)],
      ['count of a room, by processes that have members', count.map(([processes, size]) => `${processes}: ${bytes(size)}`).join(', ')],
      ...[1, 10, 100, 300].map(wanted => [`a history of ${wanted} message${wanted === 1 ? '' : 's'}`, kept(wanted)])
    ])
  },

  process: () => table(['one process of the plugin', ''], [
    ['memory, without sockets; for each socket; of the kernel for each', `${megabytes(ours.empty)}; ${bytes(ours.socket)}; ${ours.kernel === null ? 'not known' : bytes(ours.kernel)}`],
    ['memory for each room with members; in addition, where it has history', `${bytes(ours.room)}; ${bytes(ours.history)}`],
    ['CPU to let a client in (WebSocket, token, room, count)', micros(ours.connect)],
    ['CPU for a client that comes and goes; in addition, where nobody else is in the room here', `${micros(ours.visit)}; ${micros(ours.subscribe)}`],
    ['CPU to ping a socket and to hear that it lives', micros(ours.ping)],
    ['CPU to send a message to Redis, one of many; alone', `${micros(ours.send.busy)}; ${micros(ours.send.alone)}`],
    ['CPU to receive a message from Redis, one of many; alone', `${micros(ours.receive.busy)}; ${micros(ours.receive.alone)}`],
    [`CPU to hand it to a member, where ${ours.delivery.map(([sockets]) => whole(sockets)).join('; ')} sockets are written to by turns`, ours.delivery.map(([, cost]) => micros(cost)).join('; ')],
    ['CPU to look at the end of a history', micros(ours.look)]
  ]),

  paces: () => redis.paces?.length > 0 && table(['messages per second', 'each to', 'share of a core, measured', 'reckoned', 'of those, when it is under load'], redis.paces.map(([subscribed, rate, measured]) => {
    const { shown, underLoad } = loopLoad({ rate, fanOut: subscribed, processes: 40, ...redis.model })
    return [whole(rate), `${subscribed} of 40 processes`, percent(measured), percent(shown), percent(underLoad)]
  })),

  cluster: () => table(['three masters, 12 processes', 'CPU of all nodes for one message', 'bytes between all, for one message'], cluster.messages.map(([name, cost, size]) => [
    name.replace('sharded', 'sharded, `SPUBLISH`,').replace('classic', 'classic, `PUBLISH`,').replace(/to (\d+)$/, (_, processes) => `to ${processes} processes`), micros(cost), bytes(size)
  ])) + `\n\nEach further node costs a classic message ${micros(cluster.relay)} and ${bytes(cluster.relayBytes)} more.`,

  saturation () {
    const [[, none], ...some] = redis.publish.busy
    const [[, noneGathered], ...someGathered] = redis.publish.gathered
    const rate = cost => whole(Number((TARGET * 1_000_000 / cost).toPrecision(2)))
    return table(['each message goes to', 'one by one', 'a hundred in one write', 'with history, one by one', 'with history, a hundred'], some.map(([processes, cost], index) => [
      `${processes} process${processes === 1 ? '' : 'es'}`, rate(cost), rate(someGathered[index][1]), rate(redis.append.busy + cost - none), rate(redis.append.gathered + someGathered[index][1] - noneGathered)
    ]))
  },

  pencil () {
    const { options } = readOptions(EVEN.split(' '), {})
    return table(['', 'formula', 'comes to', 'simulated'], pencil(options, constants, plan(options, constants)))
  },

  plans: () => planTable(PLANS),
  extremes: () => planTable(EXTREMES),
  kept: () => planTable(PLANS, KEPT),

  processes: () => sweep(`${MILLION} --reconnect 10 --sweep processes=10,20,40,80,160`),
  rooms: () => sweep(`${MILLION} --reconnect 10 --sweep rooms=100,1000,10000,100000,1000000`),
  nodes: () => sweep(`${MILLION} --reconnect 10 --history 100 --sweep nodes=1,3,6,12`),
  members: () => sweep('--session 1800 --processes 40 --rooms 10000 --reconnect 10 --sweep sockets=1000,10000,100000,1000000'),
  hot: () => sweep('--session 1800 --sockets 100000 --rooms 1 --rate 5 --reconnect 10 --sweep processes=2,5,10,20,40')
}

const page = readFileSync(PAGE, 'utf8')
const found = new Set()
const written = page.replaceAll(/(<!-- reckoned: (\w+) -->\n)[^]*?(<!-- end -->)/g, (_, begin, name, end) => {
  found.add(name)
  return `${begin}\n${blocks[name]() || UNMEASURED}\n\n${end}`
})
for (const name of Object.keys(blocks)) if (!found.has(name)) throw new Error(`docs/scaling.md has no place for ${name}.`)
if (!process.argv.includes('check')) writeFileSync(PAGE, written)
else if (written !== page) throw new Error('docs/scaling.md is not what comes of bench/constants.json. Run: npm run docs:scaling')

function planTable (plans, more) {
  const all = plans.map(([title, topology, words]) => ({ title, topology, ...reckon(more === undefined ? words : `${words} ${more}`) }))
  const row = (name, look) => [name, ...all.map(look)]
  const rows = more === undefined ? [...sizes(row), ...capacity(row), ...moves(row)] : histories(row)
  return table(['', ...all.map(({ title }) => title)], rows)
}

function sizes (row) {
  return [
    row('sockets; rooms', ({ options }) => `${whole(options.sockets)}; ${whole(options.rooms)}`),
    row('processes', ({ options }) => whole(options.processes)),
    row('Redis', ({ topology }) => topology),
    row('members of the biggest room; of the one in the middle', ({ placement }) => `${whole(placement.biggest)}; ${whole(placement.median)}`),
    row('subscriptions of a process; of a Redis', ({ placement }) => `${whole(placement.perProcess.mean)}; ${whole(placement.perNode.mean)}`),
    row('messages per second; each reaches', ({ placement, options }) => `${whole(placement.messages)}; ${(placement.reachOfMessages * options.processes).toFixed(1)} processes`),
    row('Redis to processes; processes to sockets, per second', ({ placement, redis: { nodes } }) => `${whole(sum(nodes.map(({ copies }) => copies)))}; ${whole(placement.deliveries)}`)
  ]
}

function capacity (row) {
  return [
    row('a Redis: commands per second', ({ redis: { hottest } }) => whole(hottest.operations)),
    row('its CPU; memory; sends', ({ redis: { hottest } }) => `${percent(hottest.underLoad)}; ${megabytes(sum(hottest.memory))}; ${megabytes(hottest.out)}/s`),
    row('a process: sockets, as many open files, and 64', ({ process: { busiest } }) => whole(busiest.sockets)),
    row('its CPU; memory; of the kernel; sends', ({ process: { busiest } }) => `${percent(busiest.underLoad)}; ${megabytes(busiest.memory)}; ${megabytes(busiest.kernel)}; ${megabytes(busiest.out)}/s`),
    row('one message to the biggest room holds it up for', ({ room }) => `${number(room.stall)} ms`),
    row('addresses of balancers, for their ports', ({ process: { busiest }, death }) => whole(Math.ceil((busiest.sockets + death.most) / PORTS)))
  ]
}

function moves (row) {
  return [
    row('a process dies: sockets; CPU of each other, if they come back in 1 s', ({ death }) => `${whole(death.sockets)}; ${percent(death.meanwhile)}`),
    row('subscriptions made for them; CPU of Redis for all', ({ death }) => `${whole(death.subscriptions)}; ${number(death.redis * 1_000)} ms`),
    row('a process is restarted: sockets per second that come to the others', ({ process: { busiest } }) => whole(busiest.sockets / DRAIN)),
    row('Redis comes back: subscriptions; CPU of each Redis for them', ({ outage }) => `${whole(outage.subscriptions)}; ${number(outage.redis * 1_000)} ms`),
    row('the first limit; how much of it is used', ({ tightest }) => `${tightest.what}; ${percent(tightest.share)}`)
  ]
}

function histories (row) {
  return [
    row('a Redis: CPU; memory', ({ redis: { hottest } }) => `${percent(hottest.underLoad)}; ${megabytes(sum(hottest.memory))}`),
    row('of that, histories', ({ redis: { hottest } }) => megabytes(hottest.memory.history)),
    row('a process dies: histories read; bytes of them', ({ death }) => `${whole(death.reads)}; ${megabytes(death.read)}`),
    row('CPU of Redis for all', ({ death }) => `${number(death.redis * 1_000)} ms`),
    row('missed messages of a client; bytes to all', ({ death }) => `${whole(death.missed)}; ${megabytes(death.replayed)}`),
    row('the first limit; how much of it is used', ({ tightest }) => `${tightest.what}; ${percent(tightest.share)}`)
  ]
}

function reckon (words) {
  const planned = plan(readOptions(words.split(' '), {}).options, constants)
  return { ...planned, tightest: limits(planned)[0] }
}

function sweep (words) {
  const { name, runs } = readOptions(words.split(' '), {}).sweep
  return `\`npm run simulate -- ${words}\`\n\n${sweepTable(name, runs.map(({ value, options }) => {
    const planned = plan(options, constants)
    return { value, plan: planned, tightest: limits(planned)[0] }
  }))}`
}
