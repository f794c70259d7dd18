import { interleave } from '../contest.js'
import { append, APPEND_LINES, appendToOne, begin, read, readLines, SCRIPTS, streamOf, tail, tailLines } from './scripts.js'
import { text } from './text.js'
import { command, Wire } from './wire.js'

const CONNECTIONS = 16
const PROCESSES = 40
const ROOMS = 1_000
const SIZE = 200 // bytes of JSON
const LONG = 4_000
const HISTORY = 100 // messages that a room keeps
const PAGE = 32 // of those, how many the plugin reads at once for clients that come back
const ENTRIES = [0, 10, 100]
const SUBSCRIBED = [0, 1, 2, 8, 20, 40]
const WARM_UP = 2_000

/**
 * Each command is measured three ways, because most of a command that comes alone is the waking up. `alone`: the next one
 * is sent when the one before is answered. `busy`: sixteen connections do that at the same time. `gathered`: one write has
 * a hundred.
 */
const MODES = {
  alone: { connections: 1, perWrite: 1, count: 1_500 },
  busy: { connections: CONNECTIONS, perWrite: 1, count: 8_000 },
  gathered: { connections: 1, perWrite: 100, count: 20_000 }
}

/** @returns by command and mode, microseconds of Redis and bytes that it got and sent for each, one value per round */
export async function measureCommands (node, rounds) {
  const turns = []
  for (const [name, { modes = Object.keys(MODES), ...kind }] of Object.entries(await commands(node))) {
    for (const mode of modes) {
      const { connections } = MODES[mode]
      const wires = await Promise.all(Array.from({ length: connections }, () => Wire.open(node.port)))
      turns.push({ name: `${name}, ${mode}`, ...kind, ...MODES[mode], wires })
    }
  }
  for (const turn of turns) await run(node, turn, WARM_UP)
  const values = await interleave(turns, rounds, turn => run(node, turn, turn.count))
  for (const { wires } of turns) for (const wire of wires) wire.close()
  return values
}

async function run (node, { wires, perWrite, write, lines, once = 0, prepare }, count) {
  const writes = Math.ceil(count / perWrite / wires.length)
  await prepare?.(wires.length * writes * perWrite)
  // All bytes are made before the clock starts: this process would not keep up otherwise.
  const plans = wires.map((_, wire) => Array.from({ length: writes }, (_, number) => write({ wire, number, perWrite })))
  const before = await node.traffic()
  await Promise.all(wires.map(async (wire, index) => {
    for (const bytes of plans[index]) await wire.send(bytes, once + lines * perWrite)
  }))
  const after = await node.traffic()
  const done = wires.length * writes * perWrite
  return Object.fromEntries(Object.keys(after).map(metric => [metric, (after[metric] - before[metric]) / done]))
}

async function commands (node) {
  const kinds = {}
  const processes = await Promise.all(Array.from({ length: PROCESSES }, () => Wire.open(node.port)))
  for (const subscribed of SUBSCRIBED) kinds[`publish to ${subscribed}`] = publish(processes, subscribed, SIZE)
  kinds['publish long to 8'] = publish(processes, 8, LONG)
  kinds.subscribe = { write: subscription, lines: 6 }
  Object.assign(kinds, await counts(node), await histories(node, processes))
  return kinds
}

function publish (processes, subscribed, size) {
  const channels = Array.from({ length: ROOMS }, (_, room) => `rooms:room-${size}-${subscribed}-${room}`)
  subscribe(processes, channels, subscribed)
  return { write: eachRoom(room => command('PUBLISH', channels[room], text(size))), lines: 1 }
}

/** Each to so many of the processes, never the same ones. */
function subscribe (processes, channels, subscribed) {
  channels.forEach((channel, room) => {
    for (let number = 0; number < subscribed; number++) processes[(room * 7 + number * 3) % PROCESSES].discard(command('SUBSCRIBE', channel))
  })
}

