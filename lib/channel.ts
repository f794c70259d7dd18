import type { Broker } from './brokers/broker.js'
import { Deadlines } from './deadlines.js'

/** What a process wants of the broker for one room, against what it has. */
interface Operation {
  readonly channel: Channel
  readonly subscribing: boolean
}

interface Waiter {
  readonly channel: Channel
  readonly resolve: (live: boolean) => void
}

/** What all channels of a process share: the broker, its state, and the times. */
export class Channels {
  readonly broker: Broker
  readonly operations: Deadlines<Operation>
  readonly waiters: Deadlines<Waiter>
  readonly lingering: Deadlines<Channel>
  /** Whether the broker can take subscriptions now. */
  up = false

  constructor (broker: Broker, { subscribeTimeout, linger }: { subscribeTimeout: number, linger: number }) {
    this.broker = broker
    this.operations = new Deadlines(subscribeTimeout, operation => operation.channel.timedOut(operation))
    this.waiters = new Deadlines(subscribeTimeout, waiter => waiter.channel.giveUp(waiter))
    this.lingering = new Deadlines(linger, channel => channel.lapse())
  }

  close (): void {
    this.operations.close()
    this.waiters.expireAll()
    this.waiters.close()
    this.lingering.close()
  }
}

export interface ChannelEvents {
  /** Messages arrive from now on. */
  live (): void
  /** Nobody wants it, and the broker holds nothing for it. */
  idle (): void
  failed (error: Error): void
}

const FIRST_RETRY = 250
const LAST_RETRY = 5_000

/**
 * One reconciler per channel: what is wanted against what is, one operation in flight at a time. Joining, leaving,
 * coming back within the linger, a SUBSCRIBE that is refused or never answered, and a broker that forgets everything
 * are then not cases of their own, only differences to be levelled.
 */
export class Channel {
  readonly name: string
  readonly #shared: Channels
  readonly #events: ChannelEvents
  #holders = 0
  #wanted = false
  /** `unknown`: an operation is under way, or has failed, and may have been carried out or not. */
  #state: 'none' | 'live' | 'unknown' = 'none'
  #operation: Operation | undefined
  #retry: NodeJS.Timeout | undefined
  #failures = 0
  readonly #waiters = new Set<Waiter>()

  constructor (name: string, shared: Channels, events: ChannelEvents) {
    this.name = name
    this.#shared = shared
    this.#events = events
  }

  get live (): boolean {
    return this.#state === 'live'
  }

  hold (): void {
    this.#holders++
    this.#wanted = true
    this.#shared.lingering.delete(this)
    this.reconcile()
  }

  release (): void {
    // Clients that reload a page come back at once; a subscription that lingers spares the broker the churn.
    if (--this.#holders === 0) this.#shared.lingering.add(this)
  }

  /** The linger is over. */
  lapse (): void {
    this.#wanted = false
    this.reconcile()
  }

  /** Resolves with true as soon as messages arrive, or with false when `subscribeTimeout` is over. */
  whenLive (): true | Promise<boolean> {
    if (this.live) return true
    return new Promise(resolve => {
      const waiter = { channel: this, resolve }
      this.#waiters.add(waiter)
      this.#shared.waiters.add(waiter)
    })
  }

  giveUp (waiter: Waiter): void {
    this.#waiters.delete(waiter)
    waiter.resolve(false)
  }

  /** The broker lost all subscriptions: whatever is in flight no longer counts. */
  lost (): void {
    this.stop()
    this.#state = 'none'
    this.#failures = 0
  }

  /** Whatever is under way or was to be tried again no longer counts. */
  stop (): void {
    if (this.#operation !== undefined) this.#shared.operations.delete(this.#operation)
    this.#operation = undefined
    clearTimeout(this.#retry)
    this.#retry = undefined
  }

  /** Moves one step towards what is wanted, unless a step is under way. */
  reconcile (): void {
    if (this.#operation !== undefined || this.#retry !== undefined) return
    if (!this.#wanted && this.#state === 'none') {
      this.#events.idle()
      return
    }
    if (!this.#shared.up || this.#state === (this.#wanted ? 'live' : 'none')) return

    const operation: Operation = { channel: this, subscribing: this.#wanted }
    this.#operation = operation
    this.#state = 'unknown'
    this.#shared.operations.add(operation)
    const { broker } = this.#shared
    const work = operation.subscribing ? broker.subscribe(this.name) : broker.unsubscribe(this.name)
    work.then(() => this.#succeeded(operation), error => this.#failed(operation, error))
  }

  timedOut (operation: Operation): void {
    this.#failed(operation, new Error(`The broker did not answer to ${operation.subscribing ? 'subscribe' : 'unsubscribe'}.`))
  }

  #succeeded (operation: Operation): void {
    if (!this.#settle(operation)) return
    this.#failures = 0
    this.#state = operation.subscribing ? 'live' : 'none'
    if (this.live) {
      this.#events.live()
      for (const waiter of this.#waiters) {
        this.#shared.waiters.delete(waiter)
        waiter.resolve(true)
      }
      this.#waiters.clear()
    }
    this.reconcile()
  }

  #failed (operation: Operation, error: Error): void {
    if (!this.#settle(operation)) return
    this.#events.failed(error)
    const delay = Math.min(FIRST_RETRY * 2 ** this.#failures++, LAST_RETRY)
    this.#retry = setTimeout(() => {
      this.#retry = undefined
      this.reconcile()
    }, delay)
  }

  /** Whether this operation is still the one that counts. */
  #settle (operation: Operation): boolean {
    if (this.#operation !== operation) return false
    this.#operation = undefined
    this.#shared.operations.delete(operation)
    return true
  }
}
