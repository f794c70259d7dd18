import t from 'tap'
import type { Test } from 'tap'
import { connect, TestBus } from '../../testing/index.js'
import type { TestBroker } from '../../testing/index.js'
import { createQuietApp } from '../helpers/app.js'
import type { TestApp } from '../helpers/app.js'
import { watchForStrays } from '../helpers/strays.js'

const noStrays = watchForStrays(t)

const PATH = '/cdr/users/ws'
const m = (data: unknown): { command: string, data: unknown } => ({ command: 'M', data })

/** A process of a system whose room keeps ten messages. */
async function build (t: Test, bus: TestBus): Promise<Pick<TestApp, 'app'> & { broker: TestBroker, token: string, send: (...data: number[]) => Promise<void> }> {
  const broker = bus.broker()
  const { app, token } = await createQuietApp(t, { rooms: { broker }, route: { history: { size: 10, ttl: 60_000 } } })
  return {
    app,
    broker,
    token: token(),
    async send (...data) { for (const each of data) await app.ws.sendToRoom('cdr', m(each)) }
  }
}

t.test('a client that comes back, to another process, gets what it has missed', async t => {
  const bus = new TestBus()
  const [one, two] = [await build(t, bus), await build(t, bus)]
  const before = await connect(one.app, PATH, one.token)
  await two.send(1, 2)
  const { seq, mid } = await before.expectMessage({ data: 2 })
  t.match(before.position, { epoch: /^\d+$/, seq, mid })
  await before.terminate()
  await one.send(3, 4)
  const after = await connect(two.app, PATH, two.token, { recover: before.positions })
  t.strictSame(after.connected.rooms.cdr, { ...before.position, recovered: true })
  t.match(await after.expectMessage(), { data: 3, seq: 3 })
  t.match(await after.expectMessage(), { data: 4, seq: 4 })
  await after.expectNothing()
  t.match(after.position, { epoch: before.position?.epoch, seq: 4 })
})

t.test('one that has missed too much is told so', async t => {
  const bus = new TestBus()
  const { app, token, send } = await build(t, bus)
  const before = await connect(app, PATH, token)
  await before.close()
  await send(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
  const after = await connect(app, PATH, token, { recover: before.positions })
  t.match(after.connected.rooms.cdr, { recovered: false, reason: 'trimmed', seq: 12 })
  await after.expectNothing()
})

t.test('a message that is lost on its way is read, and comes once, in order', async t => {
  const bus = new TestBus()
  const [one, two] = [await build(t, bus), await build(t, bus)]
  const client = await connect(one.app, PATH, one.token)
  const lost = bus.drop({ to: one.broker }, { times: 2 })
  await two.send(1, 2)
  await client.expectNothing()
  bus.duplicate({ data: 3 })
  await two.send(3)
  for (const data of [1, 2, 3]) t.match(await client.expectMessage(), { data, seq: data })
  await client.expectNothing()
  t.equal(lost.hits.length, 2)
  t.match(one.app.ws.stats(), { gaps: 1, filled: 3 })
})

t.test('messages that arrive in the wrong order, or late, are put right', async t => {
  const bus = new TestBus()
  const { app, token, send } = await build(t, bus)
  const client = await connect(app, PATH, token)
  bus.reorder(3)
  await send(1, 2, 3)
  const late = bus.hold(1)
  await send(4, 5)
  await bus.settled()
  late.release()
  for (const data of [1, 2, 3, 4, 5]) t.match(await client.expectMessage(), { data })
  await client.expectNothing()
})

t.test('a history that is lost, or rolled back, is a new epoch, and the client knows where it stands', async t => {
  for (const lose of [(bus: TestBus) => bus.forget('cdr'), (bus: TestBus) => bus.rollBack('cdr', 2)]) {
    const bus = new TestBus()
    const { app, token, send } = await build(t, bus)
    const client = await connect(app, PATH, token)
    await send(1, 2, 3)
    const { epoch } = client.position as { epoch: string }
    lose(bus)
    await send(4)
    await client.expectStatus('epoch')
    await client.expectStatus('resync')
    t.ok(Number(client.position?.epoch) > Number(epoch))
    await send(5)
    t.match(await client.expectMessage({ data: 5 }), { seq: client.position?.seq })
  }
})

t.test('a history that cannot be written or read', async t => {
  const bus = new TestBus()
  const { app, token, send } = await build(t, bus)
  const before = await connect(app, PATH, token)
  bus.refuse('send', 1)
  await t.rejects(send(1), { code: 'FST_ROOMS_BROKER_UNAVAILABLE' })
  await before.expectNothing()
  await send(2)
  await before.close()
  const unreadable = bus.refuse('read')
  await t.rejects(connect(app, PATH, token, { recover: before.positions }), { code: 1013, status: 'overloaded', message: /the history cannot be served now/ })
  unreadable.stop()
  t.match((await connect(app, PATH, token, { recover: before.positions })).connected.rooms.cdr, { recovered: true })
})

t.test('a room whose history could not be read at first, and whose subscription was then lost for a moment, serves who comes later', async t => {
  const bus = new TestBus()
  const { app, broker, token, send } = await build(t, bus)
  bus.refuse('read', 1)
  await t.rejects(connect(app, PATH, token), { code: 1013 })
  bus.partition(broker)
  bus.restore()
  await bus.settled()
  const client = await connect(app, PATH, token)
  await send(1)
  t.match(await client.expectMessage(), { data: 1, seq: 1 })
})

noStrays()
