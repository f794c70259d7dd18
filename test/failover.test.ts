import t from 'tap'
import type { Test } from 'tap'
import type { Cluster, RedisOptions } from 'ioredis'
import { createApp, until, untilJoined } from './helpers/app.js'
import type { TestApp } from './helpers/app.js'
import { join } from './helpers/client.js'
import type { Client, Frame } from './helpers/client.js'
import { ownerOf, startCluster } from './helpers/cluster.js'
import type { RedisServer } from './helpers/redis.js'
import { startSentinel } from './helpers/sentinel.js'
import { watchForStrays } from './helpers/strays.js'

const noStrays = watchForStrays(t)

interface Traffic {
  /** What was accepted. */
  accepted: number[]
  client: Client
  /** The longest time in which nothing was accepted, in milliseconds. */
  pause: () => number
  /** Waits until what is sent from now on arrives, then sends no more, and waits until the client has seen the last message. */
  stop: () => Promise<void>
}

/** Two processes, a member in one of them, and a message every few milliseconds from the other. */
async function createTraffic (t: Test, redis: RedisOptions | Cluster): Promise<Traffic> {
  const settings = { rooms: { redis }, route: { history: { size: 10_000, ttl: 600_000 } } }
  const [here, there] = [await createApp(t, settings), await createApp(t, settings)]
  await untilJoined(here, there)
  for (const { app } of [here, there]) app.log.level = 'silent'
  const client = await join(t, here.url, here.token())
  const accepted: number[] = []
  const state = { sent: 0, over: false, last: performance.now(), pause: 0 }
  const sending = (async () => {
    while (!state.over) {
      const data = ++state.sent
      await send(there, data).then(() => {
        accepted.push(data)
        state.pause = Math.max(state.pause, performance.now() - state.last)
        state.last = performance.now()
      }, () => {})
      await new Promise(resolve => setTimeout(resolve, 5))
    }
  })()
  await until(() => accepted.length > 20)
  return {
    accepted,
    client,
    pause: () => Math.round(state.pause),
    async stop () {
      const { sent } = state
      await until(() => (updates(client).at(-1)?.data as unknown as number) > sent, 30_000)
      state.over = true
      await sending
      await until(() => updates(client).at(-1)?.data === accepted.at(-1) as never)
    }
  }
}

async function send ({ app }: TestApp, data: number): Promise<void> {
  await app.ws.sendToRoom('cdr', { command: 'UPDATE', data })
}

const updates = ({ frames }: Client): Frame[] => frames.filter(({ command }) => command === 'UPDATE')
/**
 * The client saw each accepted message once, and in order; among them may be some that nobody has confirmed. What is
 * missing, it was told of: a failover discards what the replica did not have.
 */
function honest (t: Test, { accepted, client, pause }: Traffic): void {
  t.comment(`${pause()} ms in which nothing was accepted`)
  const seen = updates(client).map(({ data }) => data as unknown as number)
  t.strictSame(seen, [...new Set(seen)].sort((a, b) => a - b), 'in order, and none twice')
  let last = 0
  let told = true // what was sent before it came is not its affair
  for (const { command, data } of client.frames) {
    if (data?.status === 'resync') told = true
    if (command !== 'UPDATE') continue
    const missing = accepted.filter(number => number > last && number < (data as unknown as number))
    if (missing.length > 0) t.ok(told, `it was told that ${missing.length} were missing`)
    last = data as unknown as number
    told = false
  }
}

/** Whether this server is a master by now. */
async function promoted (server: RedisServer): Promise<void> {
  const client = server.client()
  await until(async () => (await client.info('replication')).includes('role:master'), 30_000)
  client.disconnect()
}

/** Whether messages go there by now: nobody else writes to a master. */
async function written (server: RedisServer): Promise<void> {
  const client = server.client()
  const [before] = await client.xrevrange('{rooms:cdr}:s', '+', '-', 'COUNT', 1)
  await until(async () => (await client.xrevrange('{rooms:cdr}:s', '+', '-', 'COUNT', 1))[0]?.[0] !== before?.[0], 30_000)
  client.disconnect()
}

t.test('Sentinel', async t => {
  t.test('promotes the replica as planned: nothing is lost in silence, and nothing is doubled', async t => {
    const { replica, sentinels: [sentinel], options } = await startSentinel(t)
    const traffic = await createTraffic(t, options)
    const admin = (sentinel as RedisServer).client()
    await admin.call('SENTINEL', 'FAILOVER', 'rooms')
    admin.disconnect()
    await promoted(replica)
    await written(replica)
    await traffic.stop()
    honest(t, traffic)
  })

  t.test('finds that the master hangs: nothing is lost in silence, and nothing is doubled', async t => {
    const { master, replica, options } = await startSentinel(t)
    const traffic = await createTraffic(t, options)
    await master.kill('SIGSTOP')
    await promoted(replica)
    await traffic.stop()
    honest(t, traffic)
  })
})

t.test('a Cluster of three masters and three replicas', async t => {
  const { nodes, connect } = await startCluster(t, { replicas: 1 })
  const traffic = await createTraffic(t, connect())
  const cluster = connect()
  const master = await ownerOf(cluster, nodes, 'rooms:cdr')
  await master.kill()
  await until(() => traffic.pause() > 1_000, 30_000)
  await traffic.stop()
  honest(t, traffic)
})

noStrays()
