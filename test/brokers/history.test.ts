import { inspect } from 'node:util'
import t from 'tap'
import type { Test } from 'tap'
import type { Redis } from 'ioredis'
import type { BrokerHistory, BrokerRecords, Entry, Position } from '../../index.js'
import { RedisBroker } from '../../lib/brokers/redis.js'
import { createLink } from '../../lib/brokers/redis-link.js'
import type { RedisLink, RedisSource } from '../../lib/brokers/redis-link.js'
import { documentedRules, fillRecords, refusals, startCounting, uncalled } from '../helpers/acl.js'
import { until } from '../helpers/app.js'
import { Ledger } from '../helpers/ledger.js'
import { startProxy } from '../helpers/proxy.js'
import { startRedis } from '../helpers/redis.js'
import type { RedisServer } from '../helpers/redis.js'
import { Stopwatch } from '../helpers/stopwatch.js'
import { watchForStrays } from '../helpers/strays.js'
import { historyOf, textOf } from './history-suite.js'
import { start } from './suite.js'
import type { Started } from './suite.js'

const BOUNDS = { size: 10_000, ttl: 60_000 }
const noStrays = watchForStrays(t)

interface StartedRedis extends Started {
  history: BrokerHistory
  link: RedisLink
}

async function startBroker (t: Test, source: RedisSource, publishTimeout = 10_000): Promise<StartedRedis> {
  const link = await createLink(source)
  const started = await start(t, new RedisBroker(link, { prefix: 'rooms:', publishTimeout }))
  return Object.assign(started, { history: historyOf(started), link })
}

function through ({ port }: { port: number }): { host: string, port: number } {
  return { host: '127.0.0.1', port }
}

function adminOf (t: Test, redis: RedisServer): Redis {
  const admin = redis.client()
  t.teardown(() => admin.disconnect())
  return admin
}

/** Both connections are lost. */
async function untilGone ({ link }: StartedRedis): Promise<void> {
  await until(() => link.commands.status !== 'ready' && link.subscriber.status !== 'ready')
  await new Promise(resolve => setImmediate(resolve)) // the events of that follow
}

/** What there is, as Redis itself says it. */
async function entriesOf (admin: Redis, channel: string): Promise<Entry[]> {
  return (await admin.xrange(`{${channel}}:s`, '-', '+')).map(([id, [, mid, , text]]) => {
    const [epoch, seq] = id.split('-') as [string, string]
    return { epoch, seq: Number(seq), mid: mid as string, text: text as string }
  })
}

async function midsOf (admin: Redis, channel: string): Promise<string[]> {
  return (await entriesOf(admin, channel)).filter(({ seq }) => seq > 0).map(({ mid }) => mid)
}

const append = ({ history }: { history: BrokerHistory }, mid: string, channel = 'rooms:a', bounds = BOUNDS) => history.append(channel, textOf(mid), mid, bounds)
const recordsOf = ({ broker }: Started) => broker.records as BrokerRecords
const positionOf = ({ epoch, seq }: { epoch: string, seq: number }, mid: string) => ({ epoch, seq, mid })

