import type { Test } from 'tap'
import type { Broker, BrokerRecords, Kept, Position } from '../../index.js'
import { until } from '../helpers/app.js'
import { historySuite } from './history-suite.js'

/** A broker as one process has it, and what it has been told. */
export interface Started {
  broker: Broker
  messages: Array<{ channel: string, payload: string, position?: Position }>
  ups: number
  downs: number
  missed: string[]
  errors: Error[]
}

/** Starts a broker and waits until it can do all that it is for. It is closed when the test ends. */
export async function start (t: Test, broker: Broker): Promise<Started> {
  const started: Started = { broker, messages: [], ups: 0, downs: 0, missed: [], errors: [] }
  t.teardown(() => broker.close())
  broker.start({
    message: (channel, payload, position) => {
      started.messages.push({ channel, payload: payload.toString(), ...position !== undefined && { position } })
    },
    up: () => { started.ups++ },
    down: () => { started.downs++ },
    missed: channel => { started.missed.push(channel) },
    error: error => { started.errors.push(error) }
  })
  await until(() => started.ups > 0)
  await until(async () => await broker.count('rooms:nobody').then(() => true, () => false))
  return started
}

/** Whatever way a broker says how many it reached. */
export async function publish ({ broker }: Started, channel: string, text: string, id: string): Promise<number> {
  return await broker.publish(channel, text, id)
}

/**
 * What every broker must do. Run it against a broker of your own: `create` returns brokers that are joined with each
 * other, as those of several processes are.
 */
