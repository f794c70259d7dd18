import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { interleave } from '../contest.js'
import { Node } from './node.js'
import { text } from './text.js'
import { command, Wire } from './wire.js'

const PUBLISHERS = 16
const COUNT = 8_000
const SIZE = 200 // bytes of JSON
const MOST_ROUNDS = 5

/**
 * What a replica costs where nothing is kept: Redis passes messages on to it as well.
 * @returns microseconds for each message of a master that has none, of one that has one, and of the replica
 */
export async function measureReplica (rounds) {
  const folder = mkdtempSync(join(tmpdir(), 'fastify-rooms-replica-')) // it writes down what it gets first
  const [single, master] = [await Node.start(), await Node.start()]
  const replica = await Node.start(['--replicaof', '127.0.0.1', String(master.port), '--dir', folder])
  while (!/master_link_status:up/.test(await replica.admin.info('replication'))) await sleep(100)
  const bytes = Buffer.from(command('PUBLISH', 'rooms:replicated', text(SIZE)))
  const entries = await Promise.all([['without', [single]], ['with', [master, replica]]].map(async ([name, nodes]) => ({
    name, nodes, wires: await Promise.all(Array.from({ length: PUBLISHERS }, () => Wire.open(nodes[0].port)))
  })))
  const values = await interleave(entries, Math.min(rounds, MOST_ROUNDS), async ({ nodes, wires }) => {
    const before = await Promise.all(nodes.map(node => node.cpu()))
    await Promise.all(wires.map(async wire => {
      for (let number = 0; number < COUNT / PUBLISHERS; number++) await wire.send(bytes, 1)
    }))
    await sleep(50) // what the replica still has to do
    const [publish, replicate = 0] = (await Promise.all(nodes.map(node => node.cpu()))).map((cpu, index) => (cpu - before[index]) / COUNT)
    return { publish, replicate }
  })
  for (const node of [single, master, replica]) await node.stop()
  rmSync(folder, { recursive: true })
  return { without: values.without.publish, with: values.with.publish, replica: values.with.replicate }
}
