import { MemoryBroker } from '../../index.js'
import type { BrokerEvents, BrokerHistory } from '../../index.js'
import type { Gate } from './gate.js'

/** A broker of an application's own, which is slow when the test says so. */
class TestBroker extends MemoryBroker {
  readonly calls: string[] = []
  /** Where subscriptions stop. */
  gate: Gate | undefined
  /** What the plugin hears from it. */
  events!: BrokerEvents

  override start (events: BrokerEvents): void {
    this.events = events
    super.start(events)
  }

  override async subscribe (channel: string): Promise<void> {
    this.calls.push(`subscribe ${channel}`)
    await this.gate?.pass()
    await super.subscribe(channel)
  }

  override async unsubscribe (channel: string): Promise<void> {
    this.calls.push(`unsubscribe ${channel}`)
    await super.unsubscribe(channel)
  }
}

/** A broker that keeps messages, and whose process misses what arrives, or cannot read, when the test says so. */
export class KeepingBroker extends TestBroker {
  /** Whether what is published does not arrive here. */
  deaf = false
  polled = false
  reads = 0
  tails = 0
  /** What reading and writing the history fails with. */
  historyFailure: Error | undefined
  /** Where reading stops. */
  reading: Gate | undefined

  constructor (...args: ConstructorParameters<typeof MemoryBroker>) {
    super(...args)
    const kept = this.history
    const pass = async (): Promise<void> => {
      await this.reading?.pass()
      if (this.historyFailure !== undefined) throw this.historyFailure
    }
    const isPolled = (): boolean => this.polled
    const history: BrokerHistory = {
      get polled () { return isPolled() },
      append: async (...args) => {
        if (this.historyFailure !== undefined) throw this.historyFailure
        return await kept.append(...args)
      },
      read: async (...args) => {
        this.reads++
        await pass()
        return await kept.read(...args)
      },
      tail: async (...args) => {
        this.tails++
        await pass()
        return await kept.tail(...args)
      }
    }
    Object.defineProperty(this, 'history', { value: history })
  }

  override start (events: BrokerEvents): void {
    super.start({ ...events, message: (...args) => { if (!this.deaf) events.message(...args) } })
    this.events = events
  }
}
