import t from 'tap'
import type { Test } from 'tap'
import { MemoryBus } from '../index.js'
import type { Position } from '../index.js'
import { createApp, until } from './helpers/app.js'
import type { TestApp } from './helpers/app.js'
import { endingOf, join, open, status } from './helpers/client.js'
import type { Client } from './helpers/client.js'
import { Gate } from './helpers/gate.js'
import { count, createProcess, send, seqs, seesNumbers, standingIn } from './helpers/history.js'
import type { Process } from './helpers/history.js'
import { frame, openRaw } from './helpers/raw.js'

/** Where a client stood that has seen so many messages. */
async function positionAt ({ app }: TestApp, seq: number): Promise<Position> {
  const { messages } = await app.ws.history('cdr')
  const { epoch, mid } = messages.find(message => message.seq === seq) as Position
  return { epoch, seq, mid }
}

/** Comes back. */
async function rejoin (t: Test, process: TestApp, cdr: unknown, claims = { sub: 'jeanne' }): Promise<Client> {
  const client = await open(t, process.url)
  client.send({ token: process.token(claims), recover: { cdr } })
  await client.next('WSStatus')
  return client
}

t.test('a client that comes back gets all that it has missed, in order, once, and then what is new', async t => {
  const bus = new MemoryBus()
  const [one, other] = [await createProcess(t, bus), await createProcess(t, bus)]
  await join(t, one.url, one.token())
  await send(one, 1, 5)

  for (const process of [one, other]) {
    for (const seq of [1, 3, 5]) {
      const position = await positionAt(one, seq)
      const client = await rejoin(t, process, position)
      t.strictSame(standingIn(client.frames[0]), { ...position, recovered: true }, 'it stands where it stood, until it has read on')
      await seesNumbers(client, count(5, seq + 1))
    }
  }
  const client = await rejoin(t, other, await positionAt(one, 4))
  await send(one, 6, 7)
  await seesNumbers(client, [5, 6, 7])
  t.strictSame(client.frames.at(-1)?.mid, (await positionAt(one, 7)).mid)
  t.match([one.app.ws.stats(), other.app.ws.stats()], [{ recovered: 3, unrecovered: 0 }, { recovered: 4, unrecovered: 0 }])
})

t.test('a client that joined before there was any message comes back', async t => {
  const process = await createProcess(t)
  const first = await join(t, process.url, process.token())
  const { seq, epoch, mid } = standingIn(first.frames[0])
  first.socket.terminate()
  await send(process, 1, 2)
  await seesNumbers(await rejoin(t, process, { seq, epoch, mid }), [1, 2])
})