t.test('what Redis holds', async t => {
  const redis = await startRedis(t)
  const admin = adminOf(t, redis)
  const a = await startBroker(t, redis.url)

  t.test('a stream for each room, in the slot of its channel, whose ids are the positions, and which expires', async t => {
    const { epoch } = await append(a, 'one')
    t.strictSame(await admin.keys('*'), ['{rooms:a}:s'])
    const [[marker], [id, fields]] = await admin.xrange('{rooms:a}:s', '-', '+') as [[string], [string, string[]]]
    t.strictSame([marker, id, fields], [`${epoch}-0`, `${epoch}-1`, ['m', 'one', 'p', textOf('one')]])
    const left = await admin.pttl('{rooms:a}:s')
    t.ok(left > 50_000 && left <= 60_000)
  })

  t.test('what is published begins with the position in a line of its own', async t => {
    const listener = adminOf(t, redis)
    await listener.subscribe('rooms:line')
    const heard = new Promise(resolve => listener.on('message', (_channel, message) => resolve(message)))
    const { epoch } = await append(a, 'one', 'rooms:line')
    t.equal(await heard, `!seq ${epoch} 1 one\n{"command":"SAY","data":"one","seq":1,"mid":"one"}`)
  })

  t.test('everything is gone: an epoch begins that is greater, though the sender knows where it was', async t => {
    const before = await append(a, 'one', 'rooms:flushed')
    await append(a, 'two', 'rooms:flushed')
    await admin.flushall()
    const after = await append(a, 'three', 'rooms:flushed')
    t.ok(Number(after.epoch) > Number(before.epoch))
    t.equal(after.seq, 1)
    t.match(await a.history.read('rooms:flushed', positionOf(before, 'one'), BOUNDS, 10), { broken: 'trimmed', last: { epoch: after.epoch, seq: 1 } })
  })

  t.test('somebody has emptied the stream: an epoch begins, whatever the stream remembers', async t => {
    await append(a, 'one', 'rooms:emptied')
    await admin.xadd('{rooms:emptied}:s', '9007199254740000-7', 'm', 'x', 'p', '{}')
    await admin.xtrim('{rooms:emptied}:s', 'MAXLEN', 0)
    const b = await startBroker(t, redis.url)
    const { seq, epoch } = await append(b, 'two', 'rooms:emptied')
    t.equal(seq, 1)
    t.match(await a.history.read('rooms:emptied', undefined, BOUNDS, 1), { last: { epoch, seq: 1, mid: 'two' } })
  })

  t.test('another process has begun an epoch: the sender goes on in it', async t => {
    const one = await append(a, 'one', 'rooms:other')
    const b = await startBroker(t, redis.url)
    const { last } = await b.history.read('rooms:other', { epoch: one.epoch, seq: 5, mid: 'lost' }, BOUNDS, 1)
    t.strictSame(await append(a, 'two', 'rooms:other'), { epoch: last.epoch, seq: 1, subscribers: 0 })
  })

  t.test('more channels than a process remembers go on where they were', async t => {
    const channels = Array.from({ length: 10_100 }, (_, i) => `rooms:many-${i}`)
    for (const seq of [1, 2]) {
      for (let i = 0; i < channels.length; i += 1_000) {
        const receipts = await Promise.all(channels.slice(i, i + 1_000).map(channel => append(a, `m${seq}`, channel)))
        t.ok(receipts.every(receipt => receipt.seq === seq))
      }
    }
    await admin.flushall()
  })

  t.test('messages are as long as they may be, and many of them are not one script', async t => {
    const text = JSON.stringify({ command: 'SAY', data: '☃'.repeat(80_000) })
    const receipts = await Promise.all(Array.from({ length: 20 }, (_, i) => a.history.append('rooms:long', text, `long-${i}`, BOUNDS)))
    t.strictSame(receipts.map(({ seq }) => seq), Array.from({ length: 20 }, (_, i) => i + 1))
    t.equal((await a.history.tail('rooms:long', 1))[0]?.text, text)
    await admin.config('RESETSTAT')
    const rooms = await Promise.all(Array.from({ length: 20 }, (_, i) => a.history.append(`rooms:long-${i}`, text, 'one', BOUNDS)))
    t.ok(rooms.every(({ seq }) => seq === 1))
    const stats = await admin.info('commandstats')
    t.equal(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1], '4', 'six of these at a time')
  })
})

t.test('what only looks like a message of a history is handed on as it came', async t => {
  const redis = await startRedis(t)
  const admin = adminOf(t, redis)
  const a = await startBroker(t, redis.url)
  await a.broker.subscribe('rooms:a')
  const garbage = [
    '!seq ', '!seq 1 2\n{}', '!seq 1 2 three{}', '!seq x 2 three\n{}', '!seq 1 -2 three\n{}', '!seq 1 2.5 three\n{}', '!seq 1 2 thr"ee\n{}', '!seq 1 2 \n{}',
    `!seq 1 2 ${'x'.repeat(65)}\n{}`, `!seq ${'1'.repeat(17)} 2 three\n{}`, `!seq 1 ${'2'.repeat(16)} three\n{}`, '!seq  1 2 three\n{}', ' !seq 1 2 three\n{}',
    '!seq 1 2 three\r\n{}', `!seq ${'1'.repeat(100_000)}`, '!', '!SEQ 1 2 three\n{}', '!seq 1 2 three {"a":\n{}'
  ]
  for (const payload of garbage) await admin.publish('rooms:a', payload)
  await admin.publish('rooms:a', Buffer.from([0x21, 0x73, 0x65, 0x71, 0x20, 0xff, 0xfe, 0x0a]))
  await admin.publish('rooms:a', '!seq 1 2 three\n{}')
  await until(() => a.messages.length === garbage.length + 2)
  t.strictSame(a.messages.slice(0, garbage.length), garbage.map(payload => ({ channel: 'rooms:a', payload })))
  t.strictSame(a.messages.at(-2), { channel: 'rooms:a', payload: '!seq \ufffd\ufffd\n' })
  t.strictSame(a.messages.at(-1), { channel: 'rooms:a', payload: '{}', position: { epoch: '1', seq: 2, mid: 'three' } })
})

