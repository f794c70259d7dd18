import { interpolate } from './interpolate.js'
import { loopLoad } from './loop.js'
import { place, scatter } from './placement.js'
import { createRandom } from './random.js'
import { nodeOf } from './slots.js'

/** How often a process makes sure that both its connections to a Redis live, and that what is published arrives, per second. */
const PINGS = 1 / 0.9
/** How often it looks at the end of each history, per second with a Cluster, and in the life of a history otherwise. */
const LOOKS = 1
const LOOKS_PER_LIFE = 3
/** How many messages a client is sent that it has missed: maxRecovery. */
const MOST_MISSED = 300
/** What a frame has around the text of a message, and what a short command of Redis is, with its answer, in bytes. */
const FRAME = 4
const COMMAND = 60
const ANSWER = 5
/** What an entry of a history has around its text when it is read, and what a message's number and name add to it. */
const ENTRY = 70
const NUMBERED = 40
/** Redis cuts a subscriber off whose messages wait in so many bytes, by default. */
const OUTPUT_BUFFER = 32 * 1_024 * 1_024
const MICRO = 1_000_000

/** What a workload costs: counted where it can be counted, and reckoned with what was measured for the rest. */
export function plan (options, constants) {
  const random = createRandom(options.seed)
  const placed = place(options, random)
  const traffic = count(options, placed)
  const nodes = traffic.nodes.map(node => ofNode(node, options, constants))
  const processes = traffic.processes.map(process => ofProcess(process, options, constants))
  return {
    options,
    placement: placement(options, placed, traffic),
    redis: { nodes, hottest: mostLoaded(nodes) },
    process: { mean: meanOf(processes), busiest: mostLoaded(processes) },
    room: biggestRoom(options, placed, traffic, constants),
    death: death(options, placed, processes, constants, random),
    outage: outage(options, placed, traffic, nodes, constants),
    rolling: rolling(options.processes)
  }
}

/** What goes on in each second, by node of Redis and by process. */
function count ({ processes, rooms, rate, ratePerMember, session, history, ttl, nodes, prefix, sockets, perSocket }, placed) {
  const looks = history === 0 ? 0 : Math.max(nodes > 1 ? LOOKS : 0, LOOKS_PER_LIFE / ttl)
  const byNode = Array.from({ length: nodes }, () => ({ rooms: 0, channels: 0, subscriptions: 0, messages: 0, copies: 0, subscribes: 0, reports: 0, forgets: 0, reads: 0, looks: 0, counted: [] }))
  const byProcess = Array.from({ length: processes }, (_, process) => ({ sockets: placed.sockets[process], rooms: 0, received: 0, delivered: 0, subscribes: 0, looks: 0 }))
  let messages = 0
  let deliveries = 0
  let reachWeighted = 0
  for (let room = 0; room < rooms; room++) {
    const size = placed.sizes[room]
    const reached = placed.starts[room + 1] - placed.starts[room]
    const sent = rate + ratePerMember * size
    const node = byNode[nodeOf(`${prefix}room-${room}`, nodes)]
    messages += sent
    deliveries += sent * size
    reachWeighted += sent * reached
    node.rooms++
    node.messages += sent
    node.copies += sent * reached
    node.subscriptions += reached
    if (reached > 0) {
      node.channels++
      node.counted[reached] = (node.counted[reached] ?? 0) + 1
    }
    for (let pair = placed.starts[room]; pair < placed.starts[room + 1]; pair++) {
      const process = byProcess[placed.processes[pair]]
      const members = placed.counts[pair]
      process.rooms++
      process.received += sent
      process.delivered += sent * members
      // Who comes is counted, and so is who leaves, unless nobody is left. A room here that has one member loses it once
      // in a session, and just as often one that has none gains one.
      const last = members === 1 ? 1 / session : 0
      node.reports += 2 * members / session - last
      node.forgets += last
      node.subscribes += 2 * last
      process.subscribes += last
      if (history > 0) node.reads += last
      node.looks += looks
      process.looks += looks
    }
  }
  return { nodes: byNode, processes: byProcess.map(process => ({ ...process, sent: messages / processes, visits: process.sockets / session })), messages, deliveries, reach: messages === 0 ? 0 : reachWeighted / messages, memberships: sockets * perSocket }
}

