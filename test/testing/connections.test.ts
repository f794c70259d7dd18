import t from 'tap'
import type { Test } from 'tap'
import { connect, TestBus } from '../../testing/index.js'
import type { Client, TestBroker } from '../../testing/index.js'
import type { RoomsOptions } from '../../index.js'
import { createQuietApp } from '../helpers/app.js'
import type { TestApp } from '../helpers/app.js'
import { watchForStrays } from '../helpers/strays.js'
import { publish, start } from '../brokers/suite.js'
import type { Started } from '../brokers/suite.js'

const noStrays = watchForStrays(t)

const PATH = '/cdr/users/ws'
const m = (data: unknown): { command: string, data: unknown } => ({ command: 'M', data })
const UNAVAILABLE = { code: 'FST_ROOMS_BROKER_UNAVAILABLE' }
const UNKNOWN = { code: 'FST_ROOMS_SEND_UNKNOWN' }

interface Member {
  broker: TestBroker
  app: TestApp['app']
  client: Client
}

async function member (t: Test, bus: TestBus, rooms: RoomsOptions = {}): Promise<Member> {
  const broker = bus.broker()
  const { app, token } = await createQuietApp(t, { rooms: { ...rooms, broker } })
  return { broker, app, client: await connect(app, PATH, token()) }
}

/** A broker alone, without an application. */
async function startBroker (t: Test, bus: TestBus): Promise<Started & { broker: TestBroker }> {
  const broker = bus.broker()
  return Object.assign(await start(t, broker), { broker })
}

t.test('an outage is known to all; each serves its own members, and all are told to look again', async t => {
  const bus = new TestBus()
  const [one, two] = [await member(t, bus), await member(t, bus)]
  bus.outage()
  t.match([one.app.ws.stats(), two.app.ws.stats()], [{ broker: 'down' }, { broker: 'down' }])
  t.match(await one.app.ws.sendToRoom('cdr', m(1)), { degraded: true, subscribers: 1 })
  await one.client.expectMessage()
  await two.client.expectNothing()
  await t.rejects(one.app.ws.count('cdr'), UNAVAILABLE)
  bus.outage() // which changes nothing
  bus.restore()
  for (const { client } of [one, two]) await client.expectStatus('resync')
  t.match(await two.app.ws.sendToRoom('cdr', m(2)), { subscribers: 2 })
  for (const { client } of [one, two]) t.strictSame(await client.expectMessage(), m(2))
  bus.restore() // nor does this
  await bus.settled()
})

t.test('who comes during an outage is degraded until it is over', async t => {
  const bus = new TestBus()
  bus.outage()
  const late = await member(t, bus, { subscribeTimeout: 20 })
  t.equal(late.client.connected.degraded, true)
  t.match(late.app.ws.stats(), { broker: 'down' })
  bus.restore()
  await late.client.expectStatus('resync')
  await late.app.ws.sendToRoom('cdr', m(1))
  t.strictSame(await late.client.expectMessage(), m(1))
})

t.test('who is cut off knows it, the others go on, and restore brings it back', async t => {
  const bus = new TestBus()
  const [one, two, three] = [await member(t, bus), await member(t, bus), await member(t, bus)]
  bus.partition([two.broker, three.broker])
  t.match([one, two, three].map(({ app }) => app.ws.stats().broker), ['up', 'down', 'down'])
  t.match(await one.app.ws.sendToRoom('cdr', m(1)), { subscribers: 1 })
  await one.client.expectMessage()
  await two.client.expectNothing()
  bus.restore(two.broker)
  await two.client.expectStatus('resync')
  t.match(await one.app.ws.sendToRoom('cdr', m(2)), { subscribers: 2 })
  await two.client.expectMessage({ data: 2 })
  await three.client.expectNothing()
  bus.restore()
  await three.client.expectStatus('resync')
})

t.test('where only what comes back is lost, messages arrive and nobody knows', async t => {
  const bus = new TestBus()
  const [one, two] = [await member(t, bus), await member(t, bus)]
  bus.partition(two.broker, { oneSided: true })
  t.match(two.app.ws.stats(), { broker: 'down' })
  await t.rejects(two.app.ws.sendToRoom('cdr', m(1)), UNKNOWN)
  t.strictSame(await one.client.expectMessage(), m(1))
  await two.client.expectNothing()
  await t.rejects(two.app.ws.count('cdr'), UNAVAILABLE)
  bus.partition(two.broker)
  t.match(await two.app.ws.sendToRoom('cdr', m(2)), { degraded: true })
  bus.restore()
  await two.client.expectStatus('resync')
})

t.test('only brokers of the bus can be cut off from it', async t => {
  const bus = new TestBus()
  const strange = new TestBus().broker({ name: 'strange' })
  t.throws(() => bus.partition(strange), { name: 'TypeError', message: /^strange is no broker of this bus: give what bus\.broker\(\) has returned/ })
  t.throws(() => bus.restore([undefined as never]), { message: /^This is no broker/ })
})

t.test('members who come and go while nobody can be told are counted later', async t => {
  const bus = new TestBus()
  const [a, b] = [await startBroker(t, bus), await startBroker(t, bus)]
  a.broker.report('rooms:cdr', 3)
  bus.partition(a.broker)
  a.broker.report('rooms:cdr', 1)
  a.broker.report('rooms:other', 1)
  t.equal(await b.broker.count('rooms:cdr'), 3)
  bus.restore()
  t.equal(await b.broker.count('rooms:cdr'), 1)
  t.equal(await b.broker.count('rooms:other'), 1)
  t.strictSame([a.ups, a.downs, b.ups, b.downs], [2, 1, 1, 0])
})

t.test('after a loss there are no subscriptions', async t => {
  const bus = new TestBus()
  const [a, b] = [await startBroker(t, bus), await startBroker(t, bus)]
  await a.broker.subscribe('rooms:cdr')
  bus.partition(a.broker)
  await t.rejects(a.broker.subscribe('rooms:cdr'), UNAVAILABLE)
  bus.restore()
  t.equal(await publish(b, 'rooms:cdr', '1', '1'), 0)
  await a.broker.subscribe('rooms:cdr')
  t.equal(await publish(b, 'rooms:cdr', '2', '2'), 1)
  t.match(a.messages, [{ payload: '2' }])
})

t.test('what may have been missed, though all subscriptions stand, is told to those who are subscribed', async t => {
  const bus = new TestBus()
  const one = await member(t, bus)
  const other = await startBroker(t, bus)
  bus.missed('cdr')
  bus.missed('nobody')
  await one.client.expectStatus('resync')
  await one.client.expectNothing()
  t.strictSame(other.missed, [])
})

t.test('a broker that was not started, or was closed, hears of nothing', async t => {
  const bus = new TestBus()
  const idle = bus.broker()
  const closed = await startBroker(t, bus)
  await closed.broker.subscribe('rooms:cdr')
  await closed.broker.close()
  bus.partition([idle, closed.broker])
  bus.missed('cdr')
  bus.publish('cdr', 'x')
  bus.restore()
  const late = await start(t, idle)
  t.strictSame([late.ups, late.downs], [1, 0])
  t.strictSame([closed.ups, closed.downs, closed.missed.length, closed.messages.length], [1, 0, 0, 0])
})

noStrays()