t.test('Redis forgets its scripts under load: nothing fails, and each sender’s order is kept', async t => {
  const redis = await startRedis(t)
  const admin = adminOf(t, redis)
  const senders = [await startBroker(t, redis.url), await startBroker(t, redis.url)]
  const ledger = new Ledger(BOUNDS)
  const sends: Array<Promise<void>> = []
  for (let round = 0; round < 20; round++) {
    senders.forEach((sender, s) => {
      for (let i = 0; i < 50; i++) sends.push(ledger.append(sender.history, `rooms:${i % 2}`, `${s}-${round}-${i}`))
    })
    await admin.script('FLUSH')
  }
  await Promise.all(sends)
  t.equal(ledger.kept.size, 2_000)
  for (const room of [0, 1]) {
    const kept = await senders[0]?.history.tail(`rooms:${room}`, 9_999) ?? []
    for (const sender of ['0', '1']) {
      const own = kept.map(({ mid }) => mid).filter(mid => mid.startsWith(`${sender}-`))
      t.strictSame(own, ledger.all.filter(mid => mid.startsWith(`${sender}-`) && Number(mid.split('-')[2]) % 2 === room))
    }
  }
  await admin.script('FLUSH')
  t.match(await senders[0]?.history.read('rooms:0', undefined, BOUNDS, 1), { last: { seq: 1_000 } })
})

t.test('while there is no connection', async t => {
  const redis = await startRedis(t)

  t.test('messages wait, and leave in order when there is one', async t => {
    const proxy = await startProxy(t, redis.port)
    const a = await startBroker(t, through(proxy), 20_000)
    await append(a, 'first', 'rooms:waiting')
    proxy.cut()
    await until(() => a.downs === 1)
    const receipts = await Promise.all(Array.from({ length: 600 }, (_, i) => append(a, `m${i}`, 'rooms:waiting')))
    t.strictSame(receipts.map(({ seq }) => seq), Array.from({ length: 600 }, (_, i) => i + 2))
  })

  t.test('so many wait and no more, until their time is over, in a memory that does not grow', async t => {
    const absent = await startRedis(t)
    const a = await startBroker(t, absent.url, 300)
    await absent.kill()
    await untilGone(a)
    /** How many of these were refused at once, and that the others were in time. */
    const refused = async (sends: Array<Promise<unknown>>): Promise<number> => {
      let settled = 0
      const stopwatch = new Stopwatch()
      t.teardown(() => stopwatch.stop())
      const outcomes = sends.map(send => send.catch(error => {
        settled++
        return error.code
      }))
      await new Promise<void>(resolve => process.nextTick(resolve))
      const atOnce = settled
      t.ok((await Promise.all(outcomes)).every(code => code === 'FST_ROOMS_BROKER_UNAVAILABLE'))
      t.ok(stopwatch.stop() < 2_000)
      return atOnce
    }
    for (let round = 0; round < 3; round++) {
      t.equal(await refused(Array.from({ length: 5_000 }, (_, i) => append(a, `m${i}`, `rooms:${i % 7}`))), 4_000)
    }
    const large = JSON.stringify({ command: 'SAY', data: 'x'.repeat(1_000_000) })
    t.equal(await refused(Array.from({ length: 20 }, (_, i) => a.history.append('rooms:large', large, `m${i}`, BOUNDS))), 12, 'so many characters')
    await absent.start()
    await until(() => a.ups === 2)
    await until(async () => await append(a, 'last', 'rooms:back').then(() => true, () => false))
    t.equal((await a.history.tail('rooms:0', 10)).length, 0, 'what was given up is not sent any more')
  })

  t.test('nothing is read', async t => {
    const absent = await startRedis(t)
    const a = await startBroker(t, absent.url, 300)
    await absent.kill('SIGSTOP')
    await t.rejects(a.history.read('rooms:a', undefined, BOUNDS, 1), { code: 'FST_ROOMS_BROKER_UNAVAILABLE' }, 'not in time')
    await absent.kill()
    await untilGone(a)
    await t.rejects(a.history.read('rooms:a', undefined, BOUNDS, 1), { code: 'FST_ROOMS_BROKER_UNAVAILABLE' })
    await t.rejects(a.history.tail('rooms:a', 1), { code: 'FST_ROOMS_BROKER_UNAVAILABLE' })
  })

  t.test('a broker that is closed lets go of what waits', async t => {
    const absent = await startRedis(t)
    const a = await startBroker(t, absent.url, 60_000)
    await absent.kill()
    await untilGone(a)
    const waiting = t.rejects(append(a, 'one'), { code: 'FST_ROOMS_BROKER_UNAVAILABLE' })
    await a.broker.close()
    await waiting
  })
})

