import type { AddressInfo } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Test } from 'tap'
import { failuresOf, FaultProxy, judge, now, Publisher, Random, RoomsMember } from '../../faults/shared.js'
import type { FaultSend, Must, Verdict } from '../../faults/shared.js'
import type { HistoryBounds, RoomsOptions } from '../../index.js'
import { createApp, until, untilJoined } from './app.js'
import type { TestApp } from './app.js'
import { startRedis } from './redis.js'
import type { RedisServer } from './redis.js'

export { now, sleep } from '../../faults/shared.js'

/** Two rooms that go through the same: one that keeps its messages, and one that does not. */
export const ROOMS = ['kept', 'fleeting'] as const
export type Room = typeof ROOMS[number]

/** More than any test sends. */
const HISTORY = { size: 5_000, ttl: 300_000 }
const CLAIMS: Record<string, string> = { FST_ROOMS_BROKER_UNAVAILABLE: 'unavailable', FST_ROOMS_SEND_UNKNOWN: 'unknown' }

export interface FieldSettings {
  /** Arguments of redis-server, or servers that are there. */
  redis?: string[] | RedisServer
  /** In the place of a Redis behind a proxy for each application. */
  connect?: () => RoomsOptions['redis']
  processes?: number
  history?: HistoryBounds
  rooms?: RoomsOptions
}

interface Door {
  name: string
  port: number
}

/** Applications that only Redis joins, as processes would be, each with a proxy between it and Redis, and their members. */
export class Field {
  readonly random: Random
  readonly redis: RedisServer
  readonly apps: TestApp[] = []
  readonly proxies: FaultProxy[] = []
  readonly members: RoomsMember[] = []
  readonly faults: Array<{ from: number, to: number }> = []
  readonly #sends = new Map<string, FaultSend>()
  readonly #publishers = new Map<number, Publisher>()
  readonly #lag = monitorEventLoopDelay()

  constructor (redis: RedisServer, seed: number) {
    this.redis = redis
    this.random = new Random(seed)
    this.#lag.enable()
  }

  async add (t: Test, { connect, history = HISTORY, rooms }: FieldSettings): Promise<void> {
    let redis = connect?.()
    if (redis === undefined) {
      const proxy = await FaultProxy.start(this.redis.port)
      t.teardown(() => proxy.close())
      this.proxies.push(proxy)
      redis = { host: '127.0.0.1', port: proxy.port }
    }
    const app = await createApp(t, {
      jwt: { secret: 'a secret of the bench' }, // which the members of the harness sign with
      rooms: { redis, history: room => room.startsWith('kept') ? history : undefined, ...rooms },
      fastify: { logger: false },
      setup: app => { app.get('/rooms/:room', { websocket: true }, app.manageWebsocket<{ Params: { room: string } }>(request => request.params.room)) }
    })
    const number = this.apps.push(app) - 1
    const publisher = this.#publisher(app, String(number))
    t.teardown(() => publisher.stop())
    this.#publishers.set(number, publisher)
  }

  /** Lets a member in. @param doors the applications that it knocks at, by turns: their numbers, or what leads to them */
  async join (t: Test, room: string, doors: Array<number | Door>): Promise<RoomsMember> {
    const member = this.visit(t, room, doors)
    await member.journal.until(({ type }) => type === 'connected')
    return member
  }

