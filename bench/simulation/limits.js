const MEGABYTE = 1_000_000
/** A process has some files open that are no sockets. */
const OTHER_FILES = 64
/** Redis needs memory beside what it keeps: for what is on its way, and for what its allocator wastes. */
const REDIS_RESERVE = 1.4

/** What may run out, how much of it is used where most of it is, and the share of what there is; the tightest first. */
export function limits ({ options, redis, process, room, death }) {
  const { target, processMemory, redisMemory, files, network, stall } = options
  const { hottest, nodes } = redis
  const bytesPerSecond = network * MEGABYTE / 8
  const fullest = Math.max(...nodes.map(({ memory }) => sum(memory)))
  const all = [
    ['CPU of a process', process.busiest.underLoad, target, share],
    ['CPU of a process after another one has died', death?.afterwards ?? 0, 1, share],
    ['CPU of a process while clients of a dead one come back', death?.meanwhile ?? 0, 1, share],
    ['memory of a process', process.busiest.memory, processMemory * MEGABYTE, megabytes],
    ['open files of a process, after another one has died', process.busiest.sockets + OTHER_FILES + (death?.most ?? 0), files, whole],
    ['what a process sends', process.busiest.out + process.busiest.in, bytesPerSecond, perSecond],
    ['CPU of a Redis', hottest.underLoad, target, share],
    ['CPU of a Redis while clients of a dead process come back', hottest.underLoad + (death?.redis ?? 0) / nodes.length / options.reconnect, 1, share],
    ['memory of a Redis', REDIS_RESERVE * fullest, redisMemory * MEGABYTE, megabytes],
    ['what a Redis sends', Math.max(...nodes.map(({ out }) => out)), bytesPerSecond, perSecond],
    ['one message to the biggest room', room.stall, stall, value => `${Number(value.toPrecision(2))} ms`]
  ]
  return all.map(([what, used, limit, write]) => ({ what, used, limit, share: used / limit, usedText: write(used), limitText: write(limit) }))
    .sort((one, other) => other.share - one.share)
}

export function sum (values) {
  return Object.values(values).reduce((sum, value) => sum + value, 0)
}

export function share (value) {
  return `${percent(value)} of a core`
}

export function percent (share) {
  return `${Number((share * 100).toPrecision(share >= 1 ? 3 : 2)).toLocaleString('en', { maximumFractionDigits: 4 })} %`
}

export function megabytes (bytes) {
  return `${Number((bytes / MEGABYTE).toPrecision(3)).toLocaleString('en')} MB`
}

export function perSecond (bytes) {
  return `${megabytes(bytes)}/s`
}

export function whole (value) {
  return Math.round(value).toLocaleString('en')
}
