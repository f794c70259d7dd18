import type { Cluster, Redis } from 'ioredis'
import type { Position } from '../../types/index.js'
import { nextId } from '../id.js'
import { Answers } from './answers.js'
import type { Broker, BrokerEvents } from './broker.js'
import { ClusterWatch } from './cluster-watch.js'
import { Occupancy } from './occupancy.js'
import { redacted, unavailable, unknown, wasNotSent } from './redis-errors.js'
import { RedisHistory } from './redis-history.js'
import { RedisRecords } from './redis-records.js'
import { PING_INTERVAL } from './redis-link.js'
import type { RedisLink } from './redis-link.js'
import { Subscriptions } from './subscriptions.js'
import { SingleWatch } from './watch.js'
import type { Watch } from './watch.js'

/** Pub/sub of Redis: one channel per room, and the payload is the text of the frame, so that any program can take part. */
export class RedisBroker implements Broker {
  readonly history: RedisHistory
  readonly records: RedisRecords
  readonly #link: RedisLink
  readonly #occupancy: Occupancy
  readonly #subscriptions: Subscriptions
  readonly #watch: Watch
  readonly #answers: Answers
  /** Of the connection with the subscriptions, which also reads histories. */
  readonly #heard: Answers
  #ticking: NodeJS.Timeout | undefined
  #ticked = 0
  /** Counts connections of the subscriber: what is heard of an earlier one comes too late. */
  #connection = 0
  #up = false
  #closing = false
  #events: BrokerEvents | undefined

  constructor (link: RedisLink, { prefix, publishTimeout }: { prefix: string, publishTimeout: number }) {
    this.#link = link
    this.#occupancy = new Occupancy(link.commands, prefix, error => this.#failed(error))
    this.#subscriptions = new Subscriptions(link, channel => this.#events?.missed(channel))
    this.#answers = new Answers(link.commands, publishTimeout)
    this.#heard = new Answers(link.subscriber, publishTimeout)
    this.history = new RedisHistory(link, this.#answers, this.#heard, this.#subscriptions, publishTimeout)
    this.records = new RedisRecords(link, this.#answers, prefix)
    const own = `${prefix}!${nextId()}` // no room is called so
    const deaf = (): void => this.#deaf()
    this.#watch = 'nodes' in link.commands ? new ClusterWatch(link, own, this.#subscriptions, deaf) : new SingleWatch(link, own, deaf)
  }

  start (events: BrokerEvents): void {
    this.#events = events
    const { commands, subscriber } = this.#link
    for (const client of this.#clients()) {
      // It tries again by itself for as long as it takes. 'error' says what happened, unlike the promise of a first attempt.
      client.on('error', error => events.error(redacted(error)))
      client.connect().catch(() => {})
    }
    commands.on('ready', () => {
      this.#occupancy.restore()
      this.#watch.forget()
    })
    subscriber.on('ready', () => this.#listen())
    subscriber.on('close', () => this.#lost())
    // ioredis moves the subscriptions of a Cluster with its slots, and does not say whether that went well.
    subscriber.on('subscribersReady', () => {
      if (!this.#up) return
      this.#lost()
      this.#listen()
    })
    subscriber.on(this.#link.messageEvent, (channel: Buffer, payload: Buffer) => this.#receive(channel.toString(), payload))
    this.#answers.start()
    this.#heard.start()
    this.history.start()
    this.#occupancy.start()
    this.#ticked = performance.now()
    this.#ticking = setInterval(() => this.#tick(), PING_INTERVAL)
  }

  publish (channel: string, text: string, id: string): Promise<number> {
    const count = this.#subscriptions.has(channel)
      ? (subscribers: number) => { if (subscribers === 0) this.#subscriptions.doubt(channel) }
      : undefined
    return this.#answers.bounded(() => this.#link.publish(channel, text), cause => {
      return wasNotSent(cause) ? unavailable(cause) : unknown(id, cause)
    }, count)
  }

  subscribe (channel: string): Promise<void> {
    return this.#subscriptions.subscribe(channel)
  }

  unsubscribe (channel: string): Promise<void> {
    return this.#subscriptions.unsubscribe(channel)
  }

  report (channel: string, members: number): void {
    this.#occupancy.report(channel, members)
  }

  count (channel: string): Promise<number> {
    return this.#answers.bounded(() => this.#occupancy.count(channel), unavailable)
  }

  async flush (): Promise<void> {
    await this.#heard.bounded(() => this.#link.flush(), unavailable)
  }

  async close (): Promise<void> {
    this.#closing = true
    clearInterval(this.#ticking)
    const leaving = this.#occupancy.close().catch(() => {})
    await this.#answers.bounded(() => leaving, unavailable).catch(() => {})
    this.history.close()
    this.#subscriptions.close()
    this.#answers.close()
    this.#heard.close()
    this.#link.subscriber.disconnect()
    this.#link.commands.disconnect()
  }

  async #listen (): Promise<void> {
    const connection = ++this.#connection
    await this.#watch.start().catch(error => this.#failed(error))
    if (connection !== this.#connection) return
    this.#up = true
    this.#events?.up()
  }

  #lost (): void {
    this.#connection++
    this.#watch.stop()
    this.#subscriptions.lost()
    if (this.#up && !this.#closing) this.#events?.down()
    this.#up = false
  }

  #receive (channel: string, payload: Buffer): void {
    if (this.#watch.takes(channel, payload)) return
    const match = payload[0] === MARK ? POSITION.exec(payload.toString('latin1', 0, POSITION_BYTES)) : null
    if (match === null) {
      this.#events?.message(channel, payload)
      return
    }
    const [line, epoch, seq, mid] = match as unknown as [string, string, string, string]
    const position: Position = { epoch, seq: Number(seq), mid }
    this.#events?.message(channel, payload.subarray(line.length), position)
  }

  #tick (): void {
    const now = performance.now()
    const stalled = now - this.#ticked > PING_INTERVAL * 1.5
    this.#ticked = now
    this.#revive()
    this.#ping()
    // After a stall, what has arrived meanwhile is not read yet.
    if (!stalled) this.#watch.tick()
  }

  #clients (): Iterable<Redis | Cluster> {
    const { commands, subscriber } = this.#link
    return new Set([commands, subscriber])
  }

  /** ioredis gives up for good what fails before there is a socket, as when Sentinel tells of a failover in that moment. */
  #revive (): void {
    for (const client of this.#clients()) if (client.status === 'end') client.connect().catch(() => {})
  }

  /** A connection that hangs says nothing. A ping that is owed an answer makes ioredis end it. */
  #ping (): void {
    const { commands, subscriber } = this.#link
    const clients = 'nodes' in commands ? commands.nodes() : [commands, subscriber]
    for (const client of clients) {
      if (client.status === 'ready') client.ping().catch(() => {})
    }
  }

  #deaf (): void {
    this.#failed(new Error('What is published does not arrive, though Redis takes it. Connecting anew.'))
    this.#link.reconnect()
  }

  #failed (error: unknown): void {
    if (!this.#closing) this.#events?.error(redacted(error) as Error)
  }
}

/**
 * How a message of a history begins on its channel: `!seq`, epoch, number and name, in a line of its own. What only looks
 * like one is handed over as it is: no text of a frame begins so.
 */
const POSITION = /^!seq (\d{1,16}) (\d{1,15}) ([\w-]{1,64})\n/
const POSITION_BYTES = 104
const MARK = '!'.charCodeAt(0)
