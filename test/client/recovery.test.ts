import t from 'tap'
import { MemoryBus } from '../../index.js'
import { startCounterpart } from '../helpers/counterpart.js'
import { count, createProcess, send } from '../helpers/history.js'
import { startProxy } from '../helpers/proxy.js'
import { follow } from '../helpers/room-client.js'

t.test('a client that comes back gets what it has missed, each once and in order, and is told that nothing is missing', async t => {
  const process = await createProcess(t, new MemoryBus())
  const proxy = await startProxy(t, Number(new URL(process.http).port))
  const follower = follow(t, 'cdr', { url: process.url.replace(/:\d+/, `:${proxy.port}`), token: () => process.token() })
  await follower.reaches('connected')
  await send(process, 1, 3)
  await follower.until(() => follower.dataOf('UPDATE').length === 3)
  for (const from of [4, 9, 14]) {
    const { epoch, seq } = follower.room.positions.cdr ?? {}
    t.match({ epoch, seq }, { epoch: /^\d+$/, seq: from - 1 })
    proxy.cut()
    await follower.reaches('waiting')
    await send(process, from, from + 4)
    await follower.reaches('connected')
    await follower.until(() => follower.dataOf('UPDATE').length === from + 4)
  }
  await send(process, 19)
  await follower.until(() => follower.dataOf('UPDATE').length === 19)
  t.strictSame(follower.dataOf('UPDATE'), count(19))
  t.strictSame(follower.news.filter(([event]) => event !== 'UPDATE'), [['resync', { room: 'cdr', reason: 'new' }], ...count(3).map(() => ['recovered', { room: 'cdr' }])])
})

t.test('one that has missed too much is told to load anew, and why', async t => {
  const process = await createProcess(t, new MemoryBus(), {}, { size: 2, ttl: 60_000 })
  const proxy = await startProxy(t, Number(new URL(process.http).port))
  const follower = follow(t, 'cdr', { url: process.url.replace(/:\d+/, `:${proxy.port}`), token: () => process.token() })
  await follower.reaches('connected')
  proxy.cut()
  await follower.reaches('waiting')
  await send(process, 1, 5)
  await follower.reaches('connected')
  await send(process, 6)
  await follower.until(() => follower.dataOf('UPDATE').length > 0)
  t.strictSame(follower.news, [['resync', { room: 'cdr', reason: 'new' }], ['resync', { room: 'cdr', reason: 'trimmed' }], ['UPDATE', 6]])
})

t.test('a message that comes twice, or late, is not delivered twice, or out of order', async t => {
  const server = await startCounterpart(t)
  const follower = follow(t, 'cdr', { url: server.url, token: () => 'abc' })
  const at = (seq: number): object => ({ epoch: '1', seq, mid: `m${seq}` })
  const { peer } = await server.admitted({ cdr: at(0) })
  for (const seq of [1, 2, 2, 1, 4, 3]) peer.send({ command: 'UPDATE', data: seq, seq, mid: `m${seq}` })
  peer.send({ command: 'UPDATE', data: 'without a number' })
  peer.send({ command: 'UPDATE', data: 5, seq: 5, mid: 'm5', room: 'a word of its own' })
  await follower.until(() => follower.dataOf('UPDATE').at(-1) === 5)
  peer.socket.terminate()

  const again = await server.admitted({ cdr: { ...at(3), recovered: true } })
  t.strictSame(again.hello, { token: 'abc', recover: { cdr: at(5) } })
  for (const seq of [4, 5, 6]) again.peer.send({ command: 'UPDATE', data: seq, seq, mid: `m${seq}` })
  await follower.until(() => follower.dataOf('UPDATE').at(-1) === 6)
  t.strictSame(follower.dataOf('UPDATE'), [1, 2, 4, 'without a number', 5, 6])

  again.peer.status('epoch', { rooms: { cdr: { epoch: '2', seq: 0, mid: 'n0' } } })
  again.peer.send({ command: 'UPDATE', data: 'anew', seq: 1, mid: 'n1' })
  again.peer.send({ command: 'WSStatus', data: { status: 'resync' }, seq: 2, mid: 'n2' })
  again.peer.send({ command: 'WSStatus', data: { status: 'resync' }, seq: 2, mid: 'n2' })
  again.peer.send({ command: 'WSSnapshot', data: ['all'] })
  await follower.until(() => follower.news.at(-1)?.[0] === 'snapshot')
  t.strictSame(follower.news.slice(-3), [['UPDATE', 'anew'], ['resync', { room: 'cdr', reason: 'resync' }], ['snapshot', ['all'], { room: 'cdr' }]])
  t.strictSame(follower.room.positions, { cdr: { epoch: '2', seq: 2, mid: 'n2' } })
})

