import { MemoryBus } from '../lib/brokers/memory.js'
import { turn } from './clock.js'
import { Traps } from './fault.js'
import type { Call, Delivery } from './traffic.js'

/** What the brokers of a bus share: the memory, what is to go wrong, and what is under way. */
export class Exchange {
  readonly memory = new MemoryBus()
  readonly calls = new Traps<Call, Promise<unknown>>()
  readonly deliveries = new Traps<Delivery, void>()
  readonly prefix: string
  /** How long a call may take, in milliseconds. */
  readonly answerTimeout: number
  readonly #underWay = new Map<Call, 'busy' | 'idle'>()
  #begun = 0
  #handing: Call | undefined

  constructor (prefix: string, answerTimeout: number) {
    this.prefix = prefix
    this.answerTimeout = answerTimeout
  }

  channelOf (room: string): string {
    return this.prefix + room
  }

  roomOf (channel: string): string {
    return channel.startsWith(this.prefix) ? channel.slice(this.prefix.length) : channel
  }

  /** The send whose message is being handed over. In memory, all subscribers have it before the call returns. */
  get handing (): Call {
    return this.#handing as Call
  }

  hand<T> (call: Call, work: () => T): T {
    this.#handing = call
    return work()
  }

  async run<T> (call: Call, work: () => Promise<T>): Promise<T> {
    this.#begun++
    this.#underWay.set(call, 'busy')
    try {
      return await work()
    } finally {
      this.#underWay.delete(call)
    }
  }

  /** Whether a call waits for the test, or behind one that does. */
  waits (call: Call): boolean {
    return this.#underWay.get(call) === 'idle'
  }

  /** Has a call wait for something that only the test can bring about. */
  async wait (call: Call, waiting: Promise<unknown>): Promise<void> {
    this.#underWay.set(call, 'idle')
    await waiting
    if (this.#underWay.has(call)) this.#underWay.set(call, 'busy')
  }

  /** Resolves when no call is under way but those that the test keeps waiting, and none has come of their answers. */
  async settled (): Promise<void> {
    let begun: number
    do {
      begun = this.#begun
      await turn()
    } while (begun !== this.#begun || [...this.#underWay.values()].includes('busy'))
  }
}
