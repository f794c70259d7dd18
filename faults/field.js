import { now, sleep } from './clock.js'
import { judge } from './oracle.js'
import { ServerProcess } from './process.js'
import { FaultProxy } from './proxy.js'
import { until } from './until.js'

/** How long a reader waits before it comes back, in milliseconds: the same for all contenders. */
const RETRY = { least: 50, most: 300 }
/** Once nothing has come for so long after the last message was sent, nothing more is waited for. */
const QUIET = 1_500
const PATIENCE = 12_000

/** One contender in one scenario: its processes, its members, and the Redis that they meet in. Everything ends with `close`. */
export class Field {
  contender
  topology
  random
  faults = []
  members = []
  /** What the scenario found out beside what the oracle sees: names and values for the report. */
  measures = {}
  /** What had to hold and did not, in sentences. */
  failures = []
  #wanted
  #processes = new Map()
  #all = []
  #proxies = new Map()
  #publishing = []

  /** @param wanted what all processes of the scenario are given */
  constructor (contender, topology, { random, wanted = {} }) {
    this.contender = contender
    this.topology = topology
    this.random = random
    this.#wanted = { ...contender.wanted, ...wanted }
  }

  /**
   * Starts processes under these names. Each reaches one Redis through a proxy of its own, several directly.
   * @param wanted what they are given in addition; `direct` spares the proxy, `absent` is where there is no Redis yet
   */
  async serve (names, { direct = false, absent = false, ...wanted } = {}) {
    await Promise.all(names.map(async name => {
      const redis = { ...this.topology.redis, ...wanted.redis }
      if (redis.port !== undefined && !direct) {
        if (!this.#proxies.has(name)) this.#proxies.set(name, await FaultProxy.start(redis.port))
        redis.port = this.#proxies.get(name).port
      }
      const server = new ServerProcess(name, this.contender.file, { ...this.#wanted, ...wanted, redis })
      this.#all.push(server)
      this.#processes.set(name, server)
      await server.ready()
      // It listens without waiting for Redis, and would serve its own members alone until it has it.
      if (this.contender.ours && !absent) await until(async () => (await server.ask('stats')).broker === 'up')
    }))
  }

  process (name) {
    return this.#processes.get(name)
  }

  get processes () {
    return [...this.#processes.values()]
  }

  proxy (name) {
    return this.#proxies.get(name)
  }

  get proxies () {
    return [...this.#proxies.values()]
  }

  /**
   * Lets members in, and waits until they are.
   * @param doors the processes that they knock at, by turns; or a name and a port
   */
  async join (count, { room = 'room', doors = ['a'], wait = true } = {}) {
    const joining = Array.from({ length: count }, () => {
      const id = `${this.members.length}`
      const random = this.random.fork(id)
      const member = new this.contender.Member({
        id,
        room,
        doors: doors.map(door => typeof door === 'string' ? this.#door(door) : door),
        retry: { ...RETRY, next: () => random.between(RETRY.least, RETRY.most) }
      })
      this.members.push(member)
      return member
    })
    if (wait) for (const { journal } of joining) await journal.until(({ type }) => type === 'connected')
    return joining
  }

  /** Leads to whatever process has this name when somebody knocks. */
  #door (name) {
    const process = () => this.process(name)
    return { name, get port () { return process().port } }
  }

  /** From now on each of these processes sends into the room. @param rate messages per second of each */
  async publish (names, { rooms = ['room'], rate = 50, size, most } = {}) {
    await Promise.all(names.map(async name => {
      const server = this.process(name)
      const publisher = `${name}${this.#publishing.length}`
      this.#publishing.push({ server, publisher })
      await server.ask('start', { name: publisher, rooms, rate, size, most })
    }))
  }

  /** A burst, without waiting for anything but that it was sent. */
  async send (name, { room = 'room', count, padding }) {
    const server = this.process(name)
    this.#publishing.push({ server, publisher: `${name}-` })
    await server.ask('send', { name: `${name}-`, room, count, padding })
  }

  /** What the oracle is to know of: nobody can be reached, or told, before it is over. */
  async fault (work) {
    const fault = { from: now(), to: Infinity }
    this.faults.push(fault)
    await work()
    fault.to = now()
  }

  require (sentence, held) {
    if (!held) this.failures.push(sentence)
  }

  /** Has the publishers stop, and waits until nothing more can be expected to come. */
  async settle () {
    await Promise.all(this.#publishing.map(async ({ server, publisher }) => {
      if (!server.running) return
      await server.ask('stop', { name: publisher }).catch(() => {})
      await Promise.race([server.ask('settled', { name: publisher }).catch(() => {}), sleep(5_000)])
    }))
    this.#publishing = []
    // Whoever has no Redis at the end can tell nobody what was missed, and will when it has.
    if (this.contender.ours) await until(async () => (await this.#stats()).every(({ broker }) => broker === 'up'), PATIENCE).catch(() => {})
    const end = now() + PATIENCE
    let quiet = now()
    let seen = -1
    while (now() < end && now() - quiet < QUIET) {
      await sleep(100)
      const count = this.members.reduce((sum, { journal }) => sum + journal.events.length, 0)
      if (count !== seen) quiet = now()
      seen = count
    }
  }

  async #stats () {
    return await Promise.all(this.processes.filter(({ running }) => running).map(server => server.ask('stats')))
  }

  /** @returns what the oracle says, and what the scenario has measured */
  verdict () {
    const deaths = this.#all.flatMap(({ death }) => death ?? [])
    return { ...this.judge(), deaths, measures: this.measures, failures: this.failures }
  }

  /** @param which of the sends and members */
  judge (which = () => true) {
    const sends = this.#all.flatMap(server => [...server.sends.values()])
    return judge({ sends: sends.filter(which), members: this.members.map(({ journal }) => journal).filter(which), faults: this.faults })
  }

  async close () {
    await Promise.all(this.members.map(member => member.stop()))
    await Promise.all(this.#all.map(server => server.kill()))
    for (const proxy of this.#proxies.values()) proxy.close()
    await this.topology.stop()
  }
}
