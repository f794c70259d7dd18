import t from 'tap'
import type { Test } from 'tap'
import { connect, TestBus } from '../testing/index.js'
import type { Client } from '../testing/index.js'
import { createQuietApp, until } from './helpers/app.js'
import type { QuietApp } from './helpers/app.js'
import { Gate } from './helpers/gate.js'
import { unpinged } from './helpers/unpinged.js'

const told = (client: Client): number => unpinged(client).filter(({ data }) => (data as { status?: string }).status === 'resync').length

/** A room with so many members. */
async function roomOf (t: Test, bus: TestBus, size: number): Promise<QuietApp & { clients: [Client, ...Client[]] }> {
  const room = await createQuietApp(t, { rooms: { broker: bus.broker() } })
  const clients = await Promise.all(Array.from({ length: size }, async () => await connect(room.app, '/cdr/users/ws', room.token())))
  return { ...room, clients: clients as [Client] }
}

t.test('a link that flaps: members are told at once, and then no more than once a second', async t => {
  const bus = new TestBus()
  const { app, clients: [client] } = await roomOf(t, bus, 1)
  const flap = (): void => {
    bus.outage()
    bus.restore()
  }
  flap()
  const start = performance.now()
  await client.expectStatus('resync')
  for (let i = 0; i < 5; i++) {
    flap()
    await bus.settled()
  }
  await until(() => told(client) === 2)
  t.ok(performance.now() - start >= 900)
  t.equal(app.ws.stats().gaps, 6, 'though all were counted')
})

t.test('a room with many members: all are told, and not in the same moment', async t => {
  const bus = new TestBus()
  const { clients: [gone, ...clients] } = await roomOf(t, bus, 65)
  const leaving = gone.terminate() // the application learns of it when this one waits to be told
  bus.missed('cdr')
  await leaving
  await until(() => clients.some(client => told(client) === 1))
  t.ok(clients.some(client => told(client) === 0))
  await Promise.all(clients.map(async client => await client.expectStatus('resync')))
})

t.test('a member whose snapshot is still being taken is told where it stands after it, and before what comes then', async t => {
  const bus = new TestBus()
  const snapshot = new Gate()
  const { app, token } = await createQuietApp(t, { rooms: { broker: bus.broker() }, route: { history: { size: 10, ttl: 60_000 }, snapshot: () => snapshot.pass() } })
  const client = await connect(app, '/cdr/users/ws', token())
  await app.ws.sendToRoom('cdr', { command: 'UPDATE', data: 1 })
  bus.forget('cdr')
  await app.ws.sendToRoom('cdr', { command: 'UPDATE', data: 2 })
  await bus.settled()
  t.equal(unpinged(client).length, 1, 'it waits')
  snapshot.open()
  await client.expectStatus('resync')
  await app.ws.sendToRoom('cdr', { command: 'UPDATE', data: 3 })
  await client.expectMessage({ command: 'UPDATE', data: 3 })
  t.match(unpinged(client).slice(1).map(({ command, data }) => (data as { status?: string } | undefined)?.status ?? command), ['WSSnapshot', 'UPDATE', 'epoch', 'resync', 'UPDATE'])
})

t.test('an application that closes while members are told closes', async t => {
  const bus = new TestBus()
  const { app } = await roomOf(t, bus, 65)
  bus.missed('cdr')
  await app.close()
})
