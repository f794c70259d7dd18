import { scenarios as cluster } from './cluster.js'
import { scenarios as clients } from './clients.js'
import { scenarios as connections } from './connections.js'
import { scenarios as crowds } from './crowds.js'
import { scenarios as data } from './data.js'
import { scenarios as errors } from './errors.js'
import { scenarios as failover } from './failover.js'
import { scenarios as hangs } from './hangs.js'
import { scenarios as network } from './network.js'
import { scenarios as poison } from './poison.js'
import { scenarios as processes } from './processes.js'
import { scenarios as restart } from './restart.js'

export const scenarios = [
  ...restart, ...hangs, ...connections, ...network, ...errors, ...data, ...poison,
  ...failover, ...cluster, ...processes, ...clients, ...crowds
]
