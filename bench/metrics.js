/** What is measured, and how it is written. Less is better in all but the rate. */
export const METRICS = {
  cpu: { title: 'CPU per delivery', write: micros },
  connect: { title: 'CPU per connection', write: micros },
  join: { title: 'CPU to connect, join and leave', write: micros },
  bare: { title: 'of which the handler alone', write: micros },
  p50: { title: 'latency p50', write: micros },
  p99: { title: 'latency p99', write: micros },
  compile: { title: 'time', write: seconds => `${number(seconds)} s` },
  work: { title: 'time for each', write: micros },
  rss: { title: 'memory per socket', write: kilobytes },
  heap: { title: 'of which on the heap', write: kilobytes },
  growth: { title: 'growth of the process', write: bytes => `${number(bytes / 1_000_000)} MB` },
  rate: { title: 'deliveries per second', write: rate => Math.round(Number(rate.toPrecision(3))).toLocaleString('en') }
}

/** Three digits, which is more than the machine's moods leave right. */
export function number (value) {
  return value >= 100 ? Math.round(value).toLocaleString('en') : Number(value.toPrecision(value >= 10 ? 3 : 2)).toString()
}

function micros (value) {
  return `${number(value)} µs`
}

function kilobytes (bytes) {
  return `${number(bytes / 1_000)} KB`
}
