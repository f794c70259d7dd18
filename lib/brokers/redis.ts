import { Deadlines } from '../deadlines.js'
import { errors } from '../errors.js'
import type { Broker, BrokerEvents } from './broker.js'
import { Occupancy } from './occupancy.js'
import { PING_INTERVAL } from './redis-link.js'
import type { RedisLink } from './redis-link.js'

/** The commands of one turn that Redis owes answers to. They leave together, so they share a deadline. */
interface Owed {
  readonly expire: Array<() => void>
  answers: number
}

interface SubscriptionRequest {
  readonly channel: string
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Pub/sub of Redis: one channel per room, and the payload is the text of the frame, so that any program can take part. */
export class RedisBroker implements Broker {
  readonly #link: RedisLink
  readonly #occupancy: Occupancy
  readonly #owed: Deadlines<Owed>
  readonly #subscribes: SubscriptionRequest[] = []
  readonly #unsubscribes: SubscriptionRequest[] = []
  #turn: Owed | undefined
  #pinging: NodeJS.Timeout | undefined
  #closing = false
  #failed: ((error: Error) => void) | undefined

  constructor (link: RedisLink, { prefix, publishTimeout }: { prefix: string, publishTimeout: number }) {
    this.#link = link
    this.#occupancy = new Occupancy(link.commands, prefix, error => {
      if (!this.#closing) this.#failed?.(redacted(error) as Error)
    })
    this.#owed = new Deadlines(publishTimeout, ({ expire }) => { for (const one of expire) one() })
  }

  start (events: BrokerEvents): void {
    this.#failed = error => events.error(error)
    const { commands, subscriber } = this.#link
    for (const client of new Set([commands, subscriber])) {
      // It tries again by itself for as long as it takes. 'error' says what happened, unlike the promise of a first attempt.
      client.on('error', error => events.error(redacted(error)))
      client.connect().catch(() => {})
    }
    commands.on('ready', () => this.#occupancy.restore())
    // What was under way may have been carried out or not, and ioredis would never say.
    commands.on('close', () => this.#owed.expireAll())
    subscriber.on(this.#link.messageEvent, (channel: Buffer, payload: Buffer) => events.message(channel.toString(), payload))
    let up = false
    subscriber.on('ready', () => {
      up = true
      events.up()
    })
    subscriber.on('close', () => {
      if (up && !this.#closing) events.down()
      up = false
    })
    // ioredis moves the subscriptions of a Cluster with its slots, and does not say whether that went well.
    subscriber.on('subscribersReady', () => {
      if (!up) return
      events.down()
      events.up()
    })
    this.#occupancy.start()
    this.#pinging = setInterval(() => this.#ping(), PING_INTERVAL)
  }

  publish (channel: string, text: string, id: string): Promise<number> {
    return this.#bounded(() => this.#link.publish(channel, text), cause => {
      return wasNotSent(cause) ? unavailable(cause) : withCause(new errors.FST_ROOMS_SEND_UNKNOWN(id), cause)
    })
  }

  subscribe (channel: string): Promise<void> {
    return this.#batch(this.#subscribes, channel, channels => this.#link.subscribe(channels))
  }

  unsubscribe (channel: string): Promise<void> {
    return this.#batch(this.#unsubscribes, channel, channels => this.#link.unsubscribe(channels))
  }

  report (channel: string, members: number): void {
    this.#occupancy.report(channel, members)
  }

  count (channel: string): Promise<number> {
    return this.#bounded(() => this.#occupancy.count(channel), unavailable)
  }

  async flush (): Promise<void> {
    await this.#bounded(() => this.#link.flush(), unavailable, this.#link.subscriber)
  }

  async close (): Promise<void> {
    this.#closing = true
    clearInterval(this.#pinging)
    const leaving = this.#occupancy.close().catch(() => {})
    await this.#bounded(() => leaving, unavailable).catch(() => {})
    this.#owed.expireAll()
    this.#owed.close()
    this.#link.subscriber.disconnect()
    this.#link.commands.disconnect()
  }

  /** @param failed makes the error, of what the work failed with, or of nothing when no answer came in time */
  #bounded<T> (work: () => Promise<T>, failed: (cause?: unknown) => Error, { status } = this.#link.commands): Promise<T> {
    if (status !== 'ready') return Promise.reject(unavailable())
    return new Promise((resolve, reject) => {
      const owed = this.#owedThisTurn()
      owed.expire.push(() => reject(failed())) // which is nothing any more for one that is settled
      work().then(value => {
        this.#answered(owed)
        resolve(value)
      }, cause => {
        this.#answered(owed)
        reject(failed(cause))
      })
    })
  }

  #owedThisTurn (): Owed {
    if (this.#turn === undefined) {
      this.#turn = { expire: [], answers: 0 }
      this.#owed.add(this.#turn)
      process.nextTick(() => { this.#turn = undefined })
    }
    return this.#turn
  }

  #answered (owed: Owed): void {
    if (++owed.answers === owed.expire.length && owed !== this.#turn) this.#owed.delete(owed)
  }

  /** Requests of one turn go out as one command: after a reconnection, there may be thousands. */
  async #batch (requests: SubscriptionRequest[], channel: string, send: (channels: string[]) => Promise<unknown>): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      requests.push({ channel, resolve, reject })
      if (requests.length > 1) return
      queueMicrotask(() => {
        while (requests.length > 0) sendTogether(requests.splice(0, this.#link.batch), send)
      })
    })
  }

  /** A connection that hangs says nothing. A ping that is owed an answer makes ioredis end it. */
  #ping (): void {
    const { commands, subscriber } = this.#link
    const clients = 'nodes' in commands ? commands.nodes() : [commands, subscriber]
    for (const client of clients) {
      if (client.status === 'ready') client.ping().catch(() => {})
    }
  }
}

function sendTogether (requests: SubscriptionRequest[], send: (channels: string[]) => Promise<unknown>): void {
  send(requests.map(({ channel }) => channel)).then(() => {
    for (const { resolve } of requests) resolve()
  }, error => {
    // One channel that is refused must not keep the others from being heard.
    if (requests.length > 1 && isReply(error)) for (const request of requests) sendTogether([request], send)
    else for (const { reject } of requests) reject(redacted(error))
  })
}

/** Whether Redis itself refused, or ioredis had nothing to write to. */
function wasNotSent (error: unknown): boolean {
  return isReply(error) || /^(Stream|Cluster) isn't /.test((error as Error | undefined)?.message ?? '')
}

function isReply (error: unknown): boolean {
  return (error as Error | undefined)?.name === 'ReplyError'
}

function unavailable (cause?: unknown): Error {
  return withCause(new errors.FST_ROOMS_BROKER_UNAVAILABLE(), cause)
}

function withCause (error: Error, cause: unknown): Error {
  return cause === undefined ? error : Object.assign(error, { cause: redacted(cause) })
}

/** ioredis leaves the command on its errors, with the password or the message in it; they end in logs. */
function redacted<T> (error: T): T {
  delete (error as { command?: unknown }).command
  return error
}
