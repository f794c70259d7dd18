// npm run bench:constants [-- --quick]: what capacity is planned with, measured on this machine, written to constants.json.
// docs/scaling.md and simulate.js read it from there.
import { existsSync, writeFileSync } from 'node:fs'
import { killChildren } from './child.js'

for (const [needed, remedy] of [['../dist/index.js', 'npm run build'], ['node_modules', 'npm ci --prefix bench']]) {
  if (existsSync(new URL(needed, import.meta.url))) continue
  console.error(`There is no ${needed}. Run: ${remedy}`)
  process.exit(1)
}

// Only now: they need what was looked for above.
const { measureCluster } = await import('./constants/cluster.js')
const { measureCommands } = await import('./constants/commands.js')
const { derive } = await import('./constants/derive.js')
const { Node } = await import('./constants/node.js')
const { measureLooks, measureMessages, measurePings, measureRooms, measureSockets, measureVisits } = await import('./constants/process.js')
const { measurePaces } = await import('./constants/pace.js')
const { measureMemory } = await import('./constants/redis-memory.js')
const { measureReplica } = await import('./constants/replica.js')
const { machine, versions } = await import('./machine.js')

process.on('exit', killChildren)
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))

const words = process.argv.slice(2)
const quick = words.includes('--quick')
const rounds = quick ? 1 : 9
const start = performance.now()

const node = await step('a Redis', () => Node.start())
const commands = await step('commands of Redis', () => measureCommands(node, rounds))
const paces = await step('Redis at a pace', () => measurePaces(node, rounds))
await node.stop()
const empty = await Node.start()
const memory = await step('memory of Redis', () => measureMemory(empty))
await empty.stop()
const replica = await step('a replica', () => measureReplica(rounds))
const cluster = await step('a Cluster', () => measureCluster(rounds))
const broker = await Node.start()
const processes = {
  sockets: await step('sockets', () => measureSockets(broker.url, rounds)),
  visits: await step('members who come and go', () => measureVisits(broker.url, rounds)),
  pings: await step('pings', () => measurePings(broker.url, rounds)),
  looks: await step('looks at histories', () => measureLooks(broker.url, rounds)),
  room: await step('rooms', () => measureRooms(broker.url)),
  messages: await step('messages', () => measureMessages(broker.url, rounds))
}

const { Bun, 'socket.io': socketIo, '@socket.io/redis-adapter': adapter, ...used } = versions(node)
const constants = {
  about: 'Written by `npm run bench:constants`; changes by hand are lost. Times are microseconds of processor time, sizes are bytes.',
  measured: new Date().toISOString().slice(0, 10),
  machine: machine(),
  versions: used,
  ...derive({ commands, paces, replica, memory, cluster, processes })
}
const text = `${JSON.stringify(constants, null, 2).replaceAll(/\[\s+("[^"]+",\s+)?[\d.,\s]+\]/g, pair => pair.replaceAll(/\s+/g, ' '))}\n`
if (quick) console.log(text)
else writeFileSync(new URL('constants.json', import.meta.url), text)
console.log(`${quick ? 'constants.json is not written by --quick' : 'constants.json is written'}; ${Math.round((performance.now() - start) / 1_000)} s`)
process.exit()

async function step (name, work) {
  console.log(`${Math.round((performance.now() - start) / 1_000)} s: ${name}`)
  return await work()
}
