import { contenders } from './contenders.js'
import { median, ratioOf } from './statistics.js'

const TCP = 'plain TCP'

/**
 * What is to be reached: a value of ours, divided by the same of another in the same run, is at most so much. Without
 * `against`, the value itself is. `floor` says what the least that can be done came to in the same run, as the ratio of
 * two values; it excuses nothing.
 */
export const RATIOS = [
  { title: '1,000 members, one at a time', result: 'fanout-1', metric: 'cpu', of: 'rooms', against: 'floor', atMost: 1.10 },
  { title: '1,000 members, one at a time', result: 'fanout-1', metric: 'cpu', of: 'rooms', against: 'socketio', floor: [TCP, 'floor', 'socketio'], atMost: 0.50 },
  { title: 'bursts of 10', result: 'fanout-10', metric: 'cpu', of: 'rooms', against: 'bun', floor: [TCP, 'joined', 'bun'], atMost: 1.25 },
  { title: 'bursts of 10', result: 'fanout-10', metric: 'cpu', of: 'rooms', against: 'socketio', atMost: 0.10 },
  { title: 'bursts of 100', result: 'fanout-100', metric: 'cpu', of: 'rooms', against: 'bun', atMost: 0.60 },
  { title: 'bursts of 100', result: 'fanout-100', metric: 'cpu', of: 'rooms', against: 'socketio', atMost: 0.02 },
  { title: 'through Redis, bursts of 100, 1,000 members', result: 'redis-fanout', metric: 'cpu', of: 'rooms', against: 'socketio', atMost: 0.03 },
  { title: 'through Redis, 1 member, bursts of 1,000, both processes', result: 'redis-single', metric: 'cpu', of: 'rooms', against: 'socketio', atMost: 0.33 },
  { title: '2,000 rooms of one member, one message to each in a burst', result: 'rooms', metric: 'cpu', of: 'rooms', against: 'ws', atMost: 0.95 },
  { title: '2,000 rooms of one member, one message to each in a burst', result: 'rooms', metric: 'cpu', of: 'rooms', against: 'socketio', atMost: 0.62 },
  { title: 'compression on, 300 members', result: 'compression', metric: 'cpu', of: 'rooms', against: 'ws', atMost: 0.20 },
  { title: 'memory of an authenticated idle socket', result: 'connect', metric: 'rss', of: 'rooms', against: 'hand', atMost: 1.10 },
  { title: 'memory of an authenticated idle socket', result: 'connect', metric: 'rss', of: 'rooms', against: 'socketio', atMost: 0.65 },
  { title: 'CPU to connect and authenticate', result: 'connect', metric: 'connect', of: 'rooms', against: 'hand', atMost: 1.15 },
  { title: 'CPU to connect and authenticate', result: 'connect', metric: 'connect', of: 'rooms', against: 'socketio', floor: ['by hand', 'hand', 'socketio'], atMost: 0.65 },
  { title: 'latency p50 of a single message to 1 member', result: 'latency', metric: 'p50', of: 'rooms', against: 'ws', atMost: 1.10 },
  { title: 'CPU per delivery, 10,000 members against 100', result: 'members', metric: 'cpu', of: 'rooms-10000', against: 'rooms-100', floor: [TCP, 'floor-10000', 'floor-100'], atMost: 1.30 },
  { title: 'join and leave, 100,000 rooms against 100', result: 'joins', metric: 'join', of: 'many', against: 'few', atMost: 1.30 },
  { title: 'one stalled reader among 1,000: the p99 of the others', result: 'stalled', metric: 'p99', of: 'stalled', against: 'healthy', atMost: 1.50 },
  { title: 'one stalled reader among 1,000: growth of the process, in MB', result: 'stalled', metric: 'growth', of: 'stalled', atMost: 30, unit: 1_000_000 },
  { title: 'a message of ten fields by a contract, against `JSON.stringify`', result: 'contracts-out', metric: 'work', of: 'contract', against: 'json', atMost: 1 },
  { title: 'a message of ten fields by a contract, against `JSON.stringify`, with Redis', result: 'contracts-out', metric: 'work', of: 'contract-redis', against: 'json-redis', atMost: 1 },
  { title: 'the same, written into bytes', result: 'contracts-bytes', metric: 'work', of: 'contract', against: 'json', atMost: 1 },
  { title: 'the same, written into bytes, with Redis', result: 'contracts-bytes', metric: 'work', of: 'contract-redis', against: 'json-redis', atMost: 1 },
  { title: 'a command of ten fields, parsed safely and validated, against `JSON.parse`', result: 'contracts-in', metric: 'work', of: 'contract', against: 'json', atMost: 1.5 },
  { title: 'a command of ten fields, parsed safely and validated, against `JSON.parse`, with Redis', result: 'contracts-in', metric: 'work', of: 'contract-redis', against: 'json-redis', atMost: 1.5 },
  { title: 'a command of one field', result: 'contracts-small', metric: 'work', of: 'contract', against: 'json', atMost: 1.5 },
  { title: 'a command of one field, with Redis', result: 'contracts-small', metric: 'work', of: 'contract-redis', against: 'json-redis', atMost: 1.5 },
  { title: 'to check the types of an example, in seconds, the slowest', result: 'types', metric: 'compile', of: 'slowest', atMost: 5 }
]

/** Each ratio of what was run, with its opponent in words and what came out; `value` is missing where a contender was. */
export function judge (results) {
  return RATIOS.flatMap(ratio => {
    const result = results.find(({ id }) => id === ratio.result)
    return result === undefined ? [] : [{ ...ratio, opponent: opponent(ratio, result), ...measured(ratio, result) }]
  })
}

function measured ({ metric, of, against, floor, atMost, unit = 1 }, { values }) {
  const ours = values[of]?.[metric]
  const theirs = against === undefined ? [unit] : values[against]?.[metric]
  if (ours === undefined || theirs === undefined) return { met: false }
  const value = ratioOf(ours, theirs)
  return { value, least: floor && leastOf(floor, values, metric), met: value <= atMost }
}

function leastOf ([name, of, against], values, metric) {
  return `${name} ${(median(values[of][metric]) / median(values[against][metric])).toFixed(2)}`
}

function opponent ({ against }, { titles }) {
  if (against === undefined) return '-'
  return titles === undefined ? contenders[against].title : 'itself'
}
