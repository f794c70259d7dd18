import t from 'tap'
import { MemoryBus } from '../index.js'
import type { HistoryBounds, Position } from '../index.js'
import { until } from './helpers/app.js'
import { endingOf, join, open, status } from './helpers/client.js'
import { Gate } from './helpers/gate.js'
import { count, createProcess, seen, sees, send, standingIn } from './helpers/history.js'

const CHANNEL = 'rooms:cdr'
const BOUNDS: HistoryBounds = { size: 10, ttl: 60_000 }
const RESYNC = status('resync')

t.test('a member is told where it stands, and each message has its number and its name', async t => {
  const process = await createProcess(t)
  const client = await join(t, process.url, process.token())
  const { epoch, ...begin } = standingIn(client.frames[0])
  t.match(begin, { seq: 0, mid: String })
  const receipt = await process.app.ws.sendToRoom('cdr', { command: 'UPDATE', data: 'é' })
  t.match(receipt, { seq: 1, subscribers: 1 })
  t.strictSame(await client.next(), { command: 'UPDATE', data: 'é', seq: 1, mid: receipt.id })
  const patch = await process.app.inject({ method: 'PATCH', url: '/cdr/users/7', payload: { paid: true } })
  t.equal(patch.statusCode, 200)
  t.match(await client.next(), { command: 'UPDATE_USER', data: { paid: true }, seq: 2 }, 'also what a reply sends')
  const second = await join(t, process.url, process.token())
  t.match(standingIn(second.frames[0]), { epoch, seq: 2 })
})

t.test('app.ws.history is what the room still holds', async t => {
  const process = await createProcess(t, undefined, {}, BOUNDS)
  t.strictSame(await process.app.ws.history('cdr'), { position: undefined, messages: [] })
  await send(process, 1, 12)
  const { position, messages } = await process.app.ws.history('cdr')
  t.strictSame(messages.map(({ data }) => data), count(12, 3))
  t.strictSame(messages.at(-1), { ...position, command: 'UPDATE', data: 12 })
  const data = async (options: Parameters<typeof process.app.ws.history>[1]): Promise<unknown[]> =>
    (await process.app.ws.history('cdr', options)).messages.map(({ data }) => data)
  t.strictSame(await data({ limit: 2 }), [11, 12])
  t.strictSame(await data({ since: { epoch: position?.epoch as string, seq: 10 } }), [11, 12])
  t.strictSame(await data({ since: { epoch: '1', seq: 10 }, limit: 1 }), [12], 'what is of a later epoch came later')
  await t.rejects(process.app.ws.history('other'), { code: 'FST_ROOMS_NO_HISTORY' })
  await t.rejects(process.app.ws.history('no room'), { code: 'FST_ROOMS_INVALID_ROOM' })
})

t.test('a history ends after its time, unless the room has members', async t => {
  const bus = new MemoryBus()
  const process = await createProcess(t, bus, { rooms: { history: BOUNDS } }, { size: 10, ttl: 2_000 })
  await send(process, 1)
  const client = await join(t, process.url, process.token())
  const before = standingIn(client.frames[0])
  t.equal(before.seq, 1)
  const { reads } = process.broker
  await until(() => process.broker.reads >= reads + 7) // there are three in its time
  t.equal((await process.app.ws.history('cdr')).messages.length, 1, 'after more than twice its time')
  client.socket.terminate()
  await until(async () => (await process.app.ws.history('cdr')).messages.length === 0)
  await process.app.ws.sendToRoom('other', { command: 'UPDATE' })
  await process.app.ws.sendToRoom('cdr', { command: 'UPDATE', data: 2 })
  t.not((await process.app.ws.history('cdr')).position?.epoch, before.epoch)
})