  /** The same, for one who does not wait. */
  visit (t: Test, room: string, doors: Array<number | Door>): RoomsMember {
    const id = `${room}-${this.members.length}`
    const random = this.random.fork(id)
    const member = new RoomsMember({
      id,
      room,
      doors: doors.map(door => typeof door === 'number' ? this.#door(door) : door),
      retry: { next: () => random.between(20, 150) }
    })
    this.members.push(member)
    t.teardown(() => member.stop())
    return member
  }

  /** From now on each of these applications sends into both rooms. @param rate messages per second of each */
  publish (apps: number[], { rooms = ROOMS as readonly string[], rate = 50 } = {}): void {
    for (const number of apps) this.#publishers.get(number)?.start({ rooms: [...rooms], rate })
  }

  /** So many messages in one turn. */
  send (app: number, room: string, count: number, padding?: string): void {
    for (let sent = 0; sent < count; sent++) this.#publishers.get(app)?.send(room, padding)
  }

  /** Nobody can be reached, or told, before it is over. */
  async fault (work: () => unknown): Promise<void> {
    const fault = { from: now(), to: Infinity }
    this.faults.push(fault)
    await work()
    fault.to = now()
  }

  /** Waits until everybody got so many messages more, from everybody. */
  async flow (count = 10): Promise<void> {
    const there = this.members.filter(({ journal }) => journal.events.at(-1)?.code !== 'left')
    const before = there.map(({ journal }) => journal.count('message'))
    await until(() => there.every(({ journal }, number) => journal.count('message') >= (before[number] as number) + count))
  }

  /** Waits until so many messages more were sent, whatever becomes of them. */
  async sent (count: number): Promise<void> {
    const before = this.#sends.size
    await until(() => this.#sends.size >= before + count)
  }

  /** Of how many messages this was said. */
  claimed (claim: string): number {
    return [...this.#sends.values()].filter(send => send.claim === claim).length
  }

  /** As on SIGTERM. */
  async close (app: number): Promise<void> {
    this.#publishers.delete(app)
    await this.apps[app]?.app.close()
  }

  /**
   * Sends no more, and waits until everybody has what was sent, or was told; and then for one last message of each
   * application: whatever comes twice has come by then.
   */
  async settle (): Promise<void> {
    const publishers = [...this.#publishers.values()]
    for (const publisher of publishers) publisher.stop()
    await this.settled()
    const complete = (): boolean => this.#verdict(this.members).silent === 0 && this.#verdict(this.members).away === 0
    await until(complete, 6_000).catch(() => {}) // what is missing then is what the verdict is about
    for (const room of new Set(this.members.map(({ journal }) => journal.room))) {
      for (const publisher of publishers) publisher.send(room)
    }
    await this.settled()
    await until(complete, 3_000).catch(() => {})
  }

  /** Waits until something was said of every message. */
  async settled (): Promise<void> {
    await Promise.all([...this.#publishers.values()].map(async publisher => await publisher.settled()))
  }

  verdict (room: string): Verdict {
    return this.#verdict(this.members.filter(({ journal }) => journal.room === room))
  }

  /** That all that was promised of the two rooms held. @returns what came of them */
  holds (t: Test, must: Must = {}): Record<Room, Verdict> {
    const verdicts = { kept: this.verdict('kept'), fleeting: this.verdict('fleeting') }
    for (const room of ROOMS) {
      const failures = failuresOf({ ...verdicts[room], deaths: [], failures: [] }, { ...must, lag: this.#lag.max / 1_000_000 }, { history: room === 'kept' })
      t.strictSame(failures, [], `in the room ${room}; ${verdicts[room].evidence.join(', ')}`)
      t.comment(`${room}: ${verdicts[room].due} due, ${verdicts[room].told} told of; again after ${Math.round(verdicts[room].resumed)} ms`)
    }
    return verdicts
  }

  #door (app: number): Door {
    return { name: String(app), port: (this.apps[app]?.app.server.address() as AddressInfo).port }
  }

  #publisher ({ app }: TestApp, process: string): Publisher {
    const publish = async (room: string, data: unknown): Promise<string> => {
      return await app.ws.sendToRoom(room, { command: 'N', data }).then(
        ({ degraded }) => degraded === true ? 'degraded' : 'accepted',
        error => CLAIMS[error.code] ?? String(error)
      )
    }
    return new Publisher(`p${process}`, publish, ([what, publisher, room, n, ...rest]) => {
      const key = `${room} ${publisher}:${n}`
      if (what === 'sent') this.#sends.set(key, { publisher, process, room, n, at: rest[0] as number, claim: 'pending' })
      else Object.assign(this.#sends.get(key) as FaultSend, { claim: rest[0], settled: rest[1] })
    })
  }

  #verdict (members: RoomsMember[]): Verdict {
    const rooms = new Set(members.map(({ journal }) => journal.room))
    return judge({ sends: [...this.#sends.values()].filter(({ room }) => rooms.has(room)), members: members.map(({ journal }) => journal), faults: this.faults })
  }
}

/** The seed of all random choices: told, so that it can be given again. */
export const SEED = Number(process.env.FAULTS_SEED ?? Date.now() % 1_000_000)

export async function createField (t: Test, settings: FieldSettings = {}): Promise<Field> {
  const redis = Array.isArray(settings.redis) || settings.redis === undefined ? await startRedis(t, settings.redis) : settings.redis
  const field = new Field(redis, SEED)
  for (let number = 0; number < (settings.processes ?? 2); number++) await field.add(t, settings)
  await untilJoined(...field.apps)
  return field
}

/** Both rooms with a member in each application, and each application sends into both. */
export async function underLoad (t: Test, settings: FieldSettings, work: (field: Field) => unknown, rate = 50): Promise<Field> {
  const field = await createField(t, settings)
  for (const room of ROOMS) for (let door = 0; door < field.apps.length; door++) await field.join(t, room, [door])
  field.publish(field.apps.map((_, number) => number), { rate })
  await field.flow()
  await work(field)
  await field.flow()
  await field.settle()
  return field
}
