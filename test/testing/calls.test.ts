import t from 'tap'
import type { Test } from 'tap'
import { connect, TestBus } from '../../testing/index.js'
import type { BusOptions, Client, TestBroker } from '../../testing/index.js'
import type { RoomsOptions } from '../../index.js'
import { createQuietApp, until } from '../helpers/app.js'
import type { TestApp } from '../helpers/app.js'
import { watchForStrays } from '../helpers/strays.js'
import { publish, start } from '../brokers/suite.js'
import type { Started } from '../brokers/suite.js'

const noStrays = watchForStrays(t)

const PATH = '/cdr/users/ws'
const m = (data: unknown): { command: string, data: unknown } => ({ command: 'M', data })
const UNAVAILABLE = { code: 'FST_ROOMS_BROKER_UNAVAILABLE' }
const UNKNOWN = { code: 'FST_ROOMS_SEND_UNKNOWN' }

interface Built {
  bus: TestBus
  broker: TestBroker
  app: TestApp['app']
  token: string
}

async function build (t: Test, rooms: RoomsOptions = {}, options?: BusOptions): Promise<Built> {
  const bus = new TestBus(options)
  const broker = bus.broker()
  const { app, token } = await createQuietApp(t, { rooms: { ...rooms, broker } })
  return { bus, broker, app, token: token() }
}

async function buildWithMember (t: Test, rooms?: RoomsOptions, options?: BusOptions): Promise<Built & { member: Client }> {
  const built = await build(t, rooms, options)
  return { ...built, member: await connect(built.app, PATH, built.token) }
}

/** A broker alone, without an application. */
async function startBroker (t: Test, bus: TestBus): Promise<Started & { broker: TestBroker }> {
  const broker = bus.broker()
  return Object.assign(await start(t, broker), { broker })
}

t.test('sends that are refused are not carried out, and the application knows', async t => {
  const { bus, broker, app, member } = await buildWithMember(t, { whenBrokerDown: 'reject' })
  const refused = bus.refuse('send', { room: 'cdr' }, { times: 2 })
  await t.rejects(app.ws.sendToRoom('cdr', m(1)), UNAVAILABLE)
  await t.rejects(app.ws.sendToRoom('cdr', m(2)), UNAVAILABLE)
  await app.ws.sendToRoom('cdr', m(3))
  t.strictSame(await member.expectMessage(), m(3))
  t.match(refused.hits, [{ kind: 'send', by: broker, room: 'cdr', id: /./, command: 'M', data: 1 }, { data: 2 }])
})

t.test('a room that cannot be told is served alone, and told to look again when it can', async t => {
  const { bus, app, member } = await buildWithMember(t)
  const refused = bus.refuse('send')
  t.match(await app.ws.sendToRoom('cdr', m(1)), { degraded: true })
  t.strictSame(await member.expectMessage(), m(1))
  await refused.reached(3) // the application tries to tell
  refused.stop()
  await member.expectStatus('resync')
  t.match(await app.ws.sendToRoom('cdr', m(2)), { degraded: undefined })
})

t.test('calls fail with what the test wants', async t => {
  const { bus, app } = await build(t)
  const error = new Error('anything')
  bus.refuse('count', 1, { error })
  await t.rejects(app.ws.count('cdr'), error)
  bus.refuse('count', ({ room }) => room === 'other')
  t.equal(await app.ws.count('cdr'), 0)
  await t.rejects(app.ws.count('other'), UNAVAILABLE)
})

t.test('what is unconfirmed may have arrived, or not', async t => {
  const { bus, app, member } = await buildWithMember(t)
  bus.unconfirm(1)
  await t.rejects(app.ws.sendToRoom('cdr', m(1)), UNKNOWN)
  t.strictSame(await member.expectMessage(), m(1))
  const lost = bus.unconfirm({ data: 2 }, { arrive: false })
  await t.rejects(app.ws.sendToRoom('cdr', m(2)), UNKNOWN)
  await member.expectNothing()
  t.equal(lost.hits.length, 1)
  t.match(app.ws.stats(), { failed: 2, degraded: 0 })
})

