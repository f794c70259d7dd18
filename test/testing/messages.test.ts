import t from 'tap'
import type { Test } from 'tap'
import { connect, TestBus } from '../../testing/index.js'
import type { Client, TestBroker } from '../../testing/index.js'
import type { RoomsOptions } from '../../index.js'
import { createQuietApp } from '../helpers/app.js'
import type { TestApp } from '../helpers/app.js'
import { Stopwatch } from '../helpers/stopwatch.js'
import { watchForStrays } from '../helpers/strays.js'
import { unpinged } from '../helpers/unpinged.js'

const noStrays = watchForStrays(t)

const PATH = '/cdr/users/ws'
const m = (data: unknown, command = 'M'): { command: string, data: unknown } => ({ command, data })

interface Member {
  broker: TestBroker
  app: TestApp['app']
  client: Client
}

/** Applications on one bus, and a member in each. */
async function members (t: Test, bus: TestBus, names: string[], rooms: RoomsOptions = {}): Promise<Member[]> {
  return await Promise.all(names.map(async name => {
    const broker = bus.broker({ name })
    const { app, token } = await createQuietApp(t, { rooms: { ...rooms, broker } })
    return { broker, app, client: await connect(app, PATH, token()) }
  }))
}

/** What a client has heard, as soon as nothing is under way any more. */
async function heard (bus: TestBus, { client }: Member): Promise<unknown[]> {
  await bus.settled()
  return unpinged(client).slice(1).map(({ data }) => data)
}

const ONE_AND_TWO = ['one', 'two']

t.test('while nothing goes wrong, applications on a bus are one system', async t => {
  const bus = new TestBus()
  const [one, two, three] = await members(t, bus, ['one', 'two', 'three']) as [Member, Member, Member]
  t.match(await one.app.ws.sendToRoom('cdr', m(1)), { subscribers: 3 })
  t.match(await two.app.ws.sendToRoom('cdr', m(2)), { subscribers: 3 })
  for (const member of [one, two, three]) t.strictSame(await heard(bus, member), [1, 2])
  t.equal(await three.app.ws.count('cdr'), 3)
})

t.test('brokers have names, by their number if by nothing else', async t => {
  const bus = new TestBus()
  t.strictSame([bus.broker(), bus.broker({ name: 'api' }), bus.broker()].map(({ name }) => name), ['broker 1', 'api', 'broker 3'])
})

t.test('a message that is dropped is lost for all, and its sender does not know', async t => {
  const bus = new TestBus()
  const [one, two] = await members(t, bus, ONE_AND_TWO) as [Member, Member]
  const lost = bus.drop(1)
  t.match(await one.app.ws.sendToRoom('cdr', m(1)), { subscribers: 2 })
  await one.app.ws.sendToRoom('cdr', m(2))
  t.strictSame(await heard(bus, one), [2])
  t.strictSame(await heard(bus, two), [2])
  t.match(lost.hits, [{ room: 'cdr', command: 'M', data: 1, from: one.broker, to: one.broker }, { to: two.broker }])
})

t.test('faults meet what they are told to: a pattern, a function, so many, until they are stopped', async t => {
  const bus = new TestBus()
  const [one, two] = await members(t, bus, ONE_AND_TWO) as [Member, Member]
  const send = async (...data: unknown[]): Promise<void> => { for (const each of data) await one.app.ws.sendToRoom('cdr', m(each), { volatile: each === 'c' }) }
  const faults = [
    bus.drop({ to: two.broker, data: { id: 7 } }),
    bus.drop(({ data, to }) => data === 'b' && to === one.broker),
    bus.drop({ data: 'c' }, { times: 2 }),
    bus.drop({ room: 'other' })
  ]
  await send({ id: 7, more: true }, { id: 8 }, 'b', 'c', 'c', 'c')
  t.strictSame(await heard(bus, one), [{ id: 7, more: true }, { id: 8 }, 'c'])
  t.strictSame(await heard(bus, two), [{ id: 8 }, 'b', 'c'])
  t.strictSame(faults.map(({ hits }) => hits.length), [1, 1, 4, 0])
  for (const fault of faults) fault.stop()
  await send({ id: 7 }, 'b')
  t.strictSame((await heard(bus, two)).slice(-2), [{ id: 7 }, 'b'])
})

t.test('the first fault that meets a message decides', async t => {
  const bus = new TestBus()
  const [one] = await members(t, bus, ['one']) as [Member]
  const [first, second] = [bus.drop({ data: 1 }), bus.duplicate()]
  for (const data of [1, 2]) await one.app.ws.sendToRoom('cdr', m(data))
  t.strictSame(await heard(bus, one), [2, 2])
  t.strictSame([first.hits.length, second.hits.length], [1, 1])
})

t.test('messages that are held come late, in order, and others overtake them', async t => {
  const bus = new TestBus()
  const [one, two] = await members(t, bus, ONE_AND_TWO) as [Member, Member]
  const late = bus.hold({ to: two.broker, command: 'LATE' })
  for (const data of [1, 2, 3, 4]) await one.app.ws.sendToRoom('cdr', m(data, data === 4 ? 'M' : 'LATE'))
  t.strictSame(await heard(bus, one), [1, 2, 3, 4])
  t.strictSame(await heard(bus, two), [4])
  await two.client.expectMessage()
  await two.client.expectNothing()
  t.equal(late.held, 3)
  late.release(1)
  t.strictSame(await heard(bus, two), [4, 1])
  await one.app.ws.sendToRoom('cdr', m(5, 'LATE'))
  t.equal(late.held, 3)
  late.release()
  t.strictSame(await heard(bus, two), [4, 1, 2, 3, 5])
  await one.app.ws.sendToRoom('cdr', m(6, 'LATE'))
  t.strictSame((await heard(bus, two)).at(-1), 6, 'it is over')
  t.equal(late.held, 0)
})

