import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { interleave } from '../contest.js'
import { freePort } from '../redis-server.js'
import { nodeOf, rangeOf, slotOf } from '../simulation/slots.js'
import { Node } from './node.js'
import { text } from './text.js'
import { command, Wire } from './wire.js'

const NODES = 3
const PUBLISHERS = 16
const PROCESSES = 12
const ROOMS = 1_000
const SIZE = 200 // bytes of JSON
const COUNT = 6_000
const SUBSCRIBED = [0, 2, 8]
const IDLE = 3_000 // ms

/**
 * The same messages through a Cluster by both kinds of pub/sub: sharded, where only the node of the room's slot has anything
 * to do with a message, and classic, where each node tells all others.
 * @returns for each message, microseconds of all nodes together and bytes on the machine's loopback; and microseconds of a
 * node per second of doing nothing
 */
export async function measureCluster (rounds) {
  const folder = mkdtempSync(join(tmpdir(), 'fastify-rooms-cluster-'))
  const nodes = await startCluster(folder)
  const idle = await idleCost(nodes)
  const processes = await Promise.all(Array.from({ length: PROCESSES }, () => Promise.all(nodes.map(({ port }) => Wire.open(port)))))
  const publishers = await Promise.all(Array.from({ length: PUBLISHERS }, () => Promise.all(nodes.map(({ port }) => Wire.open(port)))))
  const entries = []
  for (const subscribed of SUBSCRIBED) {
    for (const kind of ['sharded', 'classic']) entries.push(plan(kind, subscribed, processes))
  }
  await sleep(500)
  for (const entry of entries) await run(nodes, publishers, entry)
  const values = await interleave(entries, rounds, entry => run(nodes, publishers, entry))
  for (const node of nodes) await node.stop()
  rmSync(folder, { recursive: true })
  return { idle, messages: values }
}

function plan (kind, subscribed, processes) {
  const sharded = kind === 'sharded'
  const channels = Array.from({ length: ROOMS }, (_, room) => `rooms:${kind}-${subscribed}-${room}`)
  channels.forEach((channel, room) => {
    for (let number = 0; number < subscribed; number++) {
      const process = (room * 7 + number * 5) % PROCESSES
      // A process has all its classic subscriptions on one node, which ioredis chooses.
      if (sharded) processes[process][nodeOf(channel, NODES)].discard(command('SSUBSCRIBE', channel))
      else processes[process][process % NODES].discard(command('SUBSCRIBE', channel))
    }
  })
  const commands = channels.map((channel, room) => ({
    bytes: Buffer.from(command(sharded ? 'SPUBLISH' : 'PUBLISH', channel, text(SIZE))),
    node: sharded ? nodeOf(channel, NODES) : room % NODES
  }))
  return { name: `${kind} to ${subscribed}`, commands }
}

async function run (nodes, publishers, { commands }) {
  const [before, bytes] = [await cpu(nodes), loopback()]
  await Promise.all(publishers.map(async (wires, publisher) => {
    for (let number = publisher; number < COUNT; number += PUBLISHERS) {
      const { bytes, node } = commands[number % ROOMS]
      await wires[node].send(bytes, 1)
    }
  }))
  await sleep(20) // what the other nodes still have to do
  return { cpu: (await cpu(nodes) - before) / COUNT, bytes: (loopback() - bytes) / COUNT }
}

async function idleCost (nodes) {
  const before = await cpu(nodes)
  await sleep(IDLE)
  return (await cpu(nodes) - before) / NODES / (IDLE / 1_000)
}

/** Redis counts what it sends to clients, and not what its nodes send each other. */
function loopback () {
  return Number(/lo:\s*(\d+)/.exec(readFileSync('/proc/net/dev', 'utf8'))[1])
}

async function cpu (nodes) {
  let sum = 0
  for (const node of nodes) sum += await node.cpu()
  return sum
}

async function startCluster (folder) {
  const nodes = []
  for (let number = 0; number < NODES; number++) {
    const bus = await freePort()
    const node = await Node.start(['--cluster-enabled', 'yes', '--cluster-port', String(bus), '--cluster-config-file', `${number}.conf`, '--dir', folder])
    nodes.push(Object.assign(node, { bus }))
  }
  for (const [number, node] of nodes.entries()) {
    const [first, next] = rangeOf(number, NODES)
    await node.admin.call('CLUSTER', 'ADDSLOTSRANGE', first, next - 1)
    await node.admin.call('CLUSTER', 'SET-CONFIG-EPOCH', number + 1)
  }
  for (const { port, bus } of nodes.slice(1)) await nodes[0].admin.call('CLUSTER', 'MEET', '127.0.0.1', port, bus)
  for (const node of nodes) {
    while (!/cluster_state:ok\r\n(.*\r\n)*cluster_known_nodes:3/.test(await node.admin.call('CLUSTER', 'INFO'))) await sleep(100)
  }
  // Whoever plans by these slots must have the same ones as Redis.
  for (const channel of ['rooms:cdr', 'rooms:stand:7', '123456789']) {
    if (await nodes[0].admin.call('CLUSTER', 'KEYSLOT', channel) !== slotOf(channel)) throw new Error(`the slot of ${channel} is another`)
  }
  return nodes
}