t.test('positions that would make the first frame too long are left out', async t => {
  const server = await startCounterpart(t)
  const follower = follow(t, [], { url: server.url, token: () => 'abc', maxAuthPayload: 500 })
  const rooms = Object.fromEntries(count(20).map(n => [`room-${n}`, { epoch: '1795201534021000', seq: n, mid: 'm' }]))
  const { peer } = await server.admitted(rooms)
  await follower.reaches('connected')
  peer.socket.terminate()
  const { hello } = await server.admitted(rooms)
  t.ok(JSON.stringify(hello).length <= 500)
  t.match(hello, { token: 'abc', recover: { 'room-1': { seq: 1 }, 'room-2': { seq: 2 } } })

  const long = follow(t, [], { url: server.url, token: () => 'x'.repeat(600), maxAuthPayload: 500 })
  const first = await server.admitted(rooms)
  await long.reaches('connected')
  first.peer.socket.terminate()
  t.strictSame((await server.admitted()).hello, { token: 'x'.repeat(600), recover: {} })
})

t.test('whoever comes in anew is sent a snapshot, and does not say where it stood', async t => {
  const process = await createProcess(t, new MemoryBus(), { route: { snapshot: () => ['all'] } })
  const follower = follow(t, 'cdr', { url: process.url, token: () => process.token() })
  await follower.until(() => follower.news.length === 2)
  await send(process, 1)
  await follower.until(() => follower.dataOf('UPDATE').length === 1)
  follower.room.rejoin()
  t.strictSame(follower.room.positions, {})
  t.equal(follower.room.state, 'recovering')
  await follower.until(() => follower.news.length === 5)
  const first = [['resync', { room: 'cdr', reason: 'new' }], ['snapshot', ['all'], { room: 'cdr' }]]
  t.strictSame(follower.news, [...first, ['UPDATE', 1], ...first])
  t.match(process.app.ws.stats(), { recovered: 0, unrecovered: 0 })
})

t.test('coming in anew while it connects is one more attempt, and no other state', async t => {
  const server = await startCounterpart(t)
  const follower = follow(t, 'cdr', { url: server.url, token: () => 'abc' })
  const first = await server.peer()
  follower.room.rejoin()
  await first.closed
  await server.admitted()
  await follower.until(() => follower.news.length === 1)
  t.strictSame(follower.told.map(([event, state]) => [event, state]), [['state', 'connected'], ['resync', { room: 'cdr', reason: 'new' }]])
})

t.test('a socket that was left for another says nothing more', async t => {
  const server = await startCounterpart(t)
  const follower = follow(t, 'cdr', { url: server.url, token: () => 'abc' })
  const { peer } = await server.admitted()
  await follower.reaches('connected')
  peer.socket.send(JSON.stringify({ command: 'UPDATE', data: 'of the old one' }), () => {})
  follower.room.rejoin()
  const { peer: next } = await server.admitted()
  next.send({ command: 'UPDATE', data: 'of the new one' })
  await follower.until(() => follower.dataOf('UPDATE').length > 0)
  await peer.closed
  t.strictSame(follower.dataOf('UPDATE'), ['of the new one'])
})
