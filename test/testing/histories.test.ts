import t from 'tap'
import type { Test } from 'tap'
import type { BrokerHistory } from '../../index.js'
import { TestBus } from '../../testing/index.js'
import type { TestBroker } from '../../testing/index.js'
import { start } from '../brokers/suite.js'
import type { Started } from '../brokers/suite.js'

const CHANNEL = 'rooms:cdr'
const BOUNDS = { size: 10, ttl: 60_000 }
const UNAVAILABLE = { code: 'FST_ROOMS_BROKER_UNAVAILABLE' }
const UNKNOWN = { code: 'FST_ROOMS_SEND_UNKNOWN' }

interface Process extends Started {
  broker: TestBroker
  history: BrokerHistory
}

/** What one process has of the bus. */
async function join (t: Test, bus: TestBus): Promise<Process> {
  const broker = bus.broker()
  const started = await start(t, broker)
  await broker.subscribe(CHANNEL)
  return Object.assign(started, { broker, history: broker.history as BrokerHistory })
}

const text = (data: unknown): string => JSON.stringify({ command: 'M', data })
const append = (process: Process, data: unknown) => process.history.append(CHANNEL, text(data), `m${data}`, BOUNDS)

t.test('messages are numbered, kept, and handed to all', async t => {
  const bus = new TestBus()
  const [a, b] = [await join(t, bus), await join(t, bus)]
  const { last } = await b.history.read(CHANNEL, undefined, BOUNDS, 10)
  const { epoch } = last
  t.strictSame(await append(a, 1), { epoch, seq: 1, subscribers: 2 })
  t.strictSame(await append(b, 2), { epoch, seq: 2, subscribers: 2 })
  const [one, two] = [1, 2].map(seq => ({ epoch, seq, mid: `m${seq}`, text: text(seq) }))
  t.strictSame(await a.history.read(CHANNEL, last, BOUNDS, 10), { last: two, entries: [one, two] })
  t.strictSame(await a.history.tail(CHANNEL, 1), [two])
  for (const { messages } of [a, b]) {
    t.strictSame(messages, [1, 2].map(seq => ({
      channel: CHANNEL, payload: `{"command":"M","data":${seq},"seq":${seq},"mid":"m${seq}"}`, position: { epoch, seq, mid: `m${seq}` }
    })))
  }
})

t.test('sends and reads of a history can go wrong as all calls can', async t => {
  const bus = new TestBus()
  const [a, b] = [await join(t, bus), await join(t, bus)]
  const refused = bus.refuse('send', { by: a.broker, data: 1 })
  bus.refuse('read', { by: a.broker }, { times: 2 })
  await t.rejects(append(a, 1), UNAVAILABLE)
  await t.rejects(a.history.read(CHANNEL, undefined, BOUNDS, 1), UNAVAILABLE)
  await t.rejects(a.history.tail(CHANNEL, 1), UNAVAILABLE)
  t.match(refused.hits, [{ kind: 'send', room: 'cdr', id: 'm1', command: 'M', data: 1 }])
  bus.unconfirm({ data: 2 })
  await t.rejects(append(a, 2), UNKNOWN)
  bus.unconfirm({ data: 3 }, { arrive: false })
  await t.rejects(append(a, 3), UNKNOWN)
  bus.partition(b.broker, { oneSided: true })
  await t.rejects(append(b, 4), UNKNOWN)
  t.match(await a.history.tail(CHANNEL, 9), [{ seq: 0 }, { mid: 'm2' }, { mid: 'm4' }])
})

t.test('a message that is lost on its way is in the history all the same', async t => {
  const bus = new TestBus()
  const a = await join(t, bus)
  const lost = bus.drop(1)
  await append(a, 1)
  const { seq } = await append(a, 2)
  t.equal(seq, 2)
  t.strictSame(a.messages.map(({ position }) => position?.seq), [2])
  t.equal((await a.history.tail(CHANNEL, 2)).length, 2)
  t.match(lost.hits, [{ command: 'M', data: 1 }])
})

t.test('a history that is forgotten begins anew, and no other does, unless all are', async t => {
  const bus = new TestBus()
  const a = await join(t, bus)
  const before = await append(a, 1)
  const other = await a.history.append('rooms:other', text(1), 'o1', BOUNDS)
  bus.forget('cdr')
  const after = await append(a, 2)
  t.ok(Number(after.epoch) > Number(before.epoch))
  t.equal(after.seq, 1)
  t.equal((await a.history.append('rooms:other', text(2), 'o2', BOUNDS)).epoch, other.epoch)
  bus.forget()
  t.equal((await append(a, 3)).seq, 1)
  t.equal((await a.history.append('rooms:other', text(3), 'o3', BOUNDS)).seq, 1)
})

t.test('a history that is rolled back gives its numbers again, and who was further is told', async t => {
  const bus = new TestBus()
  const a = await join(t, bus)
  for (let data = 1; data <= 5; data++) await append(a, data)
  const [position] = await a.history.tail(CHANNEL, 1)
  bus.rollBack('cdr', 2)
  bus.rollBack('cdr')
  bus.rollBack('nobody', 5)
  t.match(await append(a, 6), { epoch: position?.epoch, seq: 3 })
  t.match(await a.history.read(CHANNEL, position, BOUNDS, 10), { broken: 'rewritten', entries: [] })
  bus.rollBack('cdr') // and with the message of the epoch before, the new one
  t.match(await append(a, 7), { epoch: position?.epoch, seq: 3 })
  bus.rollBack('cdr', 100)
  t.match(await a.history.tail(CHANNEL, 10), [{ seq: 0 }])
})

t.test('the plugin is told to look by itself where that is wanted', async t => {
  const bus = new TestBus()
  t.equal(bus.broker().history?.polled, false)
  t.equal(bus.broker({ polled: true }).history?.polled, true)
})
