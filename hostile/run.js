// npm run test:hostile [-- [--rounds=number] word …]: attacks this plugin and Socket.IO, measures what that does to them and to their members, and
// fails where this plugin does not withstand. A whole run writes its section of docs/reliability.md; words choose attacks.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { killChildren } from '../bench/child.js'

if (!existsSync(new URL('../bench/node_modules', import.meta.url))) {
  console.error('The peers are not installed. Run: npm ci --prefix bench')
  process.exit(1)
}

// Only now: they need what was looked for above.
const { machine, versionOf } = await import('../bench/machine.js')
const { RedisServer } = await import('../faults/redis-server.js')
const { attacks } = await import('./attacks/index.js')
const { rooms } = await import('./contenders.js')
const { measure, MEMBERS, RATE, ROUNDS } = await import('./measure.js')
const { runFirst } = await import('./priority.js')
const { section, withSection } = await import('./section.js')
const { socketio } = await import('./socketio.js')

const PAGE = new URL('../docs/reliability.md', import.meta.url)
const VERSIONS = ['fastify', '@fastify/websocket', 'ws', 'ioredis', 'socket.io', '@socket.io/redis-adapter']

process.on('exit', killChildren)
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))

const options = Object.fromEntries(process.argv.slice(2).filter(word => word.startsWith('--')).map(word => word.slice(2).split('=')))
const words = process.argv.slice(2).filter(word => !word.startsWith('--')).map(word => word.toLowerCase())
const rounds = Number(options.rounds ?? ROUNDS)
const load = loadavg()[0].toFixed(1)
const redis = await RedisServer.start()
const first = [process.pid, redis.pid].every(runFirst)
if (!first) console.log('Members and Redis cannot be given priority, which takes root on Linux: what is measured of members is worse than it is.')
const results = []
for (const [number, { id, what, count, measured = true }] of attacks.entries()) {
  if (!measured || !words.every(word => `${id} ${what}`.toLowerCase().includes(word))) continue
  const outcomes = {}
  for (const contender of [socketio, rooms]) outcomes[contender.id] = await measure(contender, number, redis, rounds)
  results.push({ id, what, count, outcomes })
  console.log(`${id}: ${count} × ${what}`)
  for (const [name, { failures, ...outcome }] of Object.entries(outcomes)) {
    console.log(`  ${name}: ${JSON.stringify(outcome)}`)
    for (const failure of failures) console.error(`  MISSED: ${failure}`)
  }
}
await redis.stop()

const missed = results.filter(({ outcomes }) => outcomes.rooms.failures.length > 0)
const unknown = results.filter(({ outcomes }) => outcomes.rooms.verdict === 'unknown').length
console.log(`${results.length - missed.length} of ${results.length} attacks are withstood${unknown === 0 ? '' : `; whether members are slowed could not be said of ${unknown}: the machine has too much else to do`}`)
if (missed.length > 0) process.exitCode = 1
if (words.length === 0) {
  const versions = { 'fastify-rooms': JSON.parse(readFileSync(new URL('../package.json', import.meta.url))).version, Node: process.version.slice(1), Redis: redisVersion() }
  for (const name of VERSIONS) versions[name] = versionOf(name)
  const found = { date: new Date().toISOString().slice(0, 10), machine: { ...machine(), 'load before': load, 'members and Redis first': first ? 'yes' : 'no' }, versions, members: MEMBERS, rate: RATE, rounds, results }
  writeFileSync(PAGE, withSection(readFileSync(PAGE, 'utf8'), section(found)))
} else {
  console.log('docs/reliability.md is written by a whole run only.')
}
process.exit()

function redisVersion () {
  return execFileSync('redis-server', ['--version'], { encoding: 'utf8' }).match(/v=(\S+)/)[1]
}
