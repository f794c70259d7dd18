import type { Broker } from '../lib/brokers/broker.js'
import { errors } from '../lib/errors.js'
import { isVolatile, parseObject, unsealed } from '../lib/protocol.js'
import type { Payload } from '../lib/wire.js'

/** The broker of one application on a bus: what it takes as `broker`. */
export interface TestBroker extends Broker {
  readonly name: string
}

/**
 * What applications ask of a bus. `send` is a message to a room, with history or without; `read` is about history, and
 * `records` about access that was taken away.
 */
export type CallKind = 'send' | 'subscribe' | 'unsubscribe' | 'read' | 'records' | 'count' | 'flush'

/** What a text says, as far as it is a message. */
interface Content {
  readonly command: string | undefined
  readonly data: unknown
}

/** An application asks the bus for something. */
export interface Call extends Content {
  readonly kind: CallKind
  /** The broker of the application that asks; undefined for `bus.publish`. */
  readonly by: TestBroker | undefined
  /** Undefined for `flush` and `records`, which are about all rooms. */
  readonly room: string | undefined
  /** The name of the message, as in its receipt. */
  readonly id: string | undefined
}

/** A message is on its way from the bus to one application. */
export interface Delivery extends Content {
  readonly room: string
  /** The broker of the application that has sent it; undefined for `bus.publish`. */
  readonly from: TestBroker | undefined
  readonly to: TestBroker
}

export function contentOf (payload: Payload): Content {
  const { command, data } = parseObject(isVolatile(payload) ? unsealed(payload) : payload) ?? {}
  return { command: typeof command === 'string' ? command : undefined, data }
}

/** What a call fails with that may have been carried out, and to which no answer came. */
export function unanswered ({ kind, id }: Call): Error {
  return kind === 'send' ? new errors.FST_ROOMS_SEND_UNKNOWN(id) : new errors.FST_ROOMS_BROKER_UNAVAILABLE()
}
