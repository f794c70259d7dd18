import { setImmediate as turn } from 'node:timers/promises'
import { interleave } from '../contest.js'
import { text } from './text.js'
import { command, Wire } from './wire.js'

const PROCESSES = 40
const ROOMS = 1_000
const SIZE = 200 // bytes of JSON
const PACES = [[2, 1_000], [2, 10_000], [2, 30_000], [20, 1_000], [20, 10_000], [20, 30_000]]
const FOR = 1_000 // ms
/** More than this in one turn would be a burst. What is late is sent in the next one. */
const AT_ONCE = 50
const MOST_ROUNDS = 5

/**
 * What Redis takes of a core when messages come at times of their own, whether or not it is done with those before: so many
 * per second, to so many processes each, from forty connections.
 * @returns by pace, the rate that came about, and the share of a core
 */
export async function measurePaces (node, rounds) {
  const [publishers, processes] = await Promise.all([0, 1].map(() => Promise.all(Array.from({ length: PROCESSES }, () => Wire.open(node.port)))))
  for (const publisher of publishers) publisher.discard('')
  const entries = PACES.map(([subscribed, rate]) => ({ name: `${rate} to ${subscribed}`, subscribed, rate, commands: Array.from({ length: ROOMS }, (_, room) => Buffer.from(command('PUBLISH', channel(subscribed, room), text(SIZE)))) }))
  for (const subscribed of new Set(PACES.map(([subscribed]) => subscribed))) {
    for (let room = 0; room < ROOMS; room++) {
      for (let number = 0; number < subscribed; number++) processes[(room * 7 + number * 3) % PROCESSES].discard(command('SUBSCRIBE', channel(subscribed, room)))
    }
  }
  const values = await interleave(entries, Math.min(rounds, MOST_ROUNDS), entry => run(node, publishers, entry))
  for (const wire of [...publishers, ...processes]) wire.close()
  return values
}

async function run (node, publishers, { rate, commands }) {
  const cpu = await node.cpu()
  const start = performance.now()
  let sent = 0
  for (let due = start; performance.now() < start + FOR;) {
    for (let number = 0; number < AT_ONCE && due < performance.now(); number++) {
      anyOf(publishers).discard(anyOf(commands))
      due -= Math.log(1 - Math.random()) / rate * 1_000
      sent++
    }
    await turn()
  }
  const seconds = (performance.now() - start) / 1_000
  return { rate: sent / seconds, share: (await node.cpu() - cpu) / 1_000_000 / seconds }
}

function channel (subscribed, room) {
  return `rooms:paced-${subscribed}-${room}`
}

function anyOf (all) {
  return all[Math.floor(Math.random() * all.length)]
}
