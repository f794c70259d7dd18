// npm run build && node bench/history.js: how fast a room with history takes messages, against plain PUBLISH by a client of
// ioredis, and against rooms without history, whose PUBLISHes of one turn leave in one write. One connection each, a Redis
// that keeps nothing on disk; the turns of the three ways alternate, A B C C B A.
import { setTimeout } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { RedisBroker } from '../dist/lib/brokers/redis.js'
import { createLink } from '../dist/lib/brokers/redis-link.js'
import { killChildren } from './child.js'
import { startRedis } from './redis-server.js'
import { median } from './statistics.js'

const BURST = 1_000
const TURNS = 60
const TEXT = JSON.stringify({ command: 'UPDATE_USER', data: 'x'.repeat(200 - 34) })
const BOUNDS = { size: 1_000, ttl: 60_000 }

process.on('exit', killChildren)
const { url } = await startRedis()

async function startBroker () {
  const broker = new RedisBroker(await createLink(url), { prefix: 'rooms:', publishTimeout: 60_000 })
  await new Promise(resolve => broker.start({ message () {}, up: resolve, down () {}, missed () {}, error (error) { console.error(error) } }))
  while (!await broker.count('rooms:nobody').then(() => true, () => false)) await setTimeout(5)
  return broker
}

const plain = new Redis(url)
let ids = 0
const ways = {
  plain: (broker, channel) => plain.publish(channel, TEXT),
  room: (broker, channel) => broker.publish(channel, TEXT, `abcdefghijkl-${ids++}`),
  history: (broker, channel) => broker.history.append(channel, TEXT, `abcdefghijkl-${ids++}`, BOUNDS)
}
const ORDER = Object.keys(ways)

async function turn (broker, way, rooms) {
  const start = performance.now()
  await Promise.all(Array.from({ length: BURST }, (_, i) => ways[way](broker, `rooms:${i % rooms}`)))
  return performance.now() - start
}

console.log('| rooms | subscribers | PUBLISH by ioredis, per ms | room without history | with history | of PUBLISH | of a room without |')
console.log('|------:|------------:|--------------------------:|---------------------:|-------------:|-----------:|------------------:|')
for (const subscribers of [0, 1]) {
  for (const rooms of [1, 10, 1_000]) {
    const broker = await startBroker()
    const listener = subscribers > 0 ? await startBroker() : undefined
    for (let room = 0; room < rooms; room++) await listener?.subscribe(`rooms:${room}`)
    for (let i = 0; i < 20; i++) for (const way of ORDER) await turn(broker, way, rooms)
    const times = { plain: [], room: [], history: [] }
    for (let i = 0; i < TURNS; i++) {
      for (const way of [...ORDER, ...ORDER.toReversed()]) times[way].push(await turn(broker, way, rooms))
    }
    const rate = way => BURST / median(times[way])
    const ratio = way => (rate('history') / rate(way)).toFixed(2)
    console.log(`| ${rooms} | ${subscribers} | ${ORDER.map(way => rate(way).toFixed(0)).join(' | ')} | ${ratio('plain')} | ${ratio('room')} |`)
    await broker.close()
    await listener?.close()
  }
}
process.exit()
