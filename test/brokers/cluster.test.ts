import t from 'tap'
import type { Test } from 'tap'
import type { Cluster, Redis } from 'ioredis'
import type { BrokerRecords } from '../../index.js'
import { RedisBroker } from '../../lib/brokers/redis.js'
import { slotOf } from '../../lib/brokers/slots.js'
import { createLink } from '../../lib/brokers/redis-link.js'
import { documentedRules, fillRecords, RECORDS, refusals, startCounting, uncalled } from '../helpers/acl.js'
import { createApp, until, untilJoined } from '../helpers/app.js'
import { join } from '../helpers/client.js'
import { startCluster } from '../helpers/cluster.js'
import { Ledger } from '../helpers/ledger.js'
import { startProxy } from '../helpers/proxy.js'
import type { FaultProxy } from '../helpers/proxy.js'
import type { RedisServer } from '../helpers/redis.js'
import { Stopwatch } from '../helpers/stopwatch.js'
import { historyOf, textOf } from './history-suite.js'
import { brokerSuite, publish, start } from './suite.js'
import type { Started } from './suite.js'

const BOUNDS = { size: 10_000, ttl: 60_000 }
const settings = { prefix: 'rooms:', publishTimeout: 2_000 }

interface Node {
  server: RedisServer
  client: Redis
  id: string
}

/** The node that has a channel's slot, and another. */
async function around (t: Test, nodes: RedisServer[], channel: string): Promise<{ slot: number, from: Node, to: Node }> {
  const slot = slotOf(channel)
  const all = await Promise.all(nodes.map(async server => {
    const client = server.client()
    t.teardown(() => client.disconnect())
    return { server, client, id: await client.cluster('MYID') as string }
  }))
  const [first] = all as [Node, ...Node[]]
  const ranges = await first.client.cluster('SLOTS')
  const port = ranges.find(([start, end]) => slot >= start && slot <= end)?.[2]?.[1]
  return { slot, from: all.find(({ server }) => server.port === port) as Node, to: all.find(({ server }) => server.port !== port) as Node }
}