t.test('more messages at once than Redis will take in time are refused at once', async t => {
  const redis = await startRedis(t)
  const a = await startBroker(t, redis.url, 60_000)
  await append(a, 'first')
  const outcomes = await Promise.allSettled(Array.from({ length: 100_100 }, (_, i) => append(a, `m${i}`, `rooms:${i % 10}`)))
  t.equal(outcomes.filter(({ status }) => status === 'rejected').length, 100)
})

t.test('answers are lost with their connections, 150 times: all that is confirmed is there, and nothing twice', async t => {
  const redis = await startRedis(t)
  const admin = adminOf(t, redis)
  const outcomes = { kept: 0, unknown: 0 }
  await Promise.all(Array.from({ length: 10 }, async (_, sender) => {
    const proxy = await startProxy(t, redis.port)
    const a = await startBroker(t, through(proxy))
    const channel = `rooms:${sender % 3}`
    const ledger = new Ledger(BOUNDS)
    await append(a, `${sender}-first`, channel)
    for (let round = 0; round < 15; round++) {
      proxy.mode = 'drop-replies'
      const sends = Array.from({ length: 20 }, (_, i) => ledger.append(a.history, channel, `${sender}-${round}-${i}`))
      await new Promise(resolve => setTimeout(resolve, Math.random() * 10))
      for (let i = 20; i < 25; i++) sends.push(ledger.append(a.history, channel, `${sender}-${round}-${i}`))
      proxy.cut()
      proxy.mode = 'pass'
      await Promise.all(sends)
    }
    const own = (await entriesOf(admin, channel)).filter(({ mid }) => mid.startsWith(`${sender}-`) && !mid.endsWith('first'))
    t.strictSame(own.map(({ mid }) => mid), ledger.all, 'in the order of the calls')
    ledger.verify(t, own)
    outcomes.kept += ledger.kept.size
    outcomes.unknown += ledger.unknown.size
  }))
  t.strictSame(outcomes, { kept: 10 * 15 * 25, unknown: 0 })
})

t.test('what a lost connection carries arrives late', async t => {
  const redis = await startRedis(t)
  const admin = adminOf(t, redis)

  t.test('and is not carried out: Redis has ended the connection before the message was sent again', async t => {
    const proxy = await startProxy(t, redis.port)
    const a = await startBroker(t, through(proxy))
    await append(a, 'first', 'rooms:late')
    for (let round = 0; round < 15; round++) {
      proxy.mode = 'hold'
      const sends = Array.from({ length: 10 }, (_, i) => append(a, `${round}-${i}`, 'rooms:late'))
      await until(() => proxy.held > 0)
      proxy.mode = 'pass'
      proxy.cut()
      await Promise.all(sends)
      await proxy.release()
    }
    t.strictSame((await midsOf(admin, 'rooms:late')).slice(1), Array.from({ length: 150 }, (_, i) => `${Math.floor(i / 10)}-${i % 10}`))
  })

  for (const [refused, why] of [['client|kill', 'may not end it'], ['client|id', 'was not told which it is'], ['info', 'was not told which Redis it is']] as const) {
    t.test(`and may be carried out where the process ${why}, so nothing is sent again`, async t => {
      await admin.call('ACL', 'SETUSER', 'unfenced', 'on', 'nopass', '+@all', '~*', '&*', `-${refused}`)
      const proxy = await startProxy(t, redis.port)
      const a = await startBroker(t, { ...through(proxy), username: 'unfenced', password: 'any', enableReadyCheck: false })
      const channel = `rooms:${refused}`
      await append(a, 'first', channel)
      proxy.mode = 'hold'
      const sending = append(a, 'late', channel)
      await until(() => proxy.held > 0)
      proxy.mode = 'pass'
      proxy.cut()
      await t.rejects(sending, { code: 'FST_ROOMS_SEND_UNKNOWN', message: /late/ })
      await append(a, 'after', channel)
      await proxy.release()
      t.strictSame(await midsOf(admin, channel), ['first', 'after', 'late'])
    })
  }
})