t.test('what cannot be given whole is not given at all, and the client is told why', async t => {
  const bus = new MemoryBus()
  const process = await createProcess(t, bus, {}, { size: 20, ttl: 60_000 })
  const limited = await createProcess(t, bus, { rooms: { maxRecovery: 5 } }, { size: 20, ttl: 60_000 })
  const thrifty = await createProcess(t, bus, { rooms: { maxRecoveryBytes: 5_000 } }, { size: 20, ttl: 60_000 })
  const first = await join(t, process.url, process.token())
  const begin = standingIn(first.frames[0])
  await send(process, 1)
  const one = await positionAt(process, 1)
  await send(process, 2, 30, 'x'.repeat(990))
  const last = await positionAt(process, 30)
  const at = async (seq: number): Promise<Position> => await positionAt(process, seq)

  const cases: Array<[what: string, process: Process, from: unknown, reason: string | number[]]> = [
    ['what it missed is not kept any more', process, one, 'trimmed'],
    ['not even the beginning is', process, begin, 'trimmed'],
    ['the first message that it missed is the first that is kept', process, { ...await at(11), seq: 10 }, 'trimmed'],
    ['the last message before is the first that is kept', process, await at(11), count(30, 12)],
    ['it missed nothing', process, last, []],
    ['it missed more messages than one may be given', limited, await at(24), 'limit'],
    ['it missed just as many', limited, await at(25), count(30, 26)],
    ['it missed more bytes', thrifty, await at(25), 'limit'],
    ['it missed less', thrifty, await at(26), count(30, 27)],
    ['the message has another name', process, { ...await at(20), mid: 'x' }, 'epoch'],
    ['the epoch is not known', process, { ...await at(20), epoch: '1' }, 'epoch'],
    ['the epoch is still to come', process, { ...await at(20), epoch: '9007199254740991' }, 'epoch'],
    ['the number is still to come', process, { ...last, seq: 31 }, 'epoch'],
    ['there is no such number', process, { ...last, seq: -1 }, 'trimmed']
  ]
  for (const [what, process, from, expected] of cases) {
    const client = await rejoin(t, process, from)
    if (typeof expected === 'string') t.strictSame(standingIn(client.frames[0]), { ...last, recovered: false, reason: expected }, what)
    else t.match(standingIn(client.frames[0]), { recovered: true }, what)
    await seesNumbers(client, typeof expected === 'string' ? [] : expected)
    client.socket.terminate()
  }
  await until(() => process.app.ws.stats().connections === 1)

  for (const nonsense of [null, 7, 'x', [], {}, { ...last, epoch: 7 }, { ...last, epoch: '7; DROP' }, { ...last, seq: '7' }, { ...last, seq: 1.5 }, { ...last, mid: {} }]) {
    const client = await rejoin(t, process, nonsense)
    t.strictSame(standingIn(client.frames[0]), { ...last, recovered: false, reason: 'invalid' }, JSON.stringify(nonsense))
    client.socket.terminate()
  }
  for (const recover of [null, 7, 'cdr', [], {}, { other: last }, { __proto__: { cdr: last } }]) {
    const client = await open(t, process.url)
    client.send({ token: process.token(), recover })
    t.strictSame(standingIn(await client.next()), last, 'who does not say where it stood in this room, has asked for nothing')
    client.socket.terminate()
  }
})

t.test('a room without history gives nothing back, and says so', async t => {
  const { url, token, app } = await createApp(t)
  const client = await open(t, url)
  client.send({ token: token(), recover: { cdr: { epoch: '1', seq: 1, mid: 'x' } } })
  t.strictSame(standingIn(await client.next()), { recovered: false, reason: 'no_history' })
  await app.ws.sendToRoom('cdr', { command: 'UPDATE' })
  t.strictSame(await client.next(), { command: 'UPDATE' })
})

t.test('a client that was served by a process that is ahead waits until this one has caught up', async t => {
  const bus = new MemoryBus()
  const [ahead, behind] = [await createProcess(t, bus), await createProcess(t, bus)]
  const neighbour = await join(t, behind.url, behind.token())
  behind.broker.deaf = true
  await send(ahead, 1, 3)
  const client = await rejoin(t, behind, await positionAt(ahead, 2))
  t.match(standingIn(client.frames[0]), { recovered: true, seq: 2 })
  await seesNumbers(client, [3])
  await seesNumbers(neighbour, [1, 2, 3])
})

t.test('thousands who come back at once cost one reading', async t => {
  const process = await createProcess(t)
  await join(t, process.url, process.token())
  await send(process, 1, 50)
  const positions = await Promise.all(count(50).map(async seq => await positionAt(process, seq)))
  const { reads, tails } = process.broker
  const clients = await Promise.all(count(300).map(async i => await rejoin(t, process, positions[i % 50])))
  await Promise.all(clients.map(async (client, i) => await seesNumbers(client, count(50, (i + 1) % 50 + 2))))
  t.strictSame({ reads: process.broker.reads - reads, tails: process.broker.tails - tails }, { reads: 0, tails: 1 })
  await send(process, 51)
  await Promise.all(clients.map(async (client, i) => await seesNumbers(client, count(51, (i + 1) % 50 + 2))))
})