t.test('messages that a process misses are read, and its members see all of them once and in order', async t => {
  const bus = new MemoryBus()
  const [here, there] = [await createProcess(t, bus), await createProcess(t, bus)]
  const client = await join(t, here.url, here.token())

  t.test('when the next one arrives', async t => {
    await send(there, 1)
    here.broker.deaf = true
    await send(there, 2, 3)
    here.broker.deaf = false
    await send(there, 4)
    await sees(client, count(4))
    t.match(here.app.ws.stats(), { gaps: 1, filled: 3, unfilled: 0 })
    t.strictSame(here.gaps, [{ room: 'cdr', filled: 3, complete: true }])
  })

  t.test('when the broker says so', async t => {
    here.broker.deaf = true
    await send(there, 5)
    here.broker.deaf = false
    here.broker.events.missed(CHANNEL)
    await sees(client, count(5))
  })

  t.test('when the broker was away', async t => {
    here.broker.events.down()
    here.broker.deaf = true
    await send(there, 6)
    here.broker.deaf = false
    here.broker.events.up()
    await sees(client, count(6))
  })

  t.test('when the broker tells nothing of the kind, and is looked at every second', async t => {
    here.broker.polled = true
    here.broker.events.missed(CHANNEL) // the next look is set with the last one
    here.broker.deaf = true
    await send(there, 7)
    await sees(client, count(7))
    here.broker.deaf = false
  })

  t.test('more of them than are read at once', async t => {
    here.broker.deaf = true
    await send(there, 8, 250)
    here.broker.deaf = false
    await send(there, 251)
    await sees(client, count(251))
  })

  t.test('while others arrive, and the broker delivers late what was read already', async t => {
    const gate = here.broker.reading = new Gate()
    here.broker.deaf = true
    await send(there, 252)
    here.broker.deaf = false
    await send(there, 253)
    await gate.reached
    await send(there, 254, 255)
    here.broker.reading = undefined
    const { messages } = await there.app.ws.history('cdr', { limit: 3 })
    gate.open()
    await sees(client, count(255))
    for (const { command, data, epoch, seq, mid } of messages) {
      here.broker.events.message(CHANNEL, JSON.stringify({ command, data, seq, mid }), { epoch, seq, mid })
    }
    await send(there, 256)
    await sees(client, count(256))
  })

  t.match(client.frames.filter(({ command }) => command === 'WSStatus').length, 1, 'nobody had to be told anything')
})

t.test('messages that nobody keeps any more cannot be read: members are told where they stand, and to load anew', async t => {
  const bus = new MemoryBus()
  const process = await createProcess(t, bus, {}, BOUNDS)
  const client = await join(t, process.url, process.token())
  await send(process, 1)
  process.broker.deaf = true
  await send(process, 2, 20)
  process.broker.deaf = false
  await send(process, 21)
  await until(() => client.frames.length === 4)
  const [,, epoch, resync] = client.frames
  t.match(epoch, { command: 'WSStatus', data: { status: 'epoch', rooms: { cdr: { ...standingIn(client.frames[0]), seq: 21, mid: String } } } })
  t.strictSame(resync, RESYNC)
  t.match(process.app.ws.stats(), { gaps: 1, filled: 0, unfilled: 1 })
  t.strictSame(process.gaps, [{ room: 'cdr', filled: 0, complete: false }])
  await send(process, 22)
  t.match((await client.next('UPDATE'), await client.next('UPDATE')), { data: 22, seq: 22 })
})

t.test('the broker has lost everything: a new epoch begins, and members are told', async t => {
  const bus = new MemoryBus()
  const process = await createProcess(t, bus)
  const client = await join(t, process.url, process.token())
  await send(process, 1, 3)
  bus.histories.forget(CHANNEL)
  await send(process, 4)
  await until(() => client.frames.at(-1)?.data?.status === 'resync')
  const position = standingIn(client.frames.at(-2))
  t.ok(Number(position.epoch) > Number(standingIn(client.frames[0]).epoch))
  t.equal(position.seq, 1, 'the message that told of it is in what they load')
  await send(process, 5)
  await until(() => client.frames.at(-1)?.data === 5 as never)
  t.match(client.frames.at(-1), { data: 5, seq: 2 })
})

