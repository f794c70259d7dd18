import { MemoryBroker } from '../../index.js'
import type { BrokerEvents } from '../../index.js'
import type { Gate } from './gate.js'

/** A broker of an application's own, which is slow or fails when the test says so. */
export class TestBroker extends MemoryBroker {
  readonly calls: string[] = []
  /** Where subscriptions stop. */
  gate: Gate | undefined
  /** Where sends stop. */
  sending: Gate | undefined
  /** What sending fails with. */
  failure: Error | undefined
  /** What the plugin hears from it. */
  events!: BrokerEvents

  override start (events: BrokerEvents): void {
    this.events = events
    super.start(events)
  }

  override async publish (channel: string, text: string): Promise<number> {
    this.calls.push(`publish ${channel}`)
    await this.sending?.pass()
    if (this.failure !== undefined) throw this.failure
    return await super.publish(channel, text)
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

/** As a broker of another copy of the package would say it: by code. */
export function brokerUnavailable (): Error {
  return Object.assign(new Error('nobody there'), { code: 'FST_ROOMS_BROKER_UNAVAILABLE' })
}