export function brokerSuite (t: Test, name: string, create: (t: Test) => Promise<() => Promise<Broker> | Broker>): Promise<unknown> {
  return t.test(`broker: ${name}`, async t => {
    const pair = async (t: Test): Promise<[Started, Started]> => {
      const make = await create(t)
      return [await start(t, await make()), await start(t, await make())]
    }

    historySuite(t, pair)

    t.test('what is kept for all is kept once, for its time, and every process has one clock', async t => {
      const [a, b] = await pair(t)
      const [one, other] = [a.broker.records as BrokerRecords, b.broker.records as BrokerRecords]
      t.strictSame(await one.list(), [])
      const before = await one.clock()
      t.ok(await other.clock() >= before)
      await one.keep('{"long":"é ☃"}', 60_000)
      await one.keep('{"long":"é ☃"}', 50_000)
      await other.keep('{"short":1}', 1)
      await until(async () => (await other.list()).length === 1)
      const [kept] = await other.list() as [Kept]
      t.equal(kept.text, '{"long":"é ☃"}')
      t.ok(kept.remaining > 40_000 && kept.remaining <= 60_000, `${kept.remaining} ms`)
      t.strictSame((await one.list()).map(({ text }) => text), [kept.text])
      for (let i = 0; i < 1_500; i++) await other.keep(`{"brief":${i}}`, 1)
      await other.keep('{"long":2}', 60_000)
      await until(async () => (await one.list()).length === 2)
      t.strictSame((await one.list()).map(({ text }) => text).sort(), ['{"long":"é ☃"}', '{"long":2}'].sort())
    })

    t.test('a payload reaches every process that is subscribed, the sender included, unchanged', async t => {
      const [a, b] = await pair(t)
      await a.broker.subscribe('rooms:cdr')
      await b.broker.subscribe('rooms:cdr')
      const payload = '{"command":"UPDATE_USER","data":"é ☃ \\u0000 \\r\\n"}'
      t.equal(await publish(a, 'rooms:cdr', payload, '1'), 2)
      await until(() => a.messages.length === 1 && b.messages.length === 1)
      t.strictSame(a.messages, [{ channel: 'rooms:cdr', payload }])
      t.strictSame(b.messages, a.messages)
    })

    t.test('nobody is subscribed: the sender is told so', async t => {
      const [a] = await pair(t)
      t.equal(await publish(a, 'rooms:nobody', '{}', '1'), 0)
    })

    t.test('a channel is heard by its own subscribers only, also where its name looks like a pattern', async t => {
      const [a, b] = await pair(t)
      await a.broker.subscribe('rooms:a')
      await b.broker.subscribe('rooms:*')
      await publish(a, 'rooms:a', '1', '1')
      await publish(a, 'rooms:*', '2', '2')
      await until(() => a.messages.length === 1 && b.messages.length === 1)
      t.strictSame(a.messages, [{ channel: 'rooms:a', payload: '1' }])
      t.strictSame(b.messages, [{ channel: 'rooms:*', payload: '2' }])
    })

    t.test('who has members and is not subscribed is counted, and hears nothing', async t => {
      const [a, b] = await pair(t)
      await a.broker.subscribe('rooms:a')
      b.broker.report('rooms:a', 1)
      await until(async () => await a.broker.count('rooms:a') === 1)
      t.equal(await publish(a, 'rooms:a', '1', '1'), 1)
      await until(() => a.messages.length === 1)
      t.strictSame(b.messages, [])
    })

    t.test('what is published once subscribe has resolved arrives, 200 times of 200', async t => {
      const [a, b] = await pair(t)
      for (let i = 0; i < 200; i++) {
        await a.broker.subscribe(`rooms:${i}`)
        await publish(b, `rooms:${i}`, String(i), String(i))
      }
      await until(() => a.messages.length === 200)
      // Each on its own channel, so their order is nobody's promise.
      t.strictSame(a.messages.map(({ payload }) => Number(payload)).sort((one, other) => one - other), Array.from({ length: 200 }, (_, i) => i))
    })

    t.test('all processes see the messages of two senders in one order', async t => {
      const [a, b] = await pair(t)
      await a.broker.subscribe('rooms:cdr')
      await b.broker.subscribe('rooms:cdr')
      const sends: Array<Promise<number>> = []
      for (let i = 0; i < 500; i++) {
        sends.push(publish(a, 'rooms:cdr', `a${i}`, `a${i}`))
        sends.push(publish(b, 'rooms:cdr', `b${i}`, `b${i}`))
      }
      await Promise.all(sends)
      await until(() => a.messages.length === 1000 && b.messages.length === 1000)
      t.strictSame(a.messages, b.messages)
      for (const sender of ['a', 'b']) {
        const own = a.messages.map(({ payload }) => payload).filter(payload => payload.startsWith(sender))
        t.strictSame(own, Array.from({ length: 500 }, (_, i) => `${sender}${i}`), 'and each sender’s own order is kept')
      }
    })

    t.test('flush waits for what was published here', async t => {
      const [a] = await pair(t)
      await a.broker.subscribe('rooms:cdr')
      for (let i = 1; i <= 50; i++) {
        await publish(a, 'rooms:cdr', '1', String(i))
        await a.broker.flush()
        t.equal(a.messages.length, i)
      }
    })

    t.test('two subscriptions to one channel are one', async t => {
      const [a, b] = await pair(t)
      await a.broker.subscribe('rooms:cdr')
      await a.broker.subscribe('rooms:cdr')
      t.equal(await publish(b, 'rooms:cdr', '1', '1'), 1)
      await publish(b, 'rooms:cdr', '2', '2')
      await until(() => a.messages.length >= 2)
      t.strictSame(a.messages.map(({ payload }) => payload), ['1', '2'])
    })

    t.test('a thousand subscriptions of one turn are all live', async t => {
      const [a, b] = await pair(t)
      const channels = Array.from({ length: 1000 }, (_, i) => `rooms:${i}`)
      await Promise.all(channels.map(channel => a.broker.subscribe(channel)))
      const counts = await Promise.all(channels.map(channel => publish(b, channel, '1', channel)))
      t.ok(counts.every(count => count === 1))
      await Promise.all(channels.map(channel => a.broker.unsubscribe(channel)))
      const after = await Promise.all(channels.map(channel => publish(b, channel, '2', channel)))
      t.ok(after.every(count => count === 0))
      await until(() => a.messages.length === 1000)
    })

    t.test('after unsubscribe nothing arrives, and others still hear', async t => {
      const [a, b] = await pair(t)
      await a.broker.subscribe('rooms:cdr')
      await b.broker.subscribe('rooms:cdr')
      await a.broker.unsubscribe('rooms:cdr')
      await a.broker.unsubscribe('rooms:never')
      t.equal(await publish(b, 'rooms:cdr', '1', '1'), 1)
      await until(() => b.messages.length === 1)
      t.strictSame(a.messages, [])
    })

    t.test('members are counted over all processes, until they leave or their process does', async t => {
      const [a, b] = await pair(t)
      t.equal(await a.broker.count('rooms:cdr'), 0)
      a.broker.report('rooms:cdr', 1)
      a.broker.report('rooms:cdr', 2)
      b.broker.report('rooms:cdr', 3)
      b.broker.report('rooms:other', 9)
      await until(async () => await a.broker.count('rooms:cdr') === 5 && await b.broker.count('rooms:cdr') === 5)
      a.broker.report('rooms:cdr', 0)
      a.broker.report('rooms:never', 0)
      await until(async () => await b.broker.count('rooms:cdr') === 3)
      await b.broker.close()
      await until(async () => await a.broker.count('rooms:cdr') === 0)
      t.equal(await a.broker.count('rooms:other'), 0)
    })

    t.test('a broker that was closed hears nothing and may be closed again', async t => {
      const [a, b] = await pair(t)
      await a.broker.subscribe('rooms:cdr')
      await a.broker.close()
      await until(async () => await publish(b, 'rooms:cdr', '1', '1') === 0)
      t.strictSame(a.messages.filter(({ payload }) => payload !== '1'), [])
      await a.broker.close()
      t.equal(a.downs, 0)
    })
  })
}