t.test('what is at hand for those who come back', async t => {
  const bus = new MemoryBus()
  const process = await createProcess(t, bus, { rooms: { linger: 30 } })
  await join(t, process.url, process.token())
  await send(process, 1, 3)

  t.test('grows with what is sent while it is read', async t => {
    const gate = process.broker.reading = new Gate()
    const from = await positionAt({ ...process, app: (await createProcess(t, bus)).app }, 2)
    const returning = rejoin(t, process, from)
    await gate.reached
    await send(process, 4, 5)
    process.broker.reading = undefined
    gate.open()
    await seesNumbers(await returning, [3, 4, 5])
  })

  t.test('is let go of after a while, and read again', async t => {
    const { tails } = process.broker
    await until(async () => {
      const before = process.broker.tails
      await seesNumbers(await rejoin(t, process, await positionAt(process, 4)), [5])
      await new Promise(resolve => setTimeout(resolve, 40))
      return before > tails && process.broker.tails > before
    })
  })

  t.test('also where it took longer to read than that', async t => {
    const from = await positionAt(process, 4)
    await until(() => process.app.ws.stats().members > 0)
    const gate = process.broker.reading = new Gate()
    await until(async () => { // it is at hand no more, and has to be read
      const { tails } = process.broker
      const returning = rejoin(t, process, from)
      await Promise.race([gate.reached, returning])
      if (process.broker.tails === tails) return false
      await new Promise(resolve => setTimeout(resolve, 60)) // twice the time after which it is let go of
      process.broker.reading = undefined
      gate.open()
      await seesNumbers(await returning, [5])
      return true
    })
    const { tails } = process.broker
    await new Promise(resolve => setTimeout(resolve, 60))
    await seesNumbers(await rejoin(t, process, from), [5])
    t.equal(process.broker.tails, tails + 1, 'and is read again')
  })

  t.test('is nothing any more when history was written anew meanwhile', async t => {
    const from = await positionAt(process, 5)
    await until(() => process.app.ws.stats().members > 0)
    await rejoin(t, process, from)
    bus.histories.rollBack('rooms:cdr', 1)
    const gate = process.broker.reading = new Gate()
    const returning = rejoin(t, process, { ...from, seq: 6 })
    await gate.reached
    process.broker.reading = undefined
    gate.open()
    t.match(standingIn((await returning).frames[0]), { seq: 0, recovered: false, reason: 'epoch' })
  })

  t.test('cannot be read: the client is told to come again', async t => {
    const fresh = await createProcess(t)
    await send(fresh, 1)
    const from = await positionAt(fresh, 1)
    await join(t, fresh.url, fresh.token())
    fresh.broker.historyFailure = new Error('not now')
    const client = await open(t, fresh.url)
    client.send({ token: fresh.token(), recover: { cdr: from } })
    t.match(await endingOf(client), { code: 1013, frames: [status('overloaded')] })
  })
})

t.test('history is written anew while what is at hand is read: nobody is given any of it', async t => {
  const bus = new MemoryBus()
  const process = await createProcess(t, bus)
  await join(t, process.url, process.token())
  await send(process, 1, 3)
  const from = await positionAt(process, 2)
  const gate = process.broker.reading = new Gate()
  const returning = rejoin(t, process, from)
  await gate.reached
  process.broker.reading = undefined
  bus.histories.rollBack('rooms:cdr', 1)
  process.broker.events.missed('rooms:cdr')
  await until(() => process.app.ws.stats().unfilled === 1)
  gate.open()
  t.match(standingIn((await returning).frames[0]), { seq: 0, recovered: false, reason: 'epoch' })
})

t.test('a client that leaves while it is read what it has missed leaves nothing behind', async t => {
  const process = await createProcess(t)
  await send(process, 1)
  const from = await positionAt(process, 1)
  const gate = process.broker.reading = new Gate()
  const client = await open(t, process.url)
  client.send({ token: process.token(), recover: { cdr: from } })
  await gate.reached
  client.socket.terminate()
  await until(() => process.app.ws.stats().connections === 0)
  process.broker.reading = undefined
  gate.open()
  t.match(process.app.ws.stats(), { members: 0, rooms: 0, recovered: 0 })
})

t.test('who may come in is asked again', async t => {
  let allowed = true
  const process = await createProcess(t, undefined, { route: { authorize: () => allowed } })
  await join(t, process.url, process.token())
  await send(process, 1, 2)
  const from = await positionAt(process, 1)
  await seesNumbers(await rejoin(t, process, from), [2])
  allowed = false
  const client = await open(t, process.url)
  client.send({ token: process.token(), recover: { cdr: from } })
  t.strictSame(await endingOf(client), { frames: [status('forbidden')], code: 4403, reason: '' })
})