t.test('a replica that lacked the last messages takes over', async t => {
  const bus = new MemoryBus()
  const [behind, ahead] = [await createProcess(t, bus), await createProcess(t, bus)]
  const [old, young] = [await join(t, behind.url, behind.token()), await join(t, ahead.url, ahead.token())]
  await send(ahead, 1, 3)
  behind.broker.deaf = true
  await send(ahead, 4, 5)
  await sees(young, count(5))
  bus.histories.rollBack(CHANNEL, 2)

  t.test('a process that saw more than it has is told by the next message, whatever its number', async t => {
    behind.broker.deaf = false
    await send(ahead, 6)
    await until(() => young.frames.at(-1)?.data?.status === 'resync')
    t.match(young.frames.at(-2), { data: { status: 'epoch', rooms: { cdr: { seq: 0 } } } })
    t.strictSame(ahead.gaps, [{ room: 'cdr', filled: 0, complete: false }])
  })

  t.test('one that did not goes on: its members have missed nothing that is kept, and learn of the new epoch', async t => {
    await send(behind, 7)
    await sees(old, [1, 2, 3, 6, 7])
    await sees(young, [1, 2, 3, 4, 5, 7])
    t.strictSame(old.frames.slice(4).map(({ command, data }) => command === 'WSStatus' ? data?.status : data), [6, 'epoch', 7])
    t.strictSame(standingIn(old.frames[5]), standingIn(young.frames.at(-3)), 'which is one for all')
    t.match([old.frames.at(-1)?.seq, young.frames.at(-1)?.seq], [1, 1])
  })
})

t.test('history was written anew while a process was away, up to the very number that fits: it is noticed', async t => {
  const bus = new MemoryBus()
  const process = await createProcess(t, bus)
  const client = await join(t, process.url, process.token())
  await send(process, 1, 5)
  await sees(client, count(5))
  process.broker.events.down()
  bus.histories.rollBack(CHANNEL, 2)
  process.broker.deaf = true
  await send(process, 10, 11)
  process.broker.deaf = false
  const { position } = await process.app.ws.history('cdr')
  // Its subscription stands again, and the plugin has not heard of it yet.
  process.broker.events.message(CHANNEL, '{"command":"UPDATE","data":12,"seq":6,"mid":"x"}', { ...position as Position, seq: 6, mid: 'x' })
  process.broker.events.up()
  await until(() => client.frames.at(-1)?.data?.status === 'resync')
  t.strictSame(seen(client), count(5))
  t.match(client.frames.at(-2), { data: { status: 'epoch', rooms: { cdr: { seq: 0 } } } })
})

t.test('what has no number', async t => {
  const process = await createProcess(t)
  const client = await join(t, process.url, process.token())

  t.test('because another program has published it, is delivered and counted', async t => {
    await process.broker.publish(CHANNEL, '{"command":"UPDATE","data":"foreign"}')
    t.strictSame(await client.next(), { command: 'UPDATE', data: 'foreign' })
    t.equal(process.app.ws.stats().unnumbered, 1)
  })

  t.test('because it is volatile, is not kept', async t => {
    t.notOk('seq' in await process.app.ws.sendToRoom('cdr', { command: 'UPDATE', data: 'volatile' }, { volatile: true }))
    t.strictSame(await client.next(), { command: 'UPDATE', data: 'volatile' })
    t.strictSame((await process.app.ws.history('cdr')).messages, [])
    t.equal(process.app.ws.stats().unnumbered, 1)
  })

  t.test('but a number in a room that keeps nothing here, is delivered as it is', async t => {
    const { url, app, broker, token } = await createProcess(t, undefined, { route: { history: undefined } })
    const client = await join(t, url, token())
    broker.events.message(CHANNEL, '{"command":"UPDATE","seq":1,"mid":"x"}', { epoch: '1', seq: 1, mid: 'x' })
    t.match(await client.next(), { command: 'UPDATE', seq: 1 })
    t.equal(app.ws.stats().gaps, 0)
  })
})

t.test('what others wrote into a history and is no message, is skipped and counted', async t => {
  const bus = new MemoryBus()
  const process = await createProcess(t, bus)
  const client = await join(t, process.url, process.token())
  const write = (text: string): unknown => bus.histories.append(CHANNEL, text, 'foreign', BOUNDS)
  for (const text of ['no JSON}', '{"data":1}', '{"command":"WSStatus"}', '{"command":"UPDATE"} ', `{"command":"UPDATE","data":"${'x'.repeat(300_000)}"}`]) write(text)
  await send(process, 6)
  await sees(client, [6])
  t.equal(client.frames.at(-1)?.seq, 6)
  t.equal(process.app.ws.stats().malformed, 5)
  const returned = await open(t, process.url)
  returned.send({ token: process.token(), recover: { cdr: standingIn(client.frames[0]) } })
  await sees(returned, [6])
  t.match(returned.frames[0], { data: { rooms: { cdr: { recovered: true } } } })
})