t.test('calls that are stalled wait until they are released', async t => {
  const { bus, app, token } = await build(t)
  const stalled = bus.stall('subscribe')
  const connecting = connect(app, PATH, token)
  await stalled.reached()
  t.equal(stalled.held, 1)
  t.match(stalled.hits, [{ kind: 'subscribe', room: 'cdr' }])
  t.match(app.ws.stats(), { members: 0 })
  stalled.release()
  const member = await connecting
  t.notOk('degraded' in member.connected)
})

t.test('a subscription that is stalled for too long lets members in, and says so', async t => {
  const { bus, app, token } = await build(t, { subscribeTimeout: 20 })
  const stalled = bus.stall('subscribe')
  const member = await connect(app, PATH, token)
  t.equal(member.connected.degraded, true)
  stalled.release()
  await member.expectStatus('resync')
})

t.test('messages keep their order behind one that is stalled; those of others do not wait', async t => {
  const bus = new TestBus()
  const [a, b] = [await startBroker(t, bus), await startBroker(t, bus)]
  await a.broker.subscribe('rooms:cdr')
  const stalled = bus.stall('send', 1)
  const sends = ['a1', 'a2', 'a3'].map(text => publish(a, 'rooms:cdr', text, text))
  await publish(b, 'rooms:cdr', 'b1', 'b1')
  await bus.settled()
  t.strictSame(a.messages.map(({ payload }) => payload), ['b1'])
  stalled.release()
  t.strictSame(await Promise.all(sends), [1, 1, 1])
  await publish(a, 'rooms:cdr', 'a4', 'a4')
  t.strictSame(a.messages.map(({ payload }) => payload), ['b1', 'a1', 'a2', 'a3', 'a4'])
})

t.test('what is stalled for too long fails, and does not happen later', async t => {
  const bus = new TestBus({ answerTimeout: 10 })
  const a = await startBroker(t, bus)
  await a.broker.subscribe('rooms:cdr')
  const stalled = [bus.stall('send'), bus.stall('flush')] as const
  await t.rejects(publish(a, 'rooms:cdr', '1', '1'), { ...UNKNOWN, message: /message 1;/ })
  await t.rejects(a.broker.flush(), UNAVAILABLE)
  for (const stall of stalled) stall.release()
  await bus.settled()
  t.strictSame(a.messages, [])
  await publish(a, 'rooms:cdr', '2', '2')
  t.match(a.messages, [{ payload: '2' }])
})

t.test('what is stalled fails when the connection is lost, or closed', async t => {
  for (const end of ['partition', 'close'] as const) {
    const bus = new TestBus()
    const a = await startBroker(t, bus)
    await a.broker.subscribe('rooms:cdr')
    const stalled = [bus.stall('send'), bus.stall('count')] as const
    const calls = [publish(a, 'rooms:cdr', '1', '1'), publish(a, 'rooms:cdr', '2', '2'), a.broker.count('rooms:cdr')]
    const results = Promise.allSettled(calls)
    if (end === 'close') await a.broker.close()
    else bus.partition(a.broker)
    for (const stall of stalled) stall.release()
    t.match(await results, [{ reason: UNKNOWN }, { reason: UNKNOWN }, { reason: UNAVAILABLE }])
    bus.restore()
    await a.broker.subscribe('rooms:cdr')
    t.equal(await publish(a, 'rooms:cdr', '3', '3'), 1)
    t.strictSame(a.messages.map(({ payload }) => payload), end === 'close' ? [] : ['3'])
  }
})

t.test('calls can be watched while nothing goes wrong', async t => {
  const { bus, app, token } = await build(t, { linger: 10 })
  const [subscribed, unsubscribed, flushed] = [bus.watch('subscribe'), bus.watch('unsubscribe', { room: 'cdr' }), bus.watch('flush')]
  const member = await connect(app, PATH, token)
  t.equal(subscribed.hits.length, 1)
  await member.close()
  await unsubscribed.reached()
  await until(() => app.ws.stats().rooms === 0)
  await app.close()
  await flushed.reached(2)
})

t.test('what a fault should meet and does not is an error in the test, and it says so', async t => {
  const { bus, app } = await build(t)
  const lost = bus.drop()
  await app.ws.sendToRoom('nobody', m(1))
  const error = await lost.reached(2, { timeout: 5 }).catch(error => error)
  t.match(error, { name: 'ExpectationError', message: 'The fault should have met 2 within 5 ms, and has met 0. Compare its `hits` with what it is to meet.', stack: /calls\.test\.ts/ })
})

noStrays()