t.test('a Redis Cluster', async t => {
  const { nodes, connect } = await startCluster(t)
  await brokerSuite(t, 'Redis Cluster, sharded pub/sub', async t => {
    const cluster = connect()
    return async () => new RedisBroker(await createLink(cluster), settings)
  })

  t.test('applications that share a Cluster share their rooms', async t => {
    const cluster = connect({ keyPrefix: 'app:' })
    const a = await createApp(t, { rooms: { redis: cluster } })
    const b = await createApp(t, { rooms: { redis: cluster } })
    await untilJoined(a, b)
    const member = await join(t, a.url, a.token())
    const { subscribers, degraded } = await b.app.ws.sendToRoom('cdr', { command: 'UPDATE_USER', data: 1 })
    t.equal(degraded, undefined)
    t.equal(subscribers, 1)
    t.strictSame(await member.next(), { command: 'UPDATE_USER', data: 1 })
    await until(async () => await b.app.ws.count('cdr') === 1)
  })

  /** The only process that there is knows all masters, and hears itself on each. */
  const untilItListens = async (): Promise<void> => await until(async () => {
    const canaries = await Promise.all(nodes.map(async node => {
      const client = node.client()
      const channels = await client.pubsub('SHARDCHANNELS', 'rooms:!*') as string[]
      client.disconnect()
      return channels
    }))
    return canaries.every(channels => channels.length === 1)
  })

  t.test('the slot of a channel is that of its keys, as Redis computes it', async t => {
    const client = (nodes[0] as RedisServer).client()
    t.teardown(() => client.disconnect())
    for (const channel of ['', 'a', 'rooms:cdr', 'rooms:!x-0:17', 'rooms:~%+='.repeat(20)]) {
      t.equal(slotOf(channel), await client.cluster('KEYSLOT', channel))
      if (channel !== '') t.equal(slotOf(channel), await client.cluster('KEYSLOT', `{${channel}}:s`))
    }
  })

  t.test('a process listens to itself on each master', async t => {
    const a = await start(t, new RedisBroker(await createLink(connect()), settings))
    await untilItListens()
    await new Promise(resolve => setTimeout(resolve, 4_000))
    t.strictSame([a.downs, a.errors, a.messages], [0, [], []])
  })

  t.test('a connection on which nothing is heard any more is noticed within 3 s, and made anew', async t => {
    const proxies = new Map<number, FaultProxy>()
    for (const { port } of nodes) proxies.set(port, await startProxy(t, port))
    const natMap = Object.fromEntries(nodes.map(({ port }) => [`127.0.0.1:${port}`, { host: '127.0.0.1', port: proxies.get(port)?.port as number }]))
    const a = await start(t, new RedisBroker(await createLink(connect({ natMap })), settings))
    await a.broker.subscribe('rooms:deaf')
    await untilItListens()
    const proxy = proxies.get((await around(t, nodes, 'rooms:deaf')).from.server.port) as FaultProxy
    const { ups, downs } = a
    proxy.mode = 'deafen'
    const stopwatch = new Stopwatch()
    t.teardown(() => stopwatch.stop())
    await until(() => a.downs > downs)
    t.ok(stopwatch.stop() <= 3_000)
    proxy.mode = 'pass'
    await until(() => a.ups > ups)
    await until(async () => {
      await a.broker.subscribe('rooms:deaf').catch(() => {})
      return await publish(a, 'rooms:deaf', 'hello', '1').catch(() => 0) === 1
    })
    await until(() => a.messages.some(({ payload }) => payload === 'hello'))
  })

  t.test('a slot has another owner, and nobody has said so: its channels are subscribed to again, and it is told', async t => {
    const link = await createLink(connect())
    const a = await start(t, new RedisBroker(link, settings))
    const channels = Array.from({ length: 12 }, (_, i) => `rooms:owner-${i}`)
    await Promise.all(channels.map(channel => a.broker.subscribe(channel)))
    await untilItListens()
    const { slots } = link.commands as Cluster
    const [one, other] = [...new Set(slots.map(([owner]) => owner))] as [string, string]
    const moved = channels.filter(channel => slots[slotOf(channel)]?.[0] === one)
    slots.forEach(([owner], slot) => { if (owner === one) slots[slot] = [other] })
    const { missed, downs } = a
    await until(() => missed.length >= moved.length || a.downs > downs)
    if (a.downs === downs) t.strictSame(missed.toSorted(), moved.toSorted())
    await until(async () => {
      const counts = await Promise.all(channels.map(async channel => {
        await a.broker.subscribe(channel).catch(() => {})
        return await publish(a, channel, 'hello', '1').catch(() => 0)
      }))
      return counts.every(count => count === 1)
    })
  })

  t.test('a slot moves while messages are sent: none is lost from the history, none is there twice, and what was not heard is told', async t => {
    const a = await start(t, new RedisBroker(await createLink(connect()), settings))
    const b = await start(t, new RedisBroker(await createLink(connect()), settings))
    const channel = 'rooms:moving'
    const { slot, from, to } = await around(t, nodes, channel)
    await b.broker.subscribe(channel)
    const ledger = new Ledger(BOUNDS)
    let sent = 0
    const send = async (sender: Started): Promise<void> => await ledger.append(historyOf(sender), channel, `m${sent++}`)
    const sendSome = async (): Promise<void> => { for (let i = 0; i < 50; i++) await Promise.all([send(a), send(b), send(a)]) }
    await sendSome()
    await until(() => b.messages.length === sent)
    await to.client.cluster('SETSLOT', slot, 'IMPORTING', from.id)
    await from.client.cluster('SETSLOT', slot, 'MIGRATING', to.id)
    const moving = sendSome()
    for (const key of await from.client.cluster('GETKEYSINSLOT', slot, 99)) await from.client.migrate('127.0.0.1', to.server.port, key, 0, 5_000)
    await moving
    // Messages are taken where the history is now, and nobody listens there yet.
    const { subscribers } = await historyOf(a).append(channel, textOf('unheard'), 'unheard', BOUNDS)
    t.equal(subscribers, 0)
    await historyOf(b).append(channel, textOf('unheard'), 'unheard-2', BOUNDS)
    await until(() => b.missed.includes(channel))
    t.match(await historyOf(b).tail(channel, 1), [{ mid: 'unheard-2' }], 'and the history can be read where it is')
    for (const { client } of [to, from]) await client.cluster('SETSLOT', slot, 'NODE', to.id)
    const after = sendSome()
    await until(async () => {
      await b.broker.subscribe(channel).catch(() => {})
      return (await historyOf(a).append(channel, textOf('heard'), `heard-${sent++}`, BOUNDS)).subscribers === 1
    })
    await after
    const kept = await to.client.xrange(`{${channel}}:s`, '-', '+')
    const entries = kept.map(([id, [, mid]]) => ({ epoch: id.split('-')[0] as string, seq: Number(id.split('-')[1]), mid: mid as string, text: '' }))
    ledger.verify(t, entries.filter(({ mid }) => /^m\d|^$/.test(mid)))
    t.equal(ledger.kept.size, 450, 'all were confirmed')
    t.equal(new Set(entries.map(({ epoch }) => epoch)).size, 1, 'in one epoch')
    for (const { client } of [from, to]) await client.cluster('SETSLOT', slot, 'NODE', to.id)
  })

  t.test('a node that is gone makes its rooms unavailable, and they come back with it', async t => {
    const cluster = connect()
    const a = await start(t, new RedisBroker(await createLink(cluster), settings))
    const channels = Array.from({ length: 12 }, (_, i) => `rooms:${i}`)
    const ledger = new Ledger(BOUNDS)
    const sends: Array<Promise<void>> = []
    const send = async (channel: string): Promise<number> => await publish(a, channel, 'hello', channel).catch(() => -1)
    await Promise.all(channels.map(channel => a.broker.subscribe(channel)))
    const victim = nodes[2] as RedisServer
    for (const channel of channels) sends.push(ledger.append(historyOf(a), channel, `before-${channel}`))
    await Promise.all(sends)
    t.equal(ledger.kept.size, 12)
    for (const channel of channels) for (let i = 0; i < 20; i++) sends.push(ledger.append(historyOf(a), channel, `during-${channel}-${i}`))
    await victim.kill()
    await until(async () => (await Promise.all(channels.map(send))).includes(-1))
    await victim.start()
    await until(async () => {
      // As a channel's reconciler does it, whenever the broker says that subscriptions were lost.
      await Promise.allSettled(channels.map(channel => a.broker.subscribe(channel)))
      return (await Promise.all(channels.map(send))).every(count => count === 1)
    }, 30_000)
    t.ok(a.ups > 1, 'the broker has said so')
    await Promise.all(sends)
    for (const channel of channels) {
      await until(async () => await historyOf(a).tail(channel, 1).then(() => true, () => false))
      const kept = await historyOf(a).tail(channel, 99)
      t.equal(new Set(kept.map(({ mid }) => mid)).size, kept.length, 'nothing is there twice')
    }
    t.equal(ledger.kept.size + ledger.unknown.size + ledger.unsent.size, 12 * 21, 'and each message has come to an end')
    t.equal(ledger.unsent.size + ledger.kept.size, new Set([...ledger.kept.keys(), ...ledger.unsent]).size)
  })
})