t.test('what cannot be known of a message whose answer was lost is said to be unknown', async t => {
  const redis = await startRedis(t)
  const admin = adminOf(t, redis)
  const interrupted = async (t: Test, meanwhile: () => Promise<unknown>, first: boolean, held: 'hold' | 'drop-replies') => {
    const proxy = await startProxy(t, redis.port)
    const a = await startBroker(t, through(proxy))
    await append(a, 'first', first ? 'rooms:a' : 'rooms:other')
    proxy.mode = held
    const sending = append(a, 'doubtful')
    sending.catch(() => {})
    await until(async () => held === 'hold' ? proxy.held > 0 : (await admin.xrevrange('{rooms:a}:s', '+', '-', 'COUNT', 1))[0]?.[1][1] === 'doubtful')
    await meanwhile()
    proxy.mode = 'pass'
    proxy.cut()
    return { sending, a }
  }

  t.test('where the history is not known from before', async t => {
    const { sending } = await interrupted(t, async () => {}, false, 'hold')
    await t.rejects(sending, { code: 'FST_ROOMS_SEND_UNKNOWN' })
  })

  t.test('where what came before is not kept any more', async t => {
    const { sending } = await interrupted(t, async () => await admin.xtrim('{rooms:a}:s', 'MAXLEN', 0), true, 'hold')
    await t.rejects(sending, { code: 'FST_ROOMS_SEND_UNKNOWN' })
  })

  t.test('where Redis may not be asked', async t => {
    const { sending, a } = await interrupted(t, async () => {
      await admin.script('FLUSH')
      await admin.call('ACL', 'SETUSER', 'default', '-evalsha', '-eval')
    }, true, 'hold')
    await t.rejects(sending, { code: 'FST_ROOMS_SEND_UNKNOWN' })
    await t.rejects(append(a, 'refused'), { code: 'FST_ROOMS_BROKER_UNAVAILABLE' })
    await admin.call('ACL', 'SETUSER', 'default', '+evalsha', '+eval')
  })

  t.test('but it is known where the message is there, though much else was said after it', async t => {
    const other = await startBroker(t, redis.url)
    await admin.del('{rooms:a}:s')
    for (const first of [false, true]) {
      const { sending } = await interrupted(t, async () => {
        await Promise.all(Array.from({ length: 450 }, (_, i) => append(other, `other-${i}`)))
      }, first, 'drop-replies')
      const { epoch, seq } = await sending
      t.match((await entriesOf(admin, 'rooms:a')).filter(({ mid }) => mid === 'doubtful'), [{ epoch, seq }])
      await admin.del('{rooms:a}:s')
    }
  })
})

t.test('the connection is lost again, before it is known what became of a message', async t => {
  const redis = await startRedis(t)
  const admin = adminOf(t, redis)
  const proxy = await startProxy(t, redis.port)
  const a = await startBroker(t, through(proxy), 20_000)
  await append(a, 'first')
  proxy.mode = 'hold'
  const sends = Promise.allSettled([append(a, 'one'), append(a, 'two', 'rooms:b')])
  await until(() => proxy.held > 0)
  for (let i = 0; i < 3; i++) {
    proxy.mode = 'drop-replies' // so the next connection is never prepared
    const before = proxy.unanswered
    proxy.cut()
    await until(() => proxy.unanswered >= before + 2) // the connection that sends, and the one that hears
  }
  proxy.mode = 'pass'
  proxy.cut()
  t.match(await sends, [{ value: { seq: 2 } }, { reason: { code: 'FST_ROOMS_SEND_UNKNOWN' } }])
  await proxy.release()
  t.strictSame([await midsOf(admin, 'rooms:a'), await midsOf(admin, 'rooms:b')], [['first', 'one'], []])
})

t.test('the connection ends in the very turn in which a message is sent: it waits for the next', async t => {
  const redis = await startRedis(t)
  const a = await startBroker(t, redis.url)
  await append(a, 'first')
  ;(a.link.commands as Redis).stream.destroy()
  const sends = [1, 2].map(i => append(a, `m${i}`))
  t.match(await Promise.all(sends), [{ seq: 2 }, { seq: 3 }])
})

t.test('a broker is closed before it knows what became of a message: that is said', async t => {
  const redis = await startRedis(t)
  const admin = adminOf(t, redis)
  const proxy = await startProxy(t, redis.port)
  const a = await startBroker(t, through(proxy), 1_500)
  await append(a, 'first')
  proxy.mode = 'hold'
  const sending = append(a, 'doubtful').catch(error => error)
  await until(() => proxy.held > 0)
  await admin.call('CLIENT', 'PAUSE', 10_000, 'WRITE')
  proxy.mode = 'pass'
  proxy.cut()
  await until(() => a.ups === 2)
  await until(async () => /blocked_clients:[1-9]/.test(await admin.info('clients'))) // where the process asks what became of it
  const late = append(a, 'late', 'rooms:b').catch(error => error)
  await new Promise(resolve => setImmediate(resolve)) // it has left
  await a.broker.close()
  t.match([await sending, await late], [{ code: 'FST_ROOMS_SEND_UNKNOWN' }, { code: 'FST_ROOMS_SEND_UNKNOWN' }])
  await admin.call('CLIENT', 'UNPAUSE')
})

