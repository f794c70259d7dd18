import t from 'tap'
import { MemoryBus } from '../index.js'
import type { Position } from '../index.js'
import { until } from './helpers/app.js'
import { open } from './helpers/client.js'
import type { Client } from './helpers/client.js'
import { createProcess } from './helpers/history.js'
import type { Process } from './helpers/history.js'
import { watchForStrays } from './helpers/strays.js'

const noStrays = watchForStrays(t)

const CHANNEL = 'rooms:cdr'
const SEEDS = process.env.CHAOS_SEED === undefined ? [1, 2, 3, Date.now() % 1_000_000] : [Number(process.env.CHAOS_SEED)]

/** Numbers from a seed, the same each time (the linear congruential generator of Numerical Recipes). */
function randomFrom (seed: number): (below: number) => number {
  let state = seed >>> 0
  return below => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor(state / 2 ** 32 * below)
  }
}

/** A member that comes back whenever it is cut off, to any process, with the position that it knows. */
class Wanderer {
  /** The names of the messages that it saw, and null wherever it was told to load anew. */
  readonly saw: Array<string | null> = []
  client: Client | undefined
  standing: Position | undefined
  #read = 0

  /** Takes up what has come, as docs/protocol.md says. */
  read (): void {
    for (const { command, data, seq, mid } of this.client?.frames.slice(this.#read) ?? []) {
      this.#read++
      const rooms = data?.rooms as { cdr: Position & { recovered?: boolean } } | undefined
      if (rooms !== undefined) this.standing = rooms.cdr
      if (data?.status === 'resync' || (data?.status === 'connected' && rooms?.cdr.recovered !== true)) this.saw.push(null)
      if (command === 'UPDATE') {
        this.saw.push(mid as string)
        this.standing = { epoch: this.standing?.epoch as string, seq: seq as number, mid: mid as string }
      }
    }
  }

  leave (): void {
    this.read()
    this.client?.socket.terminate()
    this.client = undefined
  }

  async enter (t: Parameters<typeof open>[0], { url, token }: Process): Promise<void> {
    this.#read = 0
    const client = await open(t, url)
    client.send({ token: token(), recover: { cdr: this.standing } })
    await client.next('WSStatus')
    this.client = client
  }
}

for (const seed of SEEDS) {
  t.test(`whatever happens in whatever order, each member sees everything once, or is told; seed ${seed}`, async t => {
    const random = randomFrom(seed)
    const bus = new MemoryBus()
    const processes = await Promise.all([1, 2, 3].map(async () => await createProcess(t, bus, { rooms: { linger: 20 } }, { size: 10_000, ttl: 600_000 })))
    const any = (): Process => processes[random(3)] as Process
    /** What was accepted, in order, and of this what a failover has discarded since. */
    const accepted: string[] = []
    const discarded = new Set<string>()
    let data = 0
    const send = async ({ app }: Process): Promise<void> => { accepted.push((await app.ws.sendToRoom('cdr', { command: 'UPDATE', data: ++data })).id) }

    const members = Array.from({ length: 8 }, () => new Wanderer())
    for (const member of members) await member.enter(t, any())

    const faults: Array<() => unknown> = [
      () => { any().broker.deaf = true },
      () => any().broker.events.missed(CHANNEL),
      () => {
        const { broker } = any()
        broker.events.down()
        broker.deaf = random(2) === 0
        setImmediate(() => broker.events.up())
      },
      () => {
        const lost = accepted.filter(mid => !discarded.has(mid)).slice(-1 - random(3))
        if (random(4) > 0 || lost.length < 3) return
        bus.histories.rollBack(CHANNEL, lost.length)
        for (const mid of lost) discarded.add(mid)
        // The link of every process broke, or it would still be with the old master.
        for (const { broker } of processes) {
          broker.events.down()
          broker.events.up()
        }
      },
      async () => {
        const member = members[random(members.length)] as Wanderer
        member.leave()
        if (random(2) === 0) await new Promise(resolve => setTimeout(resolve, random(5)))
        await member.enter(t, any())
      }
    ]
    for (let step = 0; step < 400; step++) {
      if (random(4) === 0) await faults[random(faults.length)]?.()
      else if (random(3) === 0) await Promise.all([send(any()), send(any()), send(any())])
      else await send(any())
      if (random(5) === 0) for (const { broker } of processes) broker.deaf = false
      if (random(7) === 0) await new Promise(resolve => setImmediate(resolve))
    }

    for (const { broker } of processes) broker.deaf = false
    await new Promise(resolve => setImmediate(resolve))
    await send(any())
    await until(() => members.every(member => {
      member.read()
      return member.saw.includes(accepted.at(-1) as string) || member.saw.at(-1) === null
    }))

    const place = new Map(accepted.filter(mid => !discarded.has(mid)).map((mid, index) => [mid, index]))
    for (const { saw } of members) {
      t.equal(new Set(saw.filter(mid => mid !== null)).size, saw.filter(mid => mid !== null).length, 'nothing twice')
      let last: number | undefined
      let stale = false
      const faulty = saw.filter(mid => {
        if (mid === null) {
          last = undefined
          stale = false
          return false
        }
        if (discarded.has(mid)) {
          stale = true // it must be told before it sees anything that is true
          return false
        }
        const at = place.get(mid) as number
        const wrong = stale || (last !== undefined && at !== last + 1)
        last = at
        return wrong
      })
      t.strictSame(faulty, [], 'nothing is missing in silence, or comes in another order')
    }
    t.comment(`${accepted.length} messages, ${discarded.size} discarded; ${processes.map(({ app }) => JSON.stringify(app.ws.stats())).join(' ')}`)
  })
}

noStrays()
