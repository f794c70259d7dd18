import { setTimeout as sleep } from 'node:timers/promises'
import { append, APPEND_LINES, begin, SCRIPTS } from './scripts.js'
import { text } from './text.js'
import { command, Wire } from './wire.js'

const CHANNELS = 100_000
const CONNECTIONS = 1_000
const ROOMS = 500
const BATCH = 500
/** After this, Redis has taken back what a connection needed only while it was busy. */
const SETTLE = 7_000 // ms
const SHORTLY = 100 // ms
const KEPT = [0, 1, 10, 20, 50, 100, 300]
const SIZES = [200, 1_000] // bytes of JSON
const PROCESSES = [1, 2, 8, 40, 200]
const WARM_UP = 3
const KEYS = 17_000
/** A block of a stream has so many messages of 200 bytes, or a few times as many. */
const LOOKS = 6
const BETWEEN = 3

/** What Redis holds, in bytes. Nothing of this has moods, so each is measured once. */
export async function measureMemory (node) {
  const wires = await Promise.all(Array.from({ length: 3 }, () => Wire.open(node.port)))
  const subscribing = wire => async () => {
    for (let done = 0; done < CHANNELS; done += BATCH) {
      await wires[wire].send(command('SUBSCRIBE', ...Array.from({ length: BATCH }, (_, number) => `rooms:room-${done + number}`)), 6 * BATCH)
    }
  }
  const channel = await growth(node, CHANNELS, subscribing(0))
  const again = [await growth(node, CHANNELS, subscribing(1)), await growth(node, CHANNELS, subscribing(2))]
  await tableOfKeys(wires[0])
  for (const wire of wires) wire.close()
  return {
    channel, // with its first subscription
    subscription: (again[0] + again[1]) / 2, // a further one
    connection: await growth(node, CONNECTIONS, () => Promise.all(Array.from({ length: CONNECTIONS }, () => Wire.open(node.port)))),
    count: await counts(node),
    history: await histories(node)
  }
}

/** Makes the table of keys as large as it will have to be: no room is to pay for its doubling. */
async function tableOfKeys (wire) {
  await wire.send(command('UNSUBSCRIBE'), 6 * CHANNELS)
  await wire.send(Array.from({ length: KEYS }, (_, number) => command('SET', `key-${number}`, 1, 'EX', 3_600)).join(''), KEYS)
}

/** A room's count, by how many processes have members. */
async function counts (node) {
  const wire = await Wire.open(node.port)
  const measured = []
  for (const processes of [WARM_UP, ...PROCESSES]) {
    const bytes = await growthOfKeys(node, ROOMS, async () => {
      for (let room = 0; room < ROOMS; room++) {
        const key = `{rooms:room-${processes}-${room}}:n`
        const fields = Array.from({ length: processes }, (_, number) => [`aBcDeFgHiJkL-${number}`, number % 50]).flat()
        await wire.send(command('HSET', key, ...fields) + command('EXPIRE', key, 86_400), 2)
      }
    })
    measured.push([processes, bytes])
  }
  wire.close()
  return measured.slice(1)
}

/**
 * A room's history, by the size of its messages and how many are kept. Three times as many are sent: what Redis has
 * trimmed it still holds in part, until a whole block of the stream has gone. How much that is changes with each message,
 * so it is looked at several times.
 */
async function histories (node) {
  const wire = await Wire.open(node.port)
  for (const script of SCRIPTS) await node.admin.script('LOAD', script)
  const measured = {}
  for (const size of SIZES) {
    measured[size] = []
    for (const kept of KEPT) {
      const channels = Array.from({ length: ROOMS }, (_, room) => `rooms:room-${size}-${kept}-${room}`)
      let number = 0
      const send = async until => {
        while (number < until) await wire.send(append(channels, kept, number++, text(size)), APPEND_LINES.once + ROOMS * APPEND_LINES.each)
      }
      const before = await held(node)
      await wire.send(channels.map(begin).join(''), 3 * ROOMS)
      let sum = 0
      for (let look = 0; look < LOOKS; look++) {
        if (kept > 0) await send(3 * kept + look * BETWEEN)
        sum += await held(node) - before
      }
      const bytes = sum / LOOKS / ROOMS
      measured[size].push([kept, bytes])
    }
  }
  wire.close()
  return measured
}

async function growth (node, count, work) {
  await sleep(SETTLE)
  const { used_memory: before } = await node.info('memory')
  await work()
  await sleep(SETTLE)
  return ((await node.info('memory')).used_memory - before) / count
}

async function growthOfKeys (node, count, work) {
  const before = await held(node)
  await work()
  return (await held(node) - before) / count
}

/** Without what connections take, so that nobody has to wait for them. */
async function held (node) {
  await sleep(SHORTLY)
  const { used_memory: all, mem_clients_normal: clients } = await node.info('memory')
  return all - clients
}