t.test('the rules for a user of Redis that are in the documentation are enough, and none is too many', async t => {
  const { nodes, connect } = await startCluster(t) // its own, so that nobody else's commands are counted
  const admins = await Promise.all(nodes.map(async node => {
    const admin = node.client()
    t.teardown(() => admin.disconnect())
    await admin.call('ACL', 'SETUSER', 'rooms', ...documentedRules('cluster'))
    return admin
  }))
  await fillRecords((await around(t, nodes, RECORDS)).from.client, 'kept')
  const { slot, from, to } = await around(t, nodes, 'rooms:moving')
  await startCounting(admins, 'cluster')
  const cluster = connect({ redisOptions: { username: 'rooms', password: 'secret' } })
  const a = await start(t, new RedisBroker(await createLink(cluster), settings))
  const b = await start(t, new RedisBroker(await createLink(cluster), settings))
  const records = a.broker.records as BrokerRecords
  for (const channel of ['rooms:acl-1', 'rooms:acl-2', 'rooms:acl-3', 'rooms:acl-4']) {
    await a.broker.subscribe(channel)
    for (const { broker } of [a, b]) broker.report(channel, 1)
    const first = await historyOf(a).append(channel, textOf(1), 'one', BOUNDS)
    t.equal(first.subscribers, 1)
    t.equal(await publish(a, channel, 'hello', '1'), 1)
    t.match(await historyOf(a).read(channel, { ...first, mid: 'one' }, BOUNDS, 1), { last: { mid: 'one' } })
    t.equal((await historyOf(a).tail(channel, 1)).length, 1)
    await until(async () => await a.broker.count(channel) === 2)
    await a.broker.unsubscribe(channel)
  }
  // A slot that is on its way, and has arrived with nothing: the node that has it sends others to the one that will.
  await to.client.cluster('SETSLOT', slot, 'IMPORTING', from.id)
  await from.client.cluster('SETSLOT', slot, 'MIGRATING', to.id)
  t.match(await historyOf(a).append('rooms:moving', textOf(1), 'one', BOUNDS), { seq: 1 })
  for (const { client } of [to, from]) await client.cluster('SETSLOT', slot, 'STABLE')
  await t.rejects(records.keep('one more', 60_000), { code: 'FST_ROOMS_TOO_MANY_REVOCATIONS' })
  await records.keep('kept', 60_000)
  for (const admin of admins) await admin.flushall()
  await records.keep('one more', 60_000)
  t.match(await records.list(), [{ text: 'one more' }])
  await historyOf(a).append('rooms:acl-1', textOf(2), 'flushed', BOUNDS)
  // Both know all masters, and hear themselves on each.
  await until(async () => {
    const canaries = await Promise.all(admins.map(admin => admin.pubsub('SHARDCHANNELS', 'rooms:!*') as Promise<string[]>))
    return canaries.every(channels => channels.length === 2)
  })
  for (const { broker } of [a, b]) await broker.close()
  for (const admin of admins) t.strictSame(await refusals(admin), [])
  t.strictSame(await uncalled(admins, 'cluster'), [])
})
