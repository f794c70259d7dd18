import { Publisher } from './publisher.js'

/** What the scenario asks of this process. */
export const wanted = JSON.parse(process.argv[2])

// A process whose clock is wrong, where a scenario is about that: from here on everything in it believes the time.
if (wanted.clock !== undefined) {
  const right = Date.now
  const Clock = Date
  globalThis.Date = class extends Clock {
    constructor (...given) {
      super(...given.length === 0 ? [right() + wanted.clock] : given)
    }

    static now () {
      return right() + wanted.clock
    }
  }
}

/**
 * Puts a contender under the control of the harness.
 * @param port where members connect
 * @param publish sends a message to a room, and resolves with what it was told, in the words of the oracle
 * @param members how many members this process believes to have
 * @param close ends it as an application would, on SIGTERM
 * @param more what else it can be asked
 */
export function serve ({ port, publish, members, close, ...more }) {
  const publishers = new Map()
  let reports = []
  const report = line => {
    // What was sent in one turn is told at its end, so that hardly anything is untold when the process is killed.
    if (reports.length === 0) setImmediate(flush)
    reports.push(line)
  }
  const flush = () => {
    process.send({ reports })
    reports = []
  }
  const publisher = name => {
    if (!publishers.has(name)) publishers.set(name, new Publisher(name, publish, report))
    return publishers.get(name)
  }
  const answers = {
    ...more,
    start: ({ name, ...plan }) => publisher(name).start(plan),
    stop: ({ name }) => publisher(name).stop(),
    send: ({ name, room, count, padding }) => { for (let sent = 0; sent < count; sent++) publisher(name).send(room, padding) },
    settled: ({ name }) => publisher(name).settled(),
    members: () => members(),
    memory: () => process.memoryUsage().rss
  }
  process.on('message', async ({ id, ask, ...details }) => {
    try {
      process.send({ id, answer: await answers[ask](details) })
    } catch (error) {
      process.send({ id, error: error.message })
    }
  })
  process.on('SIGTERM', async () => {
    await close()
    process.disconnect()
  })
  process.on('disconnect', () => process.exit())
  process.send({ port })
}
