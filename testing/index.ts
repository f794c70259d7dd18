// Several applications in one process, what joins them, what can go wrong with it, and clients: see docs/testing.md.

export { TestBus } from './bus.js'
export type { BrokerOptions, BusOptions, PartitionOptions, RefuseOptions, UnconfirmOptions } from './bus.js'
export type { Fault, FaultOptions, Hold, Target } from './fault.js'
export type { Call, CallKind, Delivery, TestBroker } from './traffic.js'

export { connect } from './connect.js'
export type { ConnectOptions } from './connect.js'
export type { ConnectableApp } from './injection.js'
export type { Client } from './client.js'
export type { Ending } from './inbox.js'
export type { Connected, Frame, ReceivedMessage, RoomStatus, Status } from './frame.js'
export type { Pattern, Which } from './pattern.js'
export { ExpectationError, RefusedError } from './failure.js'
export type { ExpectOptions } from './failure.js'