t.test('a snapshot is for those who do not get what they have missed', async t => {
  const process = await createProcess(t, undefined, { route: { snapshot: () => 'all' } })
  const first = await join(t, process.url, process.token())
  t.match(await first.next(), { command: 'WSSnapshot' })
  await send(process, 1, 2)
  const from = await positionAt(process, 1)
  const client = await rejoin(t, process, from)
  await seesNumbers(client, [2])
  t.strictSame(client.frames.map(({ command }) => command), ['WSStatus', 'UPDATE'])
  const stranger = await rejoin(t, process, { ...from, mid: 'x' })
  t.match(await stranger.next(), { command: 'WSSnapshot', data: 'all' })
})

t.test('more than a client can read at once', async t => {
  const large = 'x'.repeat(60_000)
  const bytes = 1_000_000

  t.test('is sent as fast as it reads; what is new waits, and onJoin’s own word has its place', async t => {
    const process = await createProcess(t, undefined, {
      rooms: { maxBuffered: bytes },
      route: { onJoin: ({ connection }) => { connection.send({ command: 'UPDATE', data: 'of onJoin' }) } }
    })
    await join(t, process.url, process.token())
    await send(process, 1)
    const from = await positionAt(process, 1)
    await send(process, 2, 60, large) // 3.5 MB, far more than may wait for one socket
    const client = await open(t, process.url)
    client.socket.pause()
    client.send({ token: process.token(), recover: { cdr: from } })
    await until(() => process.app.ws.stats().recovered === 1)
    await send(process, 61, 65)
    client.socket.resume()
    await until(() => seqs(client).length === 65)
    const numbers = seqs(client)
    t.strictSame(numbers.filter(seq => seq !== undefined), count(65, 2))
    t.ok(numbers.indexOf(undefined) > 58, 'after what it has missed')
    t.strictSame(process.app.ws.stats().ended, {})
  })

  t.test('and than may wait: it is told to come again', async t => {
    const process = await createProcess(t, undefined, { rooms: { maxBuffered: bytes, maxRecoveryBytes: 10 * bytes } })
    await send(process, 1)
    const from = await positionAt(process, 1)
    await send(process, 2, 160, large) // more than the kernel takes for a client that does not read
    const client = await openRaw(t, process.url)
    client.write(frame(JSON.stringify({ token: process.token(), recover: { cdr: from } })))
    client.socket.pause()
    await until(() => process.app.ws.stats().recovered === 1)
    await until(async () => {
      await send(process, 1, 3, large)
      return process.app.ws.stats().ended.overloaded === 1
    })
    t.strictSame(process.app.ws.stats().ended, { overloaded: 1 })
  })
})

t.test('a client that was cut off twice within a minute for reading too slowly gets no more than what is new', async t => {
  const process = await createProcess(t, undefined, { rooms: { maxBuffered: 300_000, maxMessage: 100_000, maxSnapshot: 100_000 } })
  const slow = async (): Promise<void> => {
    const client = await openRaw(t, process.url)
    client.write(frame(JSON.stringify({ token: process.token({ sub: 'slow' }) })))
    await client.received('connected')
    client.socket.pause()
    const ended = process.app.ws.stats().ended.too_slow ?? 0
    await until(async () => {
      await Promise.all(count(50).map(async data => await process.app.ws.sendToRoom('cdr', { command: 'BIG', data: 'x'.repeat(90_000) }, { volatile: false })))
      return (process.app.ws.stats().ended.too_slow ?? 0) > ended
    })
    client.socket.destroy()
  }
  const position = async (): Promise<Position> => (await process.app.ws.history('cdr', { limit: 1 })).position as Position
  await slow()
  const client = await rejoin(t, process, await position(), { sub: 'slow' })
  t.match(standingIn(client.frames[0]), { recovered: true }, 'once may happen')
  client.socket.terminate()
  await slow()
  t.match(standingIn((await rejoin(t, process, await position(), { sub: 'slow' })).frames[0]), { recovered: false, reason: 'slow' })
  t.match(standingIn((await rejoin(t, process, await position(), { sub: 'other' })).frames[0]), { recovered: true }, 'others are not meant')
})
