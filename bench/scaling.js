// npm run docs:scaling: writes the tables of docs/scaling.md that hold numbers of constants.json, or what is reckoned from them.
import { readFileSync, writeFileSync } from 'node:fs'
import { number } from './metrics.js'
import { limits, megabytes, percent, share, sum, whole } from './simulation/limits.js'
import { loopLoad } from './simulation/loop.js'
import { OPTIONS, dashed, readOptions } from './simulation/options.js'
import { plan } from './simulation/plan.js'
import { sweepTable } from './simulation/report.js'
import { table } from './tables.js'

const PAGE = new URL('../docs/scaling.md', import.meta.url)
const constants = JSON.parse(readFileSync(new URL('constants.json', import.meta.url)))
const { redis, cluster, process: ours } = constants

const SMALL = '--session 1800 --sockets 2000 --processes 2 --rooms 200'
const TEN = '--session 1800 --sockets 20000 --processes 10 --rooms 2000'
const HUNDRED_THOUSAND = '--session 1800 --sockets 100000 --processes 10 --rooms 10000'
const MILLION = '--session 1800 --sockets 1000000 --processes 40 --rooms 50000'

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
    const { without, with: master, replica } = redis.replica
    const row = (name, { alone, busy, gathered }) => [name, micros(alone), micros(busy), micros(gathered)]
    return table(['CPU of Redis for one', 'alone', '16 at the same time', '100 in one write'], [
      none, one, two, eight, forty,
      row('`SUBSCRIBE` or `UNSUBSCRIBE` of a room', redis.subscribe),
      row('members counted: `HSET` and `EXPIRE`', redis.report),
      row('the last member here has left: `HDEL`', redis.forget),
      row('message of a room with history, nobody is subscribed', redis.append),
      row('a look at the end of a history', redis.look),
      [`the last ${redis.tail[0]} messages of a history`, '', micros(redis.tail[1]), ''],
      ['`PUBLISH`, nobody is subscribed: of a master without replica; with one; of that', '', [without, master, replica].map(micros).join('; '), '']
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

  paces: () => table(['messages per second', 'each to', 'share of a core, measured', 'reckoned', 'of those, when it is under load'], redis.paces.map(([subscribed, rate, measured]) => {
    const { shown, underLoad } = loopLoad({ rate, fanOut: subscribed, processes: 40, ...redis.model })
    return [whole(rate), `${subscribed} of 40 processes`, percent(measured), percent(shown), percent(underLoad)]
  })),

  cluster: () => table(['three masters, 12 processes', 'CPU of all nodes for one message', 'bytes between all, for one message'], cluster.messages.map(([name, cost, size]) => [
    name.replace('sharded', 'sharded, `SPUBLISH`,').replace('classic', 'classic, `PUBLISH`,').replace(/to (\d+)$/, (_, processes) => `to ${processes} processes`), micros(cost), bytes(size)
  ])),

  plans () {
    const all = [SMALL, TEN, HUNDRED_THOUSAND, MILLION].map(words => reckon(words))
    const kept = [SMALL, TEN, HUNDRED_THOUSAND, MILLION].map(words => reckon(`${words} --history 100 --reconnect 10`))
    const row = (name, look, from = all) => [name, ...from.map(look)]
    return table(['', 'two processes', 'ten', '100,000 sockets', 'a million'], [
      row('sockets; processes; rooms', ({ options }) => `${whole(options.sockets)}; ${options.processes}; ${whole(options.rooms)}`),
      row('members of the biggest room; of the one in the middle', ({ placement }) => `${whole(placement.biggest)}; ${placement.median}`),
      row('subscriptions in all; of a process', ({ placement }) => `${whole(placement.subscriptions)}; ${whole(placement.perProcess.mean)}`),
      row('share of the processes that a message goes to', ({ placement }) => percent(placement.reachOfMessages)),
      row('per second: messages; Redis to processes; processes to sockets', ({ placement, redis: { hottest } }) => `${whole(placement.messages)}; ${whole(hottest.copies)}; ${whole(placement.deliveries)}`),
      row('Redis: CPU; memory; sends', ({ redis: { hottest } }) => `${share(hottest.underLoad)}; ${megabytes(sum(hottest.memory))}; ${megabytes(hottest.out)}/s`),
      row('a process: sockets; CPU', ({ process: { busiest } }) => `${whole(busiest.sockets)}; ${share(busiest.underLoad)}`),
      row('its memory; of the kernel', ({ process: { busiest } }) => `${megabytes(busiest.memory)}; ${megabytes(busiest.kernel)}`),
      row('one message to the biggest room takes of it', ({ room }) => `${number(room.stall)} ms`),
      row('a process dies: sockets; CPU of each other, if they come back in 1 s', ({ death }) => `${whole(death.sockets)}; ${share(death.meanwhile)}`),
      row('subscriptions made again; what that and the counts take of Redis', ({ death }) => `${whole(death.subscriptions)}; ${number(death.redis)} s`),
      row('Redis comes back: subscriptions; CPU of Redis for them', ({ outage }) => `${whole(outage.subscriptions)}; ${number(outage.redis)} s`),
      row('the first limit; how much of it is used', ({ tightest }) => `${tightest.what}; ${percent(tightest.share)}`),
      row('**each room keeps 100 messages**, clients come back in 10 s', () => '', kept),
      row('Redis: CPU; memory', ({ redis: { hottest } }) => `${share(hottest.underLoad)}; ${megabytes(sum(hottest.memory))}`, kept),
      row('a process dies: histories read; what all takes of Redis', ({ death }) => `${whole(death.reads)}; ${number(death.redis)} s`, kept),
      row('the first limit; how much of it is used', ({ tightest }) => `${tightest.what}; ${percent(tightest.share)}`, kept)
    ])
  },

  processes: () => sweep(`${MILLION} --reconnect 10 --sweep processes=10,20,40,80,160`),
  rooms: () => sweep(`${MILLION} --reconnect 10 --sweep rooms=100,1000,10000,100000,1000000`),
  nodes: () => sweep(`${MILLION} --reconnect 10 --history 100 --sweep nodes=1,3,6,12`),
  hot: () => sweep('--session 1800 --sockets 100000 --rooms 1 --rate 5 --reconnect 10 --sweep processes=2,5,10,20,40'),

  options: () => table(['option', 'default', ''], Object.entries(OPTIONS).map(([name, [byDefault, meaning]]) => [`\`--${dashed(name)}\``, String(byDefault), meaning]))
}

const page = readFileSync(PAGE, 'utf8')
const found = new Set()
const written = page.replaceAll(/(<!-- reckoned: (\w+) -->\n)[^]*?(<!-- end -->)/g, (_, begin, name, end) => {
  found.add(name)
  return `${begin}\n${blocks[name]()}\n\n${end}`
})
for (const name of Object.keys(blocks)) if (!found.has(name)) console.warn(`docs/scaling.md has no place for ${name}.`)
writeFileSync(PAGE, written)

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