t.test('a hold that is stopped keeps what it has', async t => {
  const bus = new TestBus()
  const [one] = await members(t, bus, ['one']) as [Member]
  const late = bus.hold()
  await one.app.ws.sendToRoom('cdr', m(1))
  late.stop()
  await one.app.ws.sendToRoom('cdr', m(2))
  t.strictSame(await heard(bus, one), [2])
  late.release()
  t.strictSame(await heard(bus, one), [2, 1])
})

t.test('messages that are duplicated come twice', async t => {
  const bus = new TestBus()
  const [one, two] = await members(t, bus, ONE_AND_TWO) as [Member, Member]
  bus.duplicate({ to: two.broker }, { times: 1 })
  for (const data of [1, 2]) await one.app.ws.sendToRoom('cdr', m(data))
  t.strictSame(await heard(bus, one), [1, 2])
  t.strictSame(await heard(bus, two), [1, 1, 2])
})

t.test('the next messages to each application arrive in the opposite order', async t => {
  const bus = new TestBus()
  const [one, two] = await members(t, bus, ONE_AND_TWO) as [Member, Member]
  const swapped = bus.reorder()
  const turned = bus.reorder({ to: two.broker }, { times: 3 })
  for (let data = 1; data <= 6; data++) await one.app.ws.sendToRoom('cdr', m(data))
  t.strictSame(await heard(bus, one), [2, 1, 3, 4, 5, 6])
  t.strictSame(await heard(bus, two), [2, 1, 5, 4, 3, 6])
  t.strictSame([swapped.hits.length, turned.hits.length], [4, 3])
})

t.test('what waits to be reordered, and for others that do not come, is not lost when that is stopped', async t => {
  const bus = new TestBus()
  const [one] = await members(t, bus, ['one']) as [Member]
  const turned = bus.reorder(3)
  for (const data of [1, 2]) await one.app.ws.sendToRoom('cdr', m(data))
  t.strictSame(await heard(bus, one), [])
  turned.stop()
  t.strictSame(await heard(bus, one), [2, 1])
  await one.app.ws.sendToRoom('cdr', m(3))
  t.strictSame(await heard(bus, one), [2, 1, 3])
})

t.test('a message that comes too late for its subscription is lost', async t => {
  const bus = new TestBus()
  const [one, two] = await members(t, bus, ONE_AND_TWO) as [Member, Member]
  const late = bus.hold({ to: two.broker })
  await one.app.ws.sendToRoom('cdr', m(1))
  bus.partition(two.broker)
  bus.restore()
  await two.client.expectStatus('resync')
  late.release()
  await two.client.expectNothing()
})

t.test('an application that closes does not wait for what the test holds', async t => {
  const bus = new TestBus()
  const [one] = await members(t, bus, ['one']) as [Member]
  bus.hold()
  await one.app.ws.sendToRoom('cdr', m(1))
  const stopwatch = new Stopwatch()
  t.teardown(() => stopwatch.stop())
  await one.app.close()
  t.ok(stopwatch.stop() < 1_000)
})

t.test('other programs may publish, whatever it is', async t => {
  const bus = new TestBus()
  const [one, two] = await members(t, bus, ONE_AND_TWO, { maxMessage: 100 }) as [Member, Member]
  const lost = bus.drop({ from: undefined, to: two.broker })
  t.equal(bus.publish('nobody', m(0)), 0)
  t.equal(bus.publish('cdr', m(1)), 2)
  t.equal(bus.publish('cdr', '{"command":"M","data":2,"more":true}'), 2)
  for (const bad of ['', 'hello', '{}', Buffer.from([0x7b, 0xff, 0x7d]), JSON.stringify(m('x'.repeat(100)))]) bus.publish('cdr', bad)
  t.strictSame(await heard(bus, one), [1, 2])
  t.strictSame(unpinged(one.client).at(-1), { command: 'M', data: 2, more: true })
  t.match(one.app.ws.stats(), { received: 7, malformed: 5 })
  t.strictSame(await heard(bus, two), [])
  t.match(lost.hits.slice(0, 3), [{ command: 'M', data: 1 }, { command: 'M', data: 2 }, { command: undefined, data: undefined, from: undefined }])
})

t.test('a bus knows rooms by their names, whatever prefix the applications have', async t => {
  for (const prefix of ['', 'stand:']) {
    const bus = new TestBus({ prefix })
    const [one] = await members(t, bus, ['one'], { prefix }) as [Member]
    const seen = bus.watch('send')
    bus.drop({ room: 'cdr', data: 1 })
    for (const data of [1, 2]) await one.app.ws.sendToRoom('cdr', m(data))
    bus.publish('cdr', m(3))
    t.strictSame(await heard(bus, one), [2, 3])
    t.match(seen.hits, [{ room: 'cdr' }, { room: 'cdr' }])
  }
  const bus = new TestBus({ prefix: 'other:' })
  const [one] = await members(t, bus, ['one']) as [Member]
  const seen = bus.watch('send')
  await one.app.ws.sendToRoom('cdr', m(1))
  t.match(seen.hits, [{ room: 'rooms:cdr' }], 'and where it was told another, it shows what it sees')
})

noStrays()
