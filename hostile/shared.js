// What the tests in test/hostile use too: they attack the same server in the same ways, with fewer sockets and less patience.
export { Attacker, endings, upgradeRequest } from './attacker.js'
export { attacks } from './attacks/index.js'
export { rooms } from './contenders.js'
export * from './frames.js'
export { attackOn } from './round.js'
export { Stage } from './stage.js'
export { Victim } from './victim.js'