t.test('Redis hangs: what it was sent is unknown in time and arrives once, what was not sent is said not to be', async t => {
  const redis = await startRedis(t)
  const admin = adminOf(t, redis)
  const a = await startBroker(t, redis.url, 1_000)
  await append(a, 'first')
  const ledger = new Ledger(BOUNDS)
  await redis.kill('SIGSTOP')
  const stopwatch = new Stopwatch()
  t.teardown(() => stopwatch.stop())
  const sends = [ledger.append(a.history, 'rooms:a', 'sent')]
  await new Promise(resolve => setImmediate(resolve)) // it has left
  for (let i = 0; i < 50; i++) sends.push(ledger.append(a.history, 'rooms:a', `waiting-${i}`))
  await Promise.all(sends)
  t.ok(stopwatch.stop() < 1_500)
  t.strictSame([...ledger.unknown], ['sent'])
  t.equal(ledger.unsent.size, 50)
  await redis.kill('SIGCONT')
  await until(async () => await append(a, 'awake').then(() => true, () => false))
  ledger.verify(t, await entriesOf(admin, 'rooms:a'))
  t.strictSame(await midsOf(admin, 'rooms:a'), ['first', 'sent', 'awake'])
})

t.test('Redis hangs for so long that the connection is given up: still nothing is there twice', async t => {
  const redis = await startRedis(t)
  const admin = adminOf(t, redis)
  const a = await startBroker(t, redis.url)
  await append(a, 'first')
  const ledger = new Ledger(BOUNDS)
  await redis.kill('SIGSTOP')
  const sends = Array.from({ length: 100 }, (_, i) => ledger.append(a.history, 'rooms:a', `m${i}`))
  await until(() => a.downs === 1)
  for (let i = 100; i < 200; i++) sends.push(ledger.append(a.history, 'rooms:a', `m${i}`))
  await redis.kill('SIGCONT')
  await Promise.all(sends)
  ledger.verify(t, await entriesOf(admin, 'rooms:a'))
  t.equal(ledger.kept.size, 200)
})

t.test('Redis crashes and starts anew: what it was sent is unknown, and a new epoch begins', async t => {
  const redis = await startRedis(t)
  const admin = adminOf(t, redis)
  const proxy = await startProxy(t, redis.port)
  const a = await startBroker(t, through(proxy))
  const { epoch } = await append(a, 'first')
  const ledger = new Ledger(BOUNDS)
  proxy.mode = 'hold'
  const sends = [ledger.append(a.history, 'rooms:a', 'sent')]
  await until(() => proxy.held > 0)
  sends.push(ledger.append(a.history, 'rooms:a', 'waiting'))
  await redis.kill()
  proxy.mode = 'pass'
  proxy.cut()
  await redis.start()
  await Promise.all(sends)
  t.strictSame([...ledger.unknown], ['sent'])
  t.strictSame([...ledger.kept.keys()], ['waiting'])
  const kept = await entriesOf(admin, 'rooms:a')
  ledger.verify(t, kept)
  t.ok(Number(kept[0]?.epoch) > Number(epoch))
})

t.test('a replica that had less takes over, and is written further than the other was: whoever was ahead is told', async t => {
  const master = await startRedis(t, ['--repl-diskless-sync-delay', '0'])
  const replica = await startRedis(t)
  const [onMaster, onReplica] = [adminOf(t, master), adminOf(t, replica)]
  const proxy = await startProxy(t, master.port)
  const a = await startBroker(t, through(proxy))
  for (let i = 1; i <= 95; i++) await append(a, `m${i}`)
  await onReplica.replicaof('127.0.0.1', master.port)
  await until(async () => await onReplica.xlen('{rooms:a}:s') === 96)
  await onReplica.replicaof('NO', 'ONE')
  for (let i = 96; i <= 100; i++) await append(a, `m${i}`)
  await append(a, 'two', 'rooms:b')
  const { last } = await a.history.read('rooms:a', undefined, BOUNDS, 1)
  t.equal(last.seq, 100)
  const others = await startBroker(t, replica.url)
  for (let i = 96; i <= 102; i++) t.match(await append(others, `other-${i}`), { epoch: last.epoch, seq: i })

  t.test('a reader, by the name of the message at its position', async t => {
    const { broken, entries, last: now } = await others.history.read('rooms:a', last, BOUNDS, 10)
    t.strictSame([broken, entries], ['rewritten', []])
    t.ok(Number(now.epoch) > Number(last.epoch))
  })

  t.test('all, by a sender that is given a number for the second time', async t => {
    await onReplica.del('{rooms:a}:s')
    await onReplica.call('RESTORE', '{rooms:a}:s', 0, await onMaster.dumpBuffer('{rooms:a}:s') as Buffer)
    await onReplica.xdel('{rooms:a}:s', `${last.epoch}-99`, `${last.epoch}-100`)
    await onReplica.call('XSETID', '{rooms:a}:s', `${last.epoch}-98`)
    proxy.target = replica.port
    proxy.cut()
    await until(() => a.ups === 2)
    const { epoch, seq } = await append(a, 'next')
    t.equal(seq, 1)
    t.ok(Number(epoch) > Number(last.epoch))
    t.match(await a.history.read('rooms:a', last, BOUNDS, 10), { broken: 'rewritten', last: { epoch, seq: 1 } })
  })
})