function placement ({ processes, rooms }, { sizes, starts, sockets }, { nodes, processes: byProcess, messages, deliveries, reach }) {
  const sorted = sizes.toSorted().reverse()
  const subscriptions = starts[rooms]
  const inhabited = sorted.indexOf(0) === -1 ? rooms : sorted.indexOf(0)
  return {
    rooms: inhabited,
    biggest: sorted[0],
    median: inhabited === 0 ? 0 : sorted[inhabited >> 1],
    socketsOfOne: sockets[0],
    subscriptions,
    perNode: spread(nodes.map(({ subscriptions }) => subscriptions)),
    perProcess: spread(byProcess.map(({ rooms }) => rooms)),
    reachOfRooms: inhabited === 0 ? 0 : subscriptions / inhabited / processes,
    reachOfMessages: reach / processes,
    messages,
    deliveries
  }
}

function ofNode (node, { processes, size, history, prefix, nodes }, { redis, cluster }) {
  const { model } = redis
  const copy = model.copy + model.kilobyte * Math.max(0, size - 200) / 1_000
  const canaries = processes * PINGS
  const commands = [
    [history > 0 ? 'append' : 'publish', node.messages, history > 0 ? redis.append.busy : model.command],
    ['subscribe', node.subscribes, redis.subscribe.busy],
    ['report', node.reports, redis.report.busy],
    ['forget', node.forgets, redis.forget.busy],
    ['read', node.reads, redis.look.busy],
    ['look', node.looks, redis.look.gathered],
    ['ping', 2 * canaries, model.command],
    ['canary', canaries, model.command]
  ].filter(([, rate]) => rate > 0)
  // All histories that a process looks at in a turn come together, so they do not wake Redis one by one.
  const beside = (node.looks * redis.look.gathered + (nodes > 1 ? cluster.idle : 0)) / MICRO
  const single = commands.filter(([name]) => name !== 'look')
  const rate = single.reduce((sum, [, rate]) => sum + rate, 0)
  const command = single.reduce((sum, [, rate, cost]) => sum + rate * cost, 0) / rate
  const copies = node.copies + canaries
  const load = loopLoad({ rate, command, fanOut: copies / rate, processes, copy, write: model.write, wake: model.wake })
  const text = size + prefix.length + 'room-12345'.length
  const short = rate - node.messages + node.reports + node.looks // a report is two commands
  return {
    ...node,
    copies,
    commands: Object.fromEntries(commands.map(([name, rate]) => [name, rate])),
    operations: node.messages + short,
    ...load,
    underLoad: load.underLoad + beside,
    shown: Math.min(1, load.shown + beside),
    in: node.messages * (text + (history > 0 ? model.appendRequest : model.request)) + short * COMMAND,
    out: node.copies * (text + (history > 0 ? model.appendEnvelope : model.envelope)) + (node.messages + short) * ANSWER +
      canaries * COMMAND + (node.reads + node.looks) * text,
    memory: memoryOfNode(node, { processes, size, history }, redis)
  }
}

function memoryOfNode ({ channels, subscriptions, counted, rooms }, { processes, size, history }, { memory }) {
  const counts = counted.reduce((sum, rooms, processes) => sum + rooms * interpolate(memory.count, processes), 0)
  return {
    subscriptions: channels * memory.channel + (subscriptions - channels) * memory.subscription,
    connections: 2 * processes * memory.connection,
    counts,
    history: history > 0 ? rooms * ofHistory(memory.history, size, history) : 0
  }
}

/** Between the sizes of messages that were measured, and beyond them, by what the last two have told. */
export function ofHistory (measured, size, kept) {
  return interpolate(Object.entries(measured).map(([size, points]) => [Number(size), interpolate(points, kept)]), size)
}

function ofProcess (process, { size, keepAlive, prefix, history }, { process: cost }) {
  const delivery = deliveryCost(cost, process.sockets)
  const name = prefix.length + 'room-12345'.length
  return {
    ...process,
    /** Share of a core, of a process that has something to do. One that has little to do takes more for each thing that it does. */
    underLoad: (process.received * cost.receive.busy + process.delivered * delivery + process.sent * cost.send.busy +
      process.visits * cost.visit + process.subscribes * cost.subscribe + process.looks * cost.look +
      process.sockets / keepAlive * cost.ping + cost.idle) / MICRO,
    delivery,
    memory: cost.empty + process.sockets * cost.socket + process.rooms * (cost.room + (history > 0 ? cost.history : 0)),
    kernel: process.sockets * (cost.kernel ?? 0),
    in: process.received * (size + name),
    out: process.delivered * (size + FRAME)
  }
}

/** A write costs more the more sockets there are, because they are not in the processor's caches. */
export function deliveryCost ({ delivery }, sockets) {
  const [[fewest], [most]] = [delivery[0], delivery.at(-1)]
  const between = Math.min(most, Math.max(fewest, sockets))
  return interpolate(delivery.map(([sockets, cost]) => [Math.log(sockets), cost]), Math.log(between))
}

