// What the tests in test/faults use too: they break the same things, in one process and in less time.
export { now, sleep } from './clock.js'
export { failuresOf } from './holds.js'
export { RoomsMember } from './members/rooms.js'
export { judge } from './oracle.js'
export { FaultProxy } from './proxy.js'
export { Publisher } from './publisher.js'
export { Random } from './random.js'