/** The plugin names all channels of a turn in one command. Half of what is measured are UNSUBSCRIBEs, so that nothing remains. */
function subscription ({ wire, number, perWrite }) {
  const channels = Array.from({ length: perWrite }, (_, index) => `rooms:fresh-${wire}-${(number >> 1) * perWrite + index}`)
  return Buffer.from(command(number % 2 === 0 ? 'SUBSCRIBE' : 'UNSUBSCRIBE', ...channels))
}

/** What occupancy.ts writes: that a process has so many members, and that it has none any more. */
async function counts (node) {
  const wire = await Wire.open(node.port)
  const key = room => `{rooms:count-${room}}:n`
  const process = number => `aBcDeFgHiJkL-${number}` // as long as such a name is
  let forgotten = 0
  return {
    report: { write: eachRoom((room, number) => command('HSET', key(room), process(number % 8), number % 50) + command('EXPIRE', key(room), 86_400)), lines: 2 },
    forget: {
      async prepare (many) {
        for (let room = 0; room < many; room++) await wire.send(command('HSET', key(`last-${room}`), process(0), 1), 1)
        forgotten = 0
      },
      write: ({ perWrite }) => Buffer.from(Array.from({ length: perWrite }, () => command('HDEL', key(`last-${forgotten++}`), process(0))).join('')),
      lines: 1
    }
  }
}

async function histories (node, processes) {
  const wire = await Wire.open(node.port)
  for (const script of SCRIPTS) await node.admin.script('LOAD', script)
  const channels = kind => Array.from({ length: ROOMS }, (_, room) => `rooms:history-${kind}-${room}`)
  const appending = kind => {
    const all = channels(kind)
    let next = 0
    return {
      // All messages of a turn are one call.
      write: ({ perWrite }) => {
        const number = next
        next += perWrite
        return Buffer.from(append(Array.from({ length: perWrite }, (_, index) => all[(number + index) % ROOMS]), HISTORY, number, text(SIZE)))
      },
      lines: APPEND_LINES.each,
      once: APPEND_LINES.once
    }
  }
  for (const kind of ['0', '8', 'still']) {
    await wire.send(channels(kind).map(begin).join(''), 3 * ROOMS)
    for (let number = 0; number < 2 * HISTORY; number++) await wire.send(append(channels(kind), HISTORY, number, text(SIZE)), APPEND_LINES.once + ROOMS * APPEND_LINES.each)
  }
  subscribe(processes, channels('8'), 8)
  const still = channels('still')
  const kinds = { 'append to 0': appending('0'), 'append to 8': appending('8'), 'append in one': appendingToOne() }
  for (const entries of ENTRIES) {
    const from = await Promise.all(still.map(async channel => (await node.admin.xrevrange(streamOf(channel), '+', '-', 'COUNT', entries + 1)).at(-1)))
    kinds[`read ${entries}`] = { ...entries > 0 && { modes: ['alone', 'busy'] }, write: eachRoom(room => read(still[room], from[room])), lines: readLines(entries) }
  }
  kinds.tail = { modes: ['alone', 'busy'], write: eachRoom(room => tail(still[room], PAGE)), lines: tailLines(PAGE) }
  return kinds
}

/** All messages of a turn are for the same room. */
function appendingToOne () {
  let next = 0
  return {
    modes: ['gathered'],
    write ({ perWrite }) {
      const number = next
      next += perWrite
      return Buffer.from(appendToOne(`rooms:history-0-${number / perWrite % ROOMS}`, HISTORY, number, perWrite, text(SIZE)))
    },
    lines: 0,
    once: APPEND_LINES.once + APPEND_LINES.each
  }
}

function eachRoom (make) {
  let next = 0
  return ({ perWrite }) => Buffer.from(Array.from({ length: perWrite }, () => {
    const number = next++
    return make(number % ROOMS, number)
  }).join(''))
}