function biggestRoom ({ rate, ratePerMember }, { sizes, starts, counts }, { processes }, { process: cost }) {
  const room = sizes.indexOf(sizes.toSorted().at(-1))
  const here = Math.max(0, ...counts.subarray(starts[room], starts[room + 1]))
  return {
    members: sizes[room],
    processes: starts[room + 1] - starts[room],
    here,
    messages: rate + ratePerMember * sizes[room],
    stall: here * deliveryCost(cost, Math.max(...processes.map(({ sockets }) => sockets))) / 1_000
  }
}

/** One process is gone, and its clients come to the others. */
function death ({ processes, perSocket, reconnect, history, size, rate, ratePerMember, rooms }, placed, costs, { process: cost, redis }, random) {
  if (processes < 2) return undefined
  const dead = placed.sockets.indexOf(Math.max(...placed.sockets))
  const { subscriptions, rooms: affected, entered, gained } = scatter(placed, dead, random)
  const sockets = placed.sockets[dead]
  const most = Math.max(...gained) / perSocket
  const busiest = Math.max(...costs.map(({ underLoad }, process) => process === dead ? 0 : underLoad * processes / (processes - 1)))
  const perRoom = rate + ratePerMember * placed.sizes.reduce((sum, size) => sum + size, 0) / rooms
  const missed = Math.min(history, MOST_MISSED, Math.ceil(perRoom * reconnect))
  // What a room has kept is read once by each process that clients of the room come to, and shared by them.
  const reads = history > 0 ? entered : 0
  const read = Math.min(history, MOST_MISSED)
  return {
    sockets,
    most,
    /** Share of a core while they come back, and afterwards. */
    meanwhile: busiest + (most * cost.connect + subscriptions / (processes - 1) * cost.subscribe) / MICRO / reconnect,
    afterwards: busiest,
    rooms: affected,
    subscriptions,
    reports: 2 * sockets * perSocket,
    loads: history > 0 ? 0 : sockets * perSocket,
    reads,
    missed,
    /** Of all Redis nodes together. */
    redis: (subscriptions * (redis.subscribe.busy + (history > 0 ? redis.look.busy : 0)) + sockets * perSocket * redis.report.busy +
      reads * (Math.ceil(read / redis.tail[0]) * redis.model.command + read * (redis.tail[1] - redis.model.command) / redis.tail[0])) / MICRO,
    read: reads * read * (size + ENTRY),
    replayed: sockets * perSocket * missed * (size + NUMBERED + FRAME)
  }
}

/** Redis is gone and comes back: everything is subscribed to again, at once. */
function outage ({ sockets, perSocket, history, processes }, { starts }, { nodes }, costs, { redis }) {
  const subscriptions = starts.at(-1)
  const most = Math.max(...nodes.map(({ subscriptions }) => subscriptions))
  const [busiest] = costs.toSorted((one, other) => other.out - one.out)
  return {
    subscriptions,
    /** Seconds of the node that has most of them. */
    redis: most * ((nodes.length > 1 ? redis.subscribe.busy : redis.subscribe.gathered) + redis.report.gathered + (history > 0 ? redis.look.gathered : 0)) / MICRO,
    told: history > 0 ? 0 : sockets * perSocket,
    reads: history > 0 ? subscriptions : 0,
    buffer: busiest.out === 0 ? Infinity : OUTPUT_BUFFER * processes / busiest.out
  }
}

/**
 * All processes are restarted one after the other, and who has to leave one is put on any of the others, or on the one
 * with the fewest, as the balancer has it. How often a socket has to move on average, and how many sockets the fullest
 * process then has, against the average.
 */
function rolling (processes) {
  if (processes < 2) return undefined
  const sockets = new Float64Array(processes).fill(1)
  let moves = 0
  for (let process = 0; process < processes; process++) {
    const leaving = sockets[process]
    moves += leaving
    sockets[process] = 0
    for (let other = 0; other < processes; other++) if (other !== process) sockets[other] += leaving / (processes - 1)
  }
  return { moves: moves / processes, fullest: Math.max(...sockets), emptiest: Math.min(...sockets) }
}

function spread (values) {
  return { mean: values.reduce((sum, value) => sum + value, 0) / values.length, most: Math.max(...values) }
}

function mostLoaded (all) {
  return all.reduce((most, one) => one.underLoad > most.underLoad ? one : most)
}

function meanOf (all) {
  const keys = Object.keys(all[0]).filter(key => typeof all[0][key] === 'number')
  return Object.fromEntries(keys.map(key => [key, all.reduce((sum, one) => sum + one[key], 0) / all.length]))
}