t.test('a history that cannot be written: the send is rejected, and nobody is served alone', async t => {
  const process = await createProcess(t)
  const client = await join(t, process.url, process.token())
  process.broker.historyFailure = Object.assign(new Error('nobody there'), { code: 'FST_ROOMS_BROKER_UNAVAILABLE' })
  process.app.log.level = 'silent'
  await t.rejects(send(process, 1), { code: 'FST_ROOMS_BROKER_UNAVAILABLE' })
  t.match(process.app.ws.stats(), { sent: 1, failed: 1, degraded: 0 })
  t.equal((await process.app.inject({ method: 'PATCH', url: '/cdr/users/7', payload: {} })).statusCode, 200, 'the request that told of it is not failed')
  process.broker.historyFailure = undefined
  await send(process, 2)
  await sees(client, [2])
})

t.test('what a reply has announced could not be written: members look for themselves, also those who come back later', async t => {
  const bus = new MemoryBus()
  const [process, other] = [await createProcess(t, bus), await createProcess(t, bus)]
  const [client, far] = [await join(t, process.url, process.token()), await join(t, other.url, other.token())]
  const away = standingIn(client.frames[0])
  process.broker.historyFailure = Object.assign(new Error('nobody there'), { code: 'FST_ROOMS_BROKER_UNAVAILABLE' })
  process.app.log.level = 'silent'
  await process.app.inject({ method: 'PATCH', url: '/cdr/users/7', payload: {} })
  await until(() => process.app.ws.stats().broker === 'down')
  process.broker.historyFailure = undefined
  await until(() => process.app.ws.stats().broker === 'up')
  await send(process, 1)
  const news = { ...RESYNC, seq: 1, mid: String }
  for (const member of [client, far]) {
    t.match(await member.next(), news)
    t.match(await member.next(), { data: 1, seq: 2 })
  }
  const back = await open(t, process.url)
  back.send({ token: process.token(), recover: { cdr: away } })
  t.match(await back.next(), { data: { rooms: { cdr: { recovered: true } } } })
  t.match(await back.next(), news)
  t.match(await back.next(), { data: 1, seq: 2 })
  const { position, messages } = await process.app.ws.history('cdr')
  t.strictSame(messages.map(({ seq }) => seq), [2], 'it is no message')
  const bytes = Buffer.from(JSON.stringify({ ...RESYNC, seq: 3, mid: 'x' })) // as they come from Redis
  other.broker.events.message(CHANNEL, bytes, { ...position as Position, seq: 3, mid: 'x' })
  t.match(await far.next(), { ...RESYNC, seq: 3 })
  t.match(process.app.ws.stats(), { malformed: 0, gaps: 0 })
})

