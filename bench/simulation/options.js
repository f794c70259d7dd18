import { parseArgs } from 'node:util'

/** What can be said about a workload: its default, and what it means. */
export const OPTIONS = {
  sockets: [2_000, 'sockets, in all processes'],
  processes: [2, 'processes of the application'],
  rooms: [200, 'rooms'],
  members: ['zipf', 'how members spread over rooms: equal, uniform (any room), zipf (few rooms have most of them)'],
  exponent: [1, 'of zipf: the n-th room has a weight of 1 / n ** exponent'],
  perSocket: [1, 'rooms that each socket is in'],
  balance: ['random', 'which process a socket is put on: random, least (the one with the fewest), room (the one of its first room)'],
  rate: [0.2, 'messages per second to each room'],
  ratePerMember: [0, 'further messages per second to a room for each of its members'],
  size: [200, 'bytes of a message, as JSON'],
  session: [600, 'seconds that a socket stays'],
  history: [0, 'messages that each room keeps; 0 is no history'],
  ttl: [300, 'seconds that a history lives after its last message'],
  nodes: [1, 'Redis servers; more than one are a Cluster with sharded pub/sub'],
  prefix: ['rooms:', 'before the name of a room on Redis'],
  reconnect: [1, 'seconds over which clients spread their first attempt to come back'],
  keepAlive: [25, 'seconds between two pings to a socket'],
  target: [0.6, 'share of a core that a process or a Redis may take, so that something is left for the unexpected'],
  processMemory: [1_500, 'MB that a process may take'],
  redisMemory: [4_000, 'MB that a Redis may take'],
  files: [65_536, 'files that a process may have open'],
  network: [1_000, 'Mbit/s that a machine of either kind may send'],
  stall: [100, 'milliseconds that one message may keep a process from everything else'],
  seed: [1, 'of what is left to chance']
}
const CHOICES = { members: ['equal', 'uniform', 'zipf'], balance: ['random', 'least', 'room'] }
const WHOLE = ['sockets', 'processes', 'rooms', 'perSocket', 'size', 'history', 'nodes', 'seed']
const MOST = { processes: 65_535, nodes: 1_000, perSocket: 100, sockets: 20_000_000, rooms: 20_000_000 }
const MAY_BE_ZERO = ['rate', 'ratePerMember', 'history', 'exponent', 'seed']

/**
 * @param small what holds instead of the defaults for a run that is verified
 * @throws an error that says which option is wrong
 */
export function readOptions (words, small) {
  const names = Object.keys(OPTIONS)
  const { values } = parseArgs({
    args: words,
    options: Object.fromEntries([
      ...names.map(name => [dashed(name), { type: 'string' }]),
      ...['json', 'verify', 'help'].map(name => [name, { type: 'boolean' }]),
      ['sweep', { type: 'string' }]
    ])
  })
  const given = Object.fromEntries(names.map(name => [name, values[dashed(name)] ?? (values.verify ? small[name] : undefined) ?? OPTIONS[name][0]]))
  return { options: complete(given), sweep: readSweep(values.sweep, given), json: values.json === true, verify: values.verify === true, help: values.help === true }
}

/** `processes=2,4,8` is the same workload three times. */
function readSweep (text, given) {
  if (text === undefined) return undefined
  const [word, list = ''] = text.split('=')
  const name = Object.keys(OPTIONS).find(name => dashed(name) === word)
  if (name === undefined) throw new Error(`--sweep is an option and its values, such as processes=2,4,8; there is no ${word}.`)
  return { name: word, runs: list.split(',').map(value => ({ value, options: complete({ ...given, [name]: value }) })) }
}

function complete (given) {
  const options = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, read(name, value)]))
  if (options.perSocket > options.rooms) throw new Error('A socket cannot be in more rooms than there are.')
  if (options.sockets * options.perSocket > 100_000_000) throw new Error('So many members do not fit into this process.')
  return options
}

export function help () {
  const width = Math.max(...Object.keys(OPTIONS).map(name => dashed(name).length))
  return Object.entries(OPTIONS).map(([name, [byDefault, meaning]]) => `  --${dashed(name).padEnd(width)}  ${meaning} [${byDefault}]`).join('\n')
}

function read (name, given) {
  const choices = CHOICES[name]
  if (choices !== undefined) {
    if (!choices.includes(given)) throw new Error(`--${dashed(name)} is one of ${choices.join(', ')}.`)
    return given
  }
  if (typeof OPTIONS[name][0] === 'string') return given
  const number = Number(given)
  const fits = Number.isFinite(number) && number >= 0 && (number > 0 || MAY_BE_ZERO.includes(name)) &&
    (!WHOLE.includes(name) || Number.isInteger(number)) && number <= (MOST[name] ?? Infinity)
  if (!fits || given === '') throw new Error(`--${dashed(name)} cannot be ${given}.`)
  return number
}

/** As `perSocket` is written on the command line. */
export function dashed (name) {
  return name.replaceAll(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
}
