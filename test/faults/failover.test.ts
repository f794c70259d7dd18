import t from 'tap'
import { until } from '../helpers/app.js'
import { ownerOf, startCluster } from '../helpers/cluster.js'
import { createField, ROOMS, sleep, underLoad } from '../helpers/field.js'
import { FaultProxy } from '../../faults/shared.js'
import { startRedis } from '../helpers/redis.js'
import type { RedisServer } from '../helpers/redis.js'
import { watchForStrays } from '../helpers/strays.js'

const noStrays = watchForStrays(t)

/**
 * A replica that lacks the last messages takes over. One process is there at once and sends until its numbers have passed
 * those that the other one knows, and those of a client that was away: neither may take the new messages for old ones.
 */
t.test('a replica that lagged is promoted, and overtakes: those who come late are told, and lose none of what is new', async t => {
  const replica = await startRedis(t, ['--repl-diskless-load', 'on-empty-db'])
  const promoted = replica.client()
  t.teardown(() => promoted.disconnect())
  const field = await underLoad(t, { redis: ['--repl-diskless-sync-delay', '0'] }, async field => {
    const link = await FaultProxy.start(field.redis.port)
    t.teardown(() => link.close())
    await promoted.replicaof('127.0.0.1', link.port)
    await until(async () => (await promoted.info('replication')).includes('master_link_status:up'))
    const away = await field.join(t, 'kept', [1])
    await field.flow()
    const known = await promoted.xlen('{rooms:kept}:s')
    await until(async () => await promoted.xlen('{rooms:kept}:s') > known)
    link.set('blackhole')
    await field.flow()
    away.leave()
    const [one, other] = field.proxies as [FaultProxy, FaultProxy]
    const [member] = field.members
    await field.fault(async () => {
      other.arriving = 'refuse'
      for (const proxy of [one, other]) proxy.target = replica.port
      await promoted.replicaof('NO', 'ONE')
      for (const proxy of [one, other]) proxy.cut()
      const seen = member?.journal.count('message') as number
      await until(() => member?.journal.count('message') as number > seen + 40) // more than the replica lacked
      other.arriving = 'pass'
    })
    away.return()
  })
  const { kept } = field.holds(t, { lossy: true, resumed: 1_500 })
  t.ok(kept.told > 0, 'who had missed something was told')
})

t.test('a slot of a Cluster moves, and for more than a second its keys are with one node and its owner is another: nothing is lost', async t => {
  const { nodes, connect } = await startCluster(t)
  const cluster = connect()
  const field = await createField(t, { redis: nodes[0] as RedisServer, connect })
  for (const room of ROOMS) for (const door of [0, 1]) await field.join(t, room, [door])
  field.publish([0, 1], { rate: 25 })
  await field.flow()
  const clients = nodes.map(node => node.client())
  t.teardown(() => { for (const client of clients) client.disconnect() })
  const slot = await cluster.cluster('KEYSLOT', 'rooms:kept')
  const owner = nodes.indexOf(await ownerOf(cluster, nodes, 'rooms:kept'))
  const [from, to] = [clients[owner], clients[(owner + 1) % 3]] as [typeof clients[0], typeof clients[0]]
  const [fromId, toId] = await Promise.all([from.cluster('MYID'), to.cluster('MYID')]) as [string, string]
  await to.cluster('SETSLOT', slot, 'IMPORTING', fromId)
  await from.cluster('SETSLOT', slot, 'MIGRATING', toId)
  const keys = await from.cluster('GETKEYSINSLOT', slot, 100)
  await from.call('MIGRATE', '127.0.0.1', (nodes[(owner + 1) % 3] as RedisServer).port, '', 0, 5_000, 'KEYS', ...keys)
  await sleep(1_300)
  for (const client of [to, from, ...clients]) await client.cluster('SETSLOT', slot, 'NODE', toId)
  await field.flow()
  await field.settle()
  field.holds(t, { pause: 3_000 })
})

noStrays()
