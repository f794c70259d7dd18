import { Child, Unsupported } from './child.js'
import { contenders } from './contenders.js'
import { percentile } from './statistics.js'

/** One contender: its server, or with Redis the one that publishes and the one that receives, and the load on it. */
export class Entry {
  name
  server
  publisher
  client
  #measured
  #load
  #run
  #bursts = 1

  /**
   * @param members connected before anything is measured
   * @param redis its URL; publishing is then another process's work
   * @param wanted what else the server is to know
   * @param measured whose CPU counts: the `receiver`'s, or that of `both`
   */
  static async start (name, { members, rooms = 1, redis, compress, measured = 'receiver', wanted }) {
    const entry = new Entry()
    const { file, speaks, runtime, flags } = contenders[name]
    const server = () => new Child(file, { wanted: { redis, compress, ...wanted }, runtime, flags })
    entry.name = name
    entry.server = server()
    entry.publisher = redis === undefined ? entry.server : server()
    entry.client = new Child('client.js')
    entry.#measured = measured === 'both' ? [entry.server, entry.publisher] : [entry.server]
    const [{ port }, { control }] = await Promise.all([entry.server.hello, entry.publisher.hello, entry.client.hello])
    entry.#load = { rooms, speaks, port, control, compress }
    if (members > 0) await entry.connect(members)
    return entry
  }

  /** Lets more members in. */
  async connect (count) {
    await this.client.ask('connect', { ...this.#load, count })
  }

  /** Lets members in who leave at once. */
  async visit (count) {
    await this.client.ask('visit', { ...this.#load, count })
  }

  /**
   * What the bursts to come are made of, and how the load takes them.
   * @param perBurst how many deliveries a burst is
   */
  async plan ({ burst, rooms, size, stamped }, { perBurst, pause = 0, listeners }) {
    this.#run = { perBurst, pause, listeners }
    await this.publisher.ask('plan', { burst, rooms, size, stamped })
  }

  /** Runs until code is compiled and caches are full, and finds out how many bursts make a slice of this length. */
  async warmUp (milliseconds) {
    const end = performance.now() + 3 * milliseconds
    let bursts = 1
    for (;;) {
      const { seconds } = await this.client.ask('run', { ...this.#run, bursts })
      this.#bursts = Math.max(1, Math.round(milliseconds / 1_000 / (seconds / bursts)))
      if (performance.now() > end) return
      bursts = Math.min(this.#bursts, bursts * 10)
    }
  }

  /** @returns microseconds of CPU per delivery; deliveries per second, where there were no pauses; latencies, where members listened */
  async run (bursts = this.#bursts) {
    const before = await this.cpu()
    const { seconds, deliveries, latencies } = await this.client.ask('run', { ...this.#run, bursts })
    const cpu = (await this.cpu() - before) / deliveries
    return {
      cpu,
      ...(this.#run.pause === 0 && { rate: deliveries / seconds }),
      ...(latencies.length > 0 && { p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) })
    }
  }

  async cpu () {
    let sum = 0
    for (const server of this.#measured) sum += (await server.ask('cpu')).cpu
    return sum
  }

  async stop () {
    await Promise.all([this.client, this.server, this.publisher].map(child => child?.stop()))
  }
}

/** Contenders side by side. All are up during the whole case, so that the machine's moods meet all of them alike. */
export class Contest {
  entries = []
  /** Why a contender does not take part, by name. */
  missing = {}

  static async open (names, options) {
    const contest = new Contest()
    for (const name of names) {
      try {
        contest.entries.push(await Entry.start(name, options))
      } catch (error) {
        if (!(error instanceof Unsupported)) throw error
        contest.missing[name] = error.message
      }
    }
    return contest
  }

  async each (work) {
    for (const entry of this.entries) await work(entry)
  }

  async close () {
    await Promise.all(this.entries.map(entry => entry.stop()))
  }
}

/**
 * A B C, C B A, A B C, …: what each measured, by its name and by what was measured. Who has just had a turn still collects
 * its garbage, and does so beside whoever is next: that must not always be the same.
 */
export async function interleave (entries, rounds, measure) {
  const values = Object.fromEntries(entries.map(({ name }) => [name, {}]))
  for (let round = 0; round < rounds; round++) {
    for (const entry of round % 2 === 0 ? entries : entries.toReversed()) {
      for (const [metric, value] of Object.entries(await measure(entry))) {
        (values[entry.name][metric] ??= []).push(value)
      }
    }
  }
  return values
}