t.test('a history that cannot be read', async t => {
  t.test('is tried again, and then nothing is missing', async t => {
    const process = await createProcess(t)
    const client = await join(t, process.url, process.token())
    process.broker.deaf = true
    await send(process, 1)
    process.broker.deaf = false
    process.broker.historyFailure = new Error('not now')
    process.broker.events.missed(CHANNEL)
    await until(() => process.broker.reads === 3)
    process.broker.historyFailure = undefined
    await sees(client, [1])
    t.strictSame(process.gaps, [{ room: 'cdr', filled: 1, complete: true }])
  })

  t.test('for seconds: the members are sent away to come again, not left with a hole', async t => {
    const process = await createProcess(t)
    const clients = [await join(t, process.url, process.token()), await join(t, process.url, process.token())]
    process.broker.historyFailure = new Error('never')
    process.broker.events.missed(CHANNEL)
    for (const client of clients) t.match(await endingOf(client), { code: 1013 })
    await until(() => process.app.ws.stats().members === 0)
  })

  t.test('while the broker is away: that is no reason to send anybody away', async t => {
    const process = await createProcess(t)
    const client = await join(t, process.url, process.token())
    process.broker.historyFailure = new Error('not now')
    process.broker.events.missed(CHANNEL)
    await until(() => process.broker.reads === 3)
    process.broker.events.down()
    await until(() => process.broker.reads === 4)
    process.broker.historyFailure = undefined
    await send(process, 1)
    t.strictSame(seen(client), [], 'it waits until it knows what came before')
    process.broker.events.up()
    await sees(client, [1])
  })

  t.test('when a client comes in: it is told to come again', async t => {
    const process = await createProcess(t)
    process.broker.historyFailure = new Error('not now')
    const client = await open(t, process.url)
    client.send({ token: process.token() })
    t.strictSame(await endingOf(client), { frames: [status('overloaded')], code: 1013, reason: '' })
    process.broker.historyFailure = undefined
    await join(t, process.url, process.token())
  })

  t.test('because the broker is not there when a client comes in', async t => {
    const process = await createProcess(t, undefined, { rooms: { subscribeTimeout: 50 } })
    process.broker.gate = new Gate()
    const client = await open(t, process.url)
    client.send({ token: process.token() })
    t.match(await endingOf(client), { code: 1013 })
    t.match(process.app.ws.stats(), { members: 0, unfilled: 0 })
  })
})

t.test('who enters while a gap is filled sees what follows its position, and nothing older', async t => {
  const process = await createProcess(t)
  const first = await join(t, process.url, process.token())
  await send(process, 1)
  await sees(first, [1])
  process.broker.deaf = true
  await send(process, 2, 3)
  process.broker.deaf = false
  const gate = process.broker.reading = new Gate()
  process.broker.events.missed(CHANNEL)
  await gate.reached
  const second = await join(t, process.url, process.token())
  t.equal(standingIn(second.frames[0]).seq, 1)
  process.broker.reading = undefined
  gate.open()
  await sees(first, [1, 2, 3])
  await sees(second, [2, 3])
})

t.test('a room whose last member leaves while it is read is forgotten', async t => {
  const process = await createProcess(t, undefined, { rooms: { linger: 10 } })
  const client = await join(t, process.url, process.token())
  const gate = process.broker.reading = new Gate()
  process.broker.events.missed(CHANNEL)
  await gate.reached
  client.socket.terminate()
  await until(() => process.broker.calls.includes(`unsubscribe ${CHANNEL}`))
  process.broker.reading = undefined
  gate.open()
  process.broker.events.missed(CHANNEL)
  await send(process, 1)
  const next = await join(t, process.url, process.token())
  t.equal(standingIn(next.frames[0]).seq, 1)
  t.equal(process.app.ws.stats().gaps, 0)
})

t.test('what arrives while the first member comes in is not lost', async t => {
  const bus = new MemoryBus()
  const [here, there] = [await createProcess(t, bus), await createProcess(t, bus)]
  const gate = here.broker.reading = new Gate()
  const joining = join(t, here.url, here.token())
  await gate.reached
  here.broker.reading = undefined
  await send(there, 1, 2)
  gate.open()
  const client = await joining
  const { seq } = standingIn(client.frames[0])
  await send(there, 3)
  await sees(client, count(3, seq + 1))
})

t.test('messages of rooms that nobody here has ever entered are let go', async t => {
  const { broker, app } = await createProcess(t)
  broker.events.message('rooms:other', '{"command":"UPDATE","seq":1,"mid":"x"}', { epoch: '1', seq: 1, mid: 'x' })
  broker.events.missed('rooms:other')
  t.match(app.ws.stats(), { received: 1, delivered: 0, gaps: 0 })
})

t.test('onGap that fails is logged, and harms nobody', async t => {
  const process = await createProcess(t, undefined, { rooms: { onGap: () => { throw new Error('of the application') } } })
  const client = await join(t, process.url, process.token())
  process.broker.deaf = true
  await send(process, 1)
  process.broker.deaf = false
  await send(process, 2)
  await sees(client, [1, 2])
  await until(() => process.logs.some(({ msg }) => msg === 'onGap failed'))
})
