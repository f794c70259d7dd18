import { writesFor } from '../simulation/loop.js'
import { median } from '../statistics.js'

/** How the commands were measured: see commands.js. */
const PROCESSES = 40
const CONNECTIONS = 16
const SIZE = 200
const LONG = 4_000
const CHANNEL = 'rooms:room-200-8-'.length + 2.89
const NODES = 3
const SUBSCRIBED = [0, 1, 2, 8, 20, 40]
const ENTRIES = [0, 10, 100]
const PAGE = 32

/** From all turns that were measured, the numbers that are reckoned with. */
export function derive ({ commands, paces, replica, memory, cluster, processes }) {
  return { redis: { ...redis(commands, paces, memory), replica: ofReplica(replica) }, cluster: ofCluster(cluster), process: ofProcess(processes) }
}

function redis (commands, paces, memory) {
  const cpu = name => median(commands[name].cpu)
  const into = name => median(commands[name].into)
  const out = name => median(commands[name].out)
  const publish = Object.fromEntries(['alone', 'busy', 'gathered'].map(mode => [mode, SUBSCRIBED.map(subscribed => [subscribed, micros(cpu(`publish to ${subscribed}, ${mode}`))])]))
  const command = name => Object.fromEntries(['alone', 'busy', 'gathered'].map(mode => [mode, micros(cpu(`${name}, ${mode}`))]))
  return {
    publish,
    long: { bytes: LONG, processes: 8, busy: micros(cpu('publish long to 8, busy')), gathered: micros(cpu('publish long to 8, gathered')) },
    subscribe: command('subscribe'),
    report: command('report'),
    forget: command('forget'),
    append: { ...command('append to 0'), one: micros(cpu('append in one, gathered')) },
    look: command('read 0'),
    tail: [PAGE, micros(cpu('tail, busy'))],
    read: ENTRIES.map(entries => [entries, micros(cpu(`read ${entries}, busy`))]),
    // Processes, messages per second, share of a core.
    paces: Object.entries(paces).map(([name, { rate, share }]) => [Number(name.split(' to ')[1]), Math.round(median(rate)), Number(median(share).toPrecision(2))]),
    model: {
      ...fit(publish),
      wake: micros(Math.max(0, cpu('publish to 0, alone') - cpu('publish to 0, busy'))),
      command: micros(cpu('publish to 0, busy')),
      kilobyte: micros((cpu('publish long to 8, gathered') - cpu('publish to 8, gathered')) / 8 / (LONG - SIZE) * 1_000),
      // Bytes beside the text and the name of the room: of what is sent to Redis, and of what Redis sends to a process.
      request: bytes(into('publish to 0, busy') - SIZE - CHANNEL),
      appendRequest: bytes(into('append to 0, busy') - SIZE - CHANNEL),
      envelope: bytes((out('publish to 8, busy') - out('publish to 0, busy')) / 8 - SIZE - CHANNEL),
      appendEnvelope: bytes((out('append to 8, busy') - out('append to 0, busy')) / 8 - SIZE - CHANNEL)
    },
    memory: rounded(memory)
  }
}

/**
 * What it costs to copy a message for a process, and to write to one, from what it costs more when more have subscribed. Not
 * from all that was measured alone: what the waking up costs is another thing each time, and few subscribers do not show
 * beside it.
 */
function fit ({ alone, busy }) {
  const [[, none], ...few] = busy
  const [[first, cheap], ...many] = alone.filter(([subscribed]) => subscribed >= 8)
  const points = [
    ...few.map(([subscribed, cost]) => ({ copies: subscribed, writes: writesFor(subscribed, CONNECTIONS, PROCESSES), extra: cost - none, cost })),
    ...many.map(([subscribed, cost]) => ({ copies: subscribed - first, writes: subscribed - first, extra: cost - cheap, cost }))
  ]
  // Least squares of what is missed, as a share of what was measured.
  let [cc, cw, ww, cy, wy] = [0, 0, 0, 0, 0]
  for (const { copies, writes, extra, cost } of points) {
    cc += (copies / cost) ** 2
    cw += copies * writes / cost ** 2
    ww += (writes / cost) ** 2
    cy += copies * extra / cost ** 2
    wy += writes * extra / cost ** 2
  }
  const determinant = cc * ww - cw * cw
  const copy = (cy * ww - wy * cw) / determinant
  const write = (wy * cc - cy * cw) / determinant
  const misses = points.map(({ copies, writes, extra, cost }) => Math.abs(copies * copy + writes * write - extra) / cost)
  return { copy: micros(copy), write: micros(write), misfit: Number(Math.max(...misses).toFixed(2)) }
}

function ofReplica (replica) {
  return Object.fromEntries(Object.entries(replica).map(([name, values]) => [name, micros(median(values))]))
}

function ofCluster ({ idle, messages }) {
  const value = (name, metric) => median(messages[name][metric])
  return {
    messages: Object.keys(messages).map(name => [name, micros(value(name, 'cpu')), bytes(value(name, 'bytes'))]),
    idle: bytes(idle),
    relay: micros((value('classic to 0', 'cpu') - value('sharded to 0', 'cpu')) / (NODES - 1)),
    relayBytes: bytes((value('classic to 0', 'bytes') - value('sharded to 0', 'bytes')) / (NODES - 1))
  }
}

function ofProcess ({ sockets: { socket }, visits, pings, looks, room, messages }) {
  const received = name => median(messages[name].received)
  const some = (received('busy, 1000 in 100') - received('busy, 1000 in 1000')) / 9
  const receive = received('busy, 1000 in 1000') - some
  const few = (received('busy, 100 in 10') - receive) / 10
  const visit = median(visits.shared.cpu)
  return {
    empty: bytes(median(socket.empty)),
    socket: bytes(median(socket.rss)),
    heap: bytes(median(socket.heap)),
    kernel: Number.isNaN(socket.kernel[0]) ? null : bytes(median(socket.kernel)),
    room: bytes(room.without),
    history: bytes(room.with - room.without),
    look: micros(median(looks)),
    connect: micros(median(socket.connect)),
    visit: micros(visit),
    subscribe: micros(median(visits.own.cpu) - visit),
    ping: micros(median(pings.ping)),
    idle: bytes(median(pings.idle)),
    send: { alone: micros(median(messages['alone, 1'].sent)), busy: micros(median(messages['busy, 1000 in 1000'].sent)) },
    receive: { alone: micros(received('alone, 1') - few), busy: micros(receive) },
    delivery: [[100, micros(few)], [1_000, micros(some)], [10_000, micros((received('busy, 10000 in 1000') - receive) / 10)]]
  }
}

function micros (value) {
  return Number(value.toPrecision(3))
}

function bytes (value) {
  return Math.round(value)
}

function rounded (value) {
  return JSON.parse(JSON.stringify(value), (_, value) => typeof value === 'number' ? Math.round(value) : value)
}