t.test('what Redis refuses', async t => {
  const redis = await startRedis(t)
  const admin = adminOf(t, redis)
  const a = await startBroker(t, redis.url)

  t.test('because it is full: nothing is sent', async t => {
    await append(a, 'before')
    await admin.config('SET', 'maxmemory', '1mb', 'maxmemory-policy', 'noeviction')
    for (const channel of ['rooms:a', 'rooms:new']) {
      const error = await append(a, 'full', channel).catch(error => error)
      t.match(error, { code: 'FST_ROOMS_BROKER_UNAVAILABLE', cause: { message: /OOM/ } })
      t.notOk(inspect(error, { depth: 9 }).includes('SAY'), 'and the message is not among what the error tells')
    }
    await t.rejects(a.history.read('rooms:new', undefined, BOUNDS, 1), { code: 'FST_ROOMS_BROKER_UNAVAILABLE' })
    const { last } = await a.history.read('rooms:a', undefined, BOUNDS, 1)
    t.equal(last.mid, 'before', 'what is there can be read')
    await t.rejects(a.history.read('rooms:a', { ...last, seq: 9 }, BOUNDS, 1), { code: 'FST_ROOMS_BROKER_UNAVAILABLE' })
    await admin.config('SET', 'maxmemory', '0')
    t.match(await append(a, 'after'), { seq: 2 })
  })

  t.test('because something else is there', async t => {
    await admin.set('{rooms:taken}:s', 'a string')
    const b = await startBroker(t, redis.url)
    await t.rejects(append(b, 'one', 'rooms:taken'), { code: 'FST_ROOMS_BROKER_UNAVAILABLE', cause: { message: /WRONGTYPE/ } })
    await append(b, 'one', 'rooms:retaken')
    await admin.set('{rooms:retaken}:s', 'a string')
    await t.rejects(append(b, 'two', 'rooms:retaken'), { code: 'FST_ROOMS_BROKER_UNAVAILABLE', cause: { message: /WRONGTYPE/ } })
    await t.rejects(b.history.read('rooms:taken', undefined, BOUNDS, 1), { code: 'FST_ROOMS_BROKER_UNAVAILABLE' })
    await t.rejects(b.history.tail('rooms:taken', 1), { code: 'FST_ROOMS_BROKER_UNAVAILABLE' })
  })

  t.test('for the channel or the key: it is not kept either, and others of the same turn are', async t => {
    await admin.call('ACL', 'SETUSER', 'rooms', 'on', '>secret', '+@all', 'resetkeys', '~{rooms:*', 'resetchannels', '&rooms:a', '&rooms:!*')
    const b = await startBroker(t, { ...through(redis), username: 'rooms', password: 'secret' })
    const outcomes = await Promise.allSettled(['rooms:a', 'rooms:secret', 'elsewhere', 'rooms:a'].map((channel, i) => append(b, `acl-${i}`, channel)))
    t.match(outcomes, [{ status: 'fulfilled' }, { status: 'rejected' }, { status: 'rejected' }, { status: 'fulfilled' }])
    t.match(outcomes[1], { reason: { code: 'FST_ROOMS_BROKER_UNAVAILABLE', cause: { message: /NOPERM|channel/i } } })
    t.strictSame(await midsOf(admin, 'rooms:secret'), [])
    await admin.call('ACL', 'SETUSER', 'rooms', '-pexpire')
    await t.rejects(append(b, 'for ever'), { code: 'FST_ROOMS_BROKER_UNAVAILABLE', cause: { message: /can't run this command/ } })
    t.notOk((await midsOf(admin, 'rooms:a')).includes('for ever'), 'nor is what could not expire')
  })
})

t.test('the rules for a user of Redis that are in the documentation are enough, and none is too many', async t => {
  const redis = await startRedis(t)
  const admin = adminOf(t, redis)
  const proxy = await startProxy(t, redis.port)
  await admin.call('ACL', 'SETUSER', 'rooms', ...documentedRules('single'))
  await fillRecords(admin, 'kept')
  await startCounting([admin], 'single')
  const user = { username: 'rooms', password: 'secret' }
  const a = await startBroker(t, { ...through(proxy), ...user })
  const b = await startBroker(t, { ...through(redis), ...user })
  const records = recordsOf(a)
  await a.broker.subscribe('rooms:a')
  for (const { broker } of [a, b]) broker.report('rooms:a', 1)
  const first = await append(a, 'first')
  t.equal(first.subscribers, 1)
  t.equal(await a.broker.publish('rooms:a', 'hello', '1'), 1)
  await a.broker.flush()
  t.match(await a.history.read('rooms:a', { ...first, mid: 'other' }, BOUNDS, 10), { broken: 'rewritten' })
  for (const mode of ['drop-replies', 'hold'] as const) {
    const before = await admin.xlen('{rooms:a}:s')
    proxy.mode = mode
    const { ups } = a
    const sending = append(a, mode)
    await until(async () => mode === 'hold' ? proxy.held > 0 : await admin.xlen('{rooms:a}:s') > before)
    proxy.mode = 'pass'
    proxy.cut()
    t.match(await sending, { epoch: /./ })
    await until(() => a.ups > ups)
  }
  t.equal((await a.history.tail('rooms:a', 1)).length, 1)
  await until(async () => await a.broker.count('rooms:a') === 2)
  await t.rejects(records.keep('one more', 60_000), { code: 'FST_ROOMS_TOO_MANY_REVOCATIONS' })
  await records.keep('kept', 60_000)
  await admin.flushall()
  await records.keep('one more', 60_000)
  t.match(await records.list(), [{ text: 'one more' }])
  await append(a, 'flushed')
  await a.broker.unsubscribe('rooms:a')
  for (const { broker } of [a, b]) await broker.close()
  t.strictSame(await refusals(admin), [])
  t.strictSame(await uncalled([admin], 'single'), [])
})

t.test('much is read in parts: Redis ends a connection that hears when too much waits on it', async t => {
  const redis = await startRedis(t, ['--client-output-buffer-limit', 'pubsub', '1mb', '1mb', '1'])
  const a = await startBroker(t, redis.url)
  const { last: start } = await a.history.read('rooms:a', undefined, BOUNDS, 100)
  const big = (i: number): string => `{"command":"BIG","data":"${'x'.repeat(100_000)}${i}"}`
  for (let i = 1; i <= 40; i++) await a.history.append('rooms:a', big(i), `m${i}`, BOUNDS)
  const mids: string[] = []
  for (let from: Position = start, reads = 0; mids.length < 40; reads++) {
    const { entries, last } = await a.history.read('rooms:a', from, BOUNDS, 100)
    t.ok(entries.length > 0 && entries.length < 5 && reads < 40)
    t.equal(last.seq, 40)
    mids.push(...entries.map(({ mid }) => mid))
    from = entries.at(-1) as Position
  }
  t.strictSame(mids, Array.from({ length: 40 }, (_, i) => `m${i + 1}`))
  t.equal(a.downs, 0)
  t.equal((await a.history.tail('rooms:a', 40)).length, 40, 'the other connection bears it')
  t.ok((await a.history.tail('rooms:a', 40, 300_000)).length < 40, 'and reads no more than it is asked for')
})

t.test('entries of others have their place, and are no messages', async t => {
  const redis = await startRedis(t)
  const a = await startBroker(t, redis.url)
  const { last: start } = await a.history.read('rooms:a', undefined, BOUNDS, 100)
  const admin = redis.client()
  t.teardown(() => admin.disconnect())
  for (const fields of [['x', 'y'], ['m', 'one'], ['m', 'a"b', 'p', '{}'], ['p', '{}', 'm', 'one'], ['m', '', 'p', '{}']]) await admin.xadd('{rooms:a}:s', `${start.epoch}-*`, ...fields)
  await a.history.append('rooms:a', textOf('m1'), 'm1', BOUNDS)
  const { entries } = await a.history.read('rooms:a', start, BOUNDS, 100)
  t.strictSame(entries.map(({ seq, text }) => [seq, text]), [1, 2, 3, 4, 5].map(seq => [seq, 'not a message'] as [number, string]).concat([[6, textOf('m1')]]))
  for (const entry of entries) t.match(await a.history.read('rooms:a', entry, BOUNDS, 100), { last: { seq: 6 } }, 'who stood there can go on')
  t.strictSame((await a.history.tail('rooms:a', 6, 1_000)).map(({ text }) => text), entries.map(({ text }) => text))
})

noStrays()
