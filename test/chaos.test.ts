import t from 'tap'
import { connect, TestBus } from '../testing/index.js'
import type { Call, Client, Fault, TestBroker } from '../testing/index.js'
import type { Position } from '../index.js'
import { createQuietApp, until } from './helpers/app.js'
import type { QuietApp } from './helpers/app.js'
import { watchForStrays } from './helpers/strays.js'

const noStrays = watchForStrays(t)

const SEEDS = process.env.CHAOS_SEED === undefined ? [1, 2, 3, Date.now() % 1_000_000] : [Number(process.env.CHAOS_SEED)]

/** Numbers from a seed, the same each time (the linear congruential generator of Numerical Recipes). */
function randomFrom (seed: number): (below: number) => number {
  let state = seed >>> 0
  return below => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor(state / 2 ** 32 * below)
  }
}

interface Process extends QuietApp {
  broker: TestBroker
}

/** A member that comes back whenever it is cut off, to any process, with the position that it knows. */
class Wanderer {
  /** The names of the messages that it saw, and null wherever it was told to load anew. */
  readonly saw: unknown[] = []
  client: Client | undefined
  #positions: Readonly<Record<string, Position>> = {}
  #read = 0

  /** Takes up what has come, as docs/protocol.md says. */
  read (): void {
    for (const { command, data, mid } of this.client?.frames.slice(this.#read) ?? []) {
      this.#read++
      const { status, rooms } = (data ?? {}) as { status?: string, rooms?: { cdr: { recovered?: boolean } } } // a ping has none
      if (status === 'resync' || (status === 'connected' && rooms?.cdr.recovered !== true)) this.saw.push(null)
      if (command === 'UPDATE') this.saw.push(mid)
    }
  }

  async leave (): Promise<void> {
    this.read()
    this.#positions = this.client?.positions ?? this.#positions
    await this.client?.terminate()
    this.client = undefined
  }

  /** Where the history cannot be read now, it is told to come again, and does when it is asked to. */
  async enter ({ app, token }: Process): Promise<void> {
    this.#read = 0
    this.client = await connect(app, '/cdr/users/ws', token(), { recover: this.#positions }).catch(error => {
      if (error.code !== 1013) throw error
      return undefined
    })
  }
}

for (const seed of SEEDS) {
  t.test(`whatever happens in whatever order, each member sees everything once, or is told; seed ${seed}`, async t => {
    const random = randomFrom(seed)
    const bus = new TestBus()
    const processes = await Promise.all([1, 2, 3].map(async (): Promise<Process> => {
      const broker = bus.broker()
      const built = await createQuietApp(t, { rooms: { broker, linger: 20, subscribeTimeout: 20 }, route: { history: { size: 10_000, ttl: 600_000 } } })
      await built.app.ready()
      return { ...built, broker }
    }))
    const any = (): Process => processes[random(3)] as Process

    const sends = bus.watch('send')
    const refusals: Array<Fault<Call>> = []
    /** What a failover has discarded. */
    const discarded = new Set<unknown>()
    /** What is in the history, in order. */
    const accepted = (): unknown[] => {
      const refused = new Set(refusals.flatMap(({ hits }) => hits))
      return sends.hits.filter(call => !refused.has(call)).map(({ id }) => id).filter(id => !discarded.has(id))
    }
    let data = 0
    const send = async ({ app }: Process): Promise<void> => { await app.ws.sendToRoom('cdr', { command: 'UPDATE', data: { n: ++data } }).catch(() => {}) }

    const members = Array.from({ length: 8 }, () => new Wanderer())
    for (const member of members) await member.enter(any())

    /** What ends the faults that go on. */
    const cures: Array<() => void> = []
    const forAWhile = (fault: Fault<unknown>): void => { cures.push(() => fault.stop()) }
    let unreadable: Fault<unknown> | undefined
    const faults: Array<() => unknown> = [
      () => forAWhile(bus.drop({ to: any().broker })),
      () => {
        unreadable?.stop() // after several failures in a row, clients are kept waiting for seconds, and then sent away
        unreadable = bus.refuse('read', { by: any().broker }, { times: 1 + random(2) })
      },
      () => bus.duplicate({ to: any().broker }, { times: 1 + random(3) }),
      () => forAWhile(bus.reorder({ to: any().broker }, { times: 2 + random(3) })),
      () => {
        const held = bus.hold({ to: any().broker })
        cures.push(() => held.release())
      },
      () => bus.unconfirm(1),
      () => refusals.push(bus.refuse('send', 1)),
      () => bus.missed('cdr'),
      () => {
        const { broker } = any()
        bus.partition(broker, { oneSided: random(2) === 0 })
        cures.push(() => bus.restore(broker))
      },
      () => {
        const lost = accepted().slice(-1 - random(3))
        if (random(4) > 0 || lost.length < 3) return
        bus.rollBack('cdr', lost.length)
        for (const mid of lost) discarded.add(mid)
        // The link of every process broke, or it would still be with the old master.
        bus.outage()
        bus.restore()
      },
      async () => {
        const member = members[random(members.length)] as Wanderer
        await member.leave()
        await member.enter(any())
      }
    ]
    for (let step = 0; step < 400; step++) {
      if (random(4) === 0) await faults[random(faults.length)]?.()
      else if (random(3) === 0) await Promise.all([send(any()), send(any()), send(any())])
      else await send(any())
      if (random(4) === 0) cures.splice(random(cures.length), 1)[0]?.()
      if (random(7) === 0) await new Promise(resolve => setImmediate(resolve))
    }

    for (const fault of [unreadable, ...refusals]) fault?.stop()
    for (const cure of cures) cure()
    for (const member of members) if (member.client === undefined) await member.enter(any())
    await bus.settled()
    await send(any())
    const last = accepted().at(-1)
    await until(() => members.every(member => {
      member.read()
      return member.saw.includes(last) || member.saw.at(-1) === null
    }))

    const place = new Map(accepted().map((mid, index) => [mid, index]))
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
    t.comment(`${accepted().length} messages, ${discarded.size} discarded; ${processes.map(({ app }) => JSON.stringify(app.ws.stats())).join(' ')}`)
  })
}

noStrays()
