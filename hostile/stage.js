import { setTimeout as sleep } from 'node:timers/promises'
import { Attacker } from './attacker.js'

/** How many connects are under way at a time. */
const CONCURRENCY = 100
/** Closed connections keep their pair of ports for a minute, so that thousands need more than one address. */
const ADDRESSES = 50
const QUIET = 300

/** What an attack has at hand: one server, and any number of connections to it. All that it opens is remembered. */
export class Stage {
  attackers = []
  #contender
  #port
  #patience
  #stopped = false

  /** @param patience how long the end of attackers is waited for, in milliseconds */
  constructor (contender, port, patience = Infinity) {
    this.#contender = contender
    this.#port = port
    this.#patience = patience
  }

  /** Connected, and nothing said. */
  async connect (count) {
    return await this.#many(count, address => Attacker.connect(this.#port, address))
  }

  /** Upgraded, and no more. */
  async upgrade (count, { room = 'room', path = this.#contender.path(room), headers } = {}) {
    return await this.#many(count, address => Attacker.upgrade(this.#port, { path, headers, address }))
  }

  /** Let in, with a good token. */
  async enter (count, { room = 'room', headers } = {}) {
    const attackers = await this.upgrade(count, { room, headers })
    await Promise.all(attackers.map(async attacker => {
      const { entered, entrance } = this.#contender
      for (const text of entrance(room)) attacker.text(text)
      await attacker.until(() => attacker.ended !== undefined || attacker.heard.some(text => text.includes(entered)))
    }))
    return attackers
  }

  /** What the server takes for a command. */
  say (command, data) {
    return this.#contender.say(command, data)
  }

  /** Waits until all have been ended, for as long as the stage has patience. */
  async ends () {
    const ended = Promise.all(this.attackers.map(attacker => attacker.end()))
    if (this.#patience === Infinity) return await ended
    const late = new AbortController()
    await Promise.race([ended, sleep(this.#patience, undefined, { signal: late.signal }).catch(() => {})])
    late.abort()
  }

  /** Waits until nothing has been ended, and nothing has come, for a while: where there is no answer to wait for. */
  async quiet () {
    for (let last = -1, now = this.#seen(); now !== last; now = this.#seen()) {
      last = now
      await sleep(QUIET)
    }
  }

  #seen () {
    return this.attackers.reduce((sum, { socket, ended }) => sum + socket.bytesRead + (ended === undefined ? 0 : 1), 0)
  }

  /** Does something again and again, until every attacker has been ended or the attack is over. */
  async repeat (ms, work) {
    while (!this.#stopped && this.attackers.some(({ ended }) => ended === undefined)) {
      for (const attacker of this.attackers) if (attacker.ended === undefined) work(attacker)
      await sleep(ms)
    }
  }

  /** Nothing more is done, and all connections are as they are. */
  stop () {
    this.#stopped = true
  }

  leave () {
    this.stop()
    for (const attacker of this.attackers) attacker.leave()
  }

  async #many (count, open) {
    const attackers = []
    let next = 0
    await Promise.all(Array.from({ length: Math.min(count, CONCURRENCY) }, async () => {
      while (next < count && !this.#stopped) {
        const address = `127.0.0.${2 + next++ % ADDRESSES}`
        const attacker = await open(address)
        attackers.push(attacker)
        this.attackers.push(attacker)
      }
    }))
    return attackers
  }
}
