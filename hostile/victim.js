import { now, sleep } from '../faults/clock.js'
import { judge } from '../faults/oracle.js'
import { ServerProcess } from '../faults/process.js'
import { until } from '../faults/until.js'

const FLAGS = ['--expose-gc']
/** Of a machine that has other things to do, in milliseconds. */
const PATIENCE = 60_000
const ROOM = 'room'

/** A server in a process of its own, and members who are served while somebody attacks it. */
export class Victim {
  contender
  members = []
  #server
  #publishers = 0
  #publisher
  #rate

  constructor (contender, wanted) {
    this.contender = contender
    this.#server = new ServerProcess('victim', contender.file, wanted, FLAGS)
  }

  /**
   * @param members in one room, who hear all that is sent to it
   * @param rate messages per second that they are sent from now on
   * @param wanted what the server is given
   */
  static async start (contender, { members = 5, rate = 50, wanted = {} } = {}) {
    const victim = new Victim(contender, wanted)
    try {
      await victim.#server.ready()
      await victim.join(members)
      if (rate > 0) await victim.publish(rate)
      return victim
    } catch (error) {
      await victim.close()
      throw error
    }
  }

  get port () {
    return this.#server.port
  }

  get pid () {
    return this.#server.pid
  }

  get alive () {
    return this.#server.running
  }

  /** How it ended, if it has. */
  get death () {
    return this.#server.death
  }

  ask (what, details) {
    return this.#server.ask(what, details)
  }

  async join (count) {
    const { port } = this
    const joining = Array.from({ length: count }, (_, number) => new this.contender.Member({
      id: `member ${this.members.length + number}`,
      room: ROOM,
      doors: [{ name: 'victim', port }],
      retry: { least: 100, most: 500, next: () => 100 }
    }))
    this.members.push(...joining)
    await Promise.all(joining.map(({ journal }) => journal.until(({ type }) => type === 'connected', { ms: PATIENCE })))
  }

  /** From now on, or again. @param rate messages per second */
  async publish (rate) {
    this.#rate = rate
    this.#publisher = `p${++this.#publishers}`
    await this.ask('start', { name: this.#publisher, rooms: [ROOM], rate })
  }

  /** Waits until all members got so many messages more. */
  async flow (count = 10) {
    if (this.#publisher === undefined && this.#rate !== undefined) await this.publish(this.#rate)
    const before = this.members.map(({ journal }) => journal.count('message'))
    await until(() => this.members.every(({ journal }, number) => journal.count('message') >= before[number] + count), PATIENCE)
  }

  /** Bytes that are in use, once all that nobody holds has been collected. */
  async heap () {
    return await this.ask('heap')
  }

  /** How long each message took that was sent from one moment to the other, to each member, in milliseconds. */
  latencies (from, to) {
    const { sends } = this.#server
    return this.members.flatMap(({ journal: { room, events } }) => events.flatMap(({ type, at, key }) => {
      const send = type === 'message' ? sends.get(`${room} ${key}`) : undefined
      return send !== undefined && send.at >= from && send.at < to ? [at - send.at] : []
    }))
  }

  /**
   * Has the members heard to the end, and says what the oracle thinks of it.
   * @returns what has happened to them that should not have
   */
  async harm () {
    if (this.alive && this.#publisher !== undefined) {
      await this.ask('stop', { name: this.#publisher })
      await this.ask('settled', { name: this.#publisher })
      this.#publisher = undefined
      // Whoever misses one waits in vain, and the oracle will say so.
      await until(() => this.members.every(({ journal }) => journal.count('message') >= this.#sends.length), PATIENCE).catch(() => {})
    }
    const { sent, due, silent, told, doubled, disordered, evidence } = judge({ sends: this.#sends, members: this.members.map(({ journal }) => journal) })
    const harm = []
    if (this.death !== undefined) harm.push(this.death)
    if (silent + told > 0) harm.push(`${silent + told} messages did not come`)
    if (doubled + disordered > 0) harm.push(`${doubled + disordered} messages came twice or out of order`)
    if (due < sent * this.members.length) harm.push(`${sent * this.members.length - due} messages were not due any more`)
    if (this.alive && await this.ask('polluted')) harm.push('what objects are has been changed')
    const lost = this.members.flatMap(({ journal: { id, events } }) => events.filter(({ type, code }) => type === 'closed' && code !== 'left').map(({ code }) => `${id} was cut off with ${code}`))
    return harm.length + lost.length === 0 ? harm : [...harm, ...lost, ...evidence]
  }

  /** To the members' room. */
  get #sends () {
    return [...this.#server.sends.values()].filter(({ room }) => room === ROOM)
  }

  async close () {
    await Promise.all(this.members.map(member => member.stop()))
    await this.#server.kill()
  }
}

export { now, sleep }
