/**
 * What carries messages between processes. Two are built in; an application can bring its own. test/brokers/suite.ts
 * is the contract in executable form: a broker that passes it will do.
 */
export interface Broker {
  /** Called once, before anything else. The broker may connect in the background: the application starts without waiting. */
  start (events: BrokerEvents): void

  /**
   * Hands a text, as UTF-8, to every process that is subscribed to the channel, this one included, in one order for all.
   * @returns how many subscriptions the broker counted: processes, not members
   * @throws FST_ROOMS_BROKER_UNAVAILABLE when the message was certainly not sent, FST_ROOMS_SEND_UNKNOWN when it may have been
   */
  publish (channel: string, text: string, id: string): number | Promise<number>

  /** Resolves once the subscription is live: whatever is published from then on arrives. */
  subscribe (channel: string): Promise<void>
  unsubscribe (channel: string): Promise<void>

  /** Tells the broker how many members this process has on a channel, so that others can count. */
  report (channel: string, members: number): void

  /** How many members the channel has in all processes, by their latest reports. */
  count (channel: string): Promise<number>

  /** Resolves when all that was published here before has arrived here. Rejects when that cannot be known. */
  flush (): Promise<void>

  /** Lets go of everything: connections that the broker made, timers, what it has reported. */
  close (): Promise<void>
}

/** What a broker tells the plugin. */
export interface BrokerEvents {
  /** @param payload the text that was published, or its bytes; whoever has them as they came saves the decoding */
  message (channel: string, payload: string | Buffer): void
  /** Subscriptions can be made. There are none yet: after a loss the plugin makes all of them again. */
  up (): void
  /** All subscriptions are gone, and messages may be missed until they are made again. */
  down (): void
  /** For the log. Errors that reject a call are not told twice. */
  error (error: Error): void
}
