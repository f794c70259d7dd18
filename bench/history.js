// npm run build && node bench/history.js: how fast a room with history takes messages, against one without. Both brokers
// are real, with one connection for commands; turns of one way and of the other alternate, A B B A.
import { setTimeout } from 'node:timers/promises'
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

let ids = 0
const ways = {
  publish: (broker, channel) => broker.publish(channel, TEXT, `abcdefghijkl-${ids++}`),
  append: (broker, channel) => broker.history.append(channel, TEXT, `abcdefghijkl-${ids++}`, BOUNDS)
}

async function turn (broker, way, rooms) {
  const start = performance.now()
  await Promise.all(Array.from({ length: BURST }, (_, i) => ways[way](broker, `rooms:${i % rooms}`)))
  return performance.now() - start
}

for (const subscribers of [0, 1]) {
  for (const rooms of [1, 10, 1_000]) {
    const broker = await startBroker()
    const listener = subscribers > 0 ? await startBroker() : undefined
    for (let room = 0; room < rooms; room++) await listener?.subscribe(`rooms:${room}`)
    for (let i = 0; i < 20; i++) for (const way of Object.keys(ways)) await turn(broker, way, rooms)
    const times = { publish: [], append: [] }
    for (let i = 0; i < TURNS; i++) {
      for (const way of ['publish', 'append', 'append', 'publish']) times[way].push(await turn(broker, way, rooms))
    }
    const rate = way => BURST / median(times[way])
    console.log(`${rooms} room${rooms > 1 ? 's' : ''}, ${subscribers} subscriber: publish ${rate('publish').toFixed(0)}/ms, append ${rate('append').toFixed(0)}/ms, ratio ${(rate('append') / rate('publish')).toFixed(2)}`)
    await broker.close()
    await listener?.close()
  }
}
process.exit()
