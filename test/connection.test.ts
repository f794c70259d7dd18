import t from 'tap'
import type { Test } from 'tap'
import type { WebSocket } from 'ws'
import type { Connection } from '../index.js'
import { createApp, until } from './helpers/app.js'
import type { Settings, TestApp } from './helpers/app.js'
import { endingOf, join, status } from './helpers/client.js'
import type { Client } from './helpers/client.js'
import { frame, joinRaw, openRaw } from './helpers/raw.js'
import { watchForStrays } from './helpers/strays.js'

const noStrays = watchForStrays(t)

interface Joined extends TestApp {
  client: Client
  connection: Connection
}

/** A member, from both sides. */
async function joined (t: Test, settings: Settings = {}): Promise<Joined> {
  const connections: Connection[] = []
  const room = await createApp(t, { ...settings, route: { onJoin: ({ connection }) => { connections.push(connection) } } })
  const client = await join(t, room.url, room.token())
  return { ...room, client, connection: connections[0] as Connection }
}

t.test('connection.send reaches this socket, in order with what its room hears', async t => {
  const { app, client, connection } = await joined(t)
  t.equal(connection.send({ command: 'ONE', data: { text: 'é😀' } }), true)
  const sent = app.ws.sendToRoom('cdr', { command: 'TWO' })
  t.equal(connection.send({ command: 'THREE', data: null }), true)
  await sent
  t.strictSame([await client.next(), await client.next(), await client.next()], [
    { command: 'ONE', data: { text: 'é😀' } }, { command: 'TWO' }, { command: 'THREE', data: null }
  ])
})

t.test('connection.send says false once the socket is closing, and throws on what is no message', async t => {
  const { client, connection } = await joined(t, { rooms: { maxMessage: 100 } })
  t.throws(() => connection.send({ command: '' }), { code: 'FST_ROOMS_INVALID_MESSAGE' })
  t.throws(() => connection.send({ command: 'WSStatus', data: { status: 'connected' } }), { code: 'FST_ROOMS_INVALID_MESSAGE' })
  t.throws(() => connection.send({ command: 'X', data: 1n }), { code: 'FST_ROOMS_INVALID_MESSAGE' })
  t.throws(() => connection.send({ command: 'X', data: 'x'.repeat(100) }), { code: 'FST_ROOMS_MESSAGE_TOO_LARGE' })
  connection.close()
  t.equal(connection.send({ command: 'LATE' }), false)
  t.match(await endingOf(client), { frames: [status('connected')], code: 1000 })
  t.equal(connection.send({ command: 'LATER' }), false)
  t.equal(client.frames.length, 1)
})

const CLOSES: Array<[args: [code?: number, reason?: string], status: string | undefined, code: number, reason: string]> = [
  [[], undefined, 1000, ''],
  [[1000, 'done'], undefined, 1000, 'done'],
  [[1011], 'unavailable', 1011, ''],
  [[1012, 'soon'], 'restarting', 1012, 'soon'],
  [[1013], 'overloaded', 1013, ''],
  [[4400], undefined, 4400, ''],
  [[4401], 'invalid_token', 4401, ''],
  [[4403, 'not you'], 'forbidden', 4403, 'not you'],
  [[4410], 'disconnected', 4410, ''],
  [[4419], 'expired_token', 4419, ''],
  [[4429], 'rate_limited', 4429, ''],
  [[3000, 'reason'], undefined, 3000, 'reason'],
  [[4999], undefined, 4999, ''],
  [[1008, 'policy'], undefined, 1008, 'policy'],
  [[4001, 'x'.repeat(123)], undefined, 4001, 'x'.repeat(123)],
  [[4001, 'x'.repeat(124)], undefined, 4001, 'x'.repeat(123)],
  [[4001, 'é'.repeat(100)], undefined, 4001, 'é'.repeat(61)],
  [[4410, `x${'😀'.repeat(50)}`], 'disconnected', 4410, `x${'😀'.repeat(30)}`]
]

t.test('connection.close says its status, if the code has one, and closes with code and reason', async t => {
  for (const [args, name, code, reason] of CLOSES) {
    const { app, client, connection } = await joined(t)
    connection.close(...args)
    connection.close(4403, 'again')
    const ending = await endingOf(client)
    t.strictSame(ending.frames.slice(1), name === undefined ? [] : [status(name)], `${code}: status`)
    t.match(ending, { code, reason }, `${code} ${reason}`)
    const { ended, members } = app.ws.stats()
    t.equal(members, 0)
    t.equal(Object.values(ended).reduce((a, b) => a + b), 1, 'is counted once')
  }
})

t.test('connection.close throws on a code that may not be sent, and the socket goes on', async t => {
  const { app, client, connection } = await joined(t)
  for (const code of [1, 999, 1004, 1005, 1006, 1015, 2999, 5000, NaN, '4001' as unknown as number]) {
    t.throws(() => connection.close(code), TypeError, String(code))
  }
  t.equal(connection.send({ command: 'STILL_HERE' }), true)
  t.strictSame(await client.next(), { command: 'STILL_HERE' })
  t.match(app.ws.stats(), { members: 1, ended: {} })
})

t.test('a ping of a page is answered, a pong and unknown frames are not', async t => {
  const { app, client } = await joined(t)
  client.send({ command: 'WSPong' })
  client.send({ command: 'CALL_NEXT', data: { stand: 7 } })
  client.send({})
  client.send('{"__proto__":{"id":5}}')
  client.send({ command: 'WSPing' })
  t.strictSame(await client.next(), { command: 'WSPong' })
  t.match(app.ws.stats(), { ignored: 3, members: 1 })
})

t.test('a command with an id hears that there are none', async t => {
  const { app, client } = await joined(t)
  for (const id of [7, 0, -1.5, 'a', '', 'x'.repeat(128)]) {
    client.send({ command: 'CALL_NEXT', id })
    t.strictSame(await client.next(), { command: 'WSError', data: { code: 'FST_ROOMS_NO_COMMANDS', message: 'This room takes no commands.' }, id })
  }
  t.match(app.ws.stats(), { ignored: 6 })
})

t.test('a frame that is not of the protocol ends its socket with 4400', async t => {
  for (const bad of ['hello', '', '[]', '[{"command":"X"}]', '7', 'null', '"x"', '{"id":{}}', '{"id":[7]}', '{"id":null}', '{"id":true}', `{"id":"${'x'.repeat(129)}"}`, Buffer.from('{"command":"WSPing"}')]) {
    const { app, client } = await joined(t)
    client.send(bad)
    t.match(await endingOf(client), { frames: [status('connected')], code: 4400, reason: '' }, String(bad))
    t.match(app.ws.stats(), { members: 0, ended: { bad_frame: 1 } })
  }
})

t.test('a client that sends too fast is ended with 4429, after its burst', async t => {
  const { app, url, token } = await createApp(t, { rooms: { messageRate: 2 } })
  const client = await joinRaw(t, url, token())
  client.write(...Array<Buffer>(100).fill(frame('{"command":"WSPing"}'))) // in one packet, so that none is later than the other
  t.equal(await client.closeCode(), 4429)
  t.strictSame(client.text().match(/WSPong|rate_limited/g), [...Array<string>(10).fill('WSPong'), 'rate_limited'])
  t.match(app.ws.stats().ended, { rate_limited: 1 })
})

t.test('a client that sends at its rate may go on for ever', async t => {
  const { client } = await joined(t, { rooms: { messageRate: 50 } })
  for (let i = 0; i < 250; i++) client.send({ command: 'WSPing' })
  for (let i = 0; i < 250; i++) t.equal((await client.next()).command, 'WSPong')
  const start = performance.now()
  await until(() => performance.now() - start > 200)
  for (let i = 0; i < 5; i++) client.send({ command: 'WSPing' })
  for (let i = 0; i < 5; i++) t.equal((await client.next()).command, 'WSPong')
})

const BAD_BYTES: Array<[what: string, bytes: Buffer[], code: number]> = [
  ['a message over maxPayload', [frame('x'.repeat(1_001))], 1009],
  ['a message over maxPayload in parts', [frame('x'.repeat(600), { fin: false }), frame('x'.repeat(600), { opcode: 0 })], 1009],
  ['a length that is announced over maxPayload', [frame('x'.repeat(60_000)).subarray(0, 8)], 1009],
  ['bad UTF-8', [frame(Buffer.from([0x7b, 0xff, 0x7d]))], 1007],
  ['reserved bits', [frame('{}', { rsv: 4 })], 1002],
  ['a frame that is not masked', [frame('{}', { masked: false })], 1002],
  ['an opcode that does not exist', [frame('{}', { opcode: 3 })], 1002],
  ['a continuation of nothing', [frame('{}', { opcode: 0 })], 1002],
  ['too many fragments', [frame('', { fin: false }), ...Array.from({ length: 8 }, () => frame('', { opcode: 0, fin: false }))], 1008]
]

t.test('what breaks the rules of WebSocket ends its socket with the registered code, and no other', async t => {
  const { app, url, token, client, logs } = await joined(t, { rooms: { maxPayload: 1_000, maxAuthPayload: 1_000, maxFragments: 8 } })
  for (const [what, bytes, code] of BAD_BYTES) {
    for (const authenticated of [true, false]) {
      logs.length = 0
      const raw = authenticated ? await joinRaw(t, url, token()) : await openRaw(t, url)
      raw.write(...bytes)
      t.equal(await raw.closeCode(), code, `${what}, ${authenticated ? 'after' : 'before'} the token`)
      raw.socket.destroy()
      await until(() => app.ws.stats().connections === 1)
      t.notOk(logs.some(({ level }) => level as number > 30), 'nobody is alarmed')
    }
  }
  t.match(app.ws.stats(), { members: 1, waiting: 0, ended: { client: BAD_BYTES.length * 2 } })
  await app.ws.sendToRoom('cdr', { command: 'HELLO' })
  t.strictSame(await client.next(), { command: 'HELLO' })
})

t.test('a socket that somebody else has begun to close hears no more of its room', async t => {
  const { app, client } = await joined(t)
  const [socket] = app.websocketServer.clients
  socket?.close(4000)
  await app.ws.sendToRoom('cdr', { command: 'LATE' })
  t.match(await endingOf(client), { frames: [status('connected')], code: 4000 })
  await until(() => app.ws.stats().connections === 0)
  t.match(app.ws.stats(), { delivered: 0, members: 0, ended: { client: 1 } })
})

t.test('a message as long as it may be is none too many for a client that is not behind, however small maxBuffered is', async t => {
  for (const longest of [1_000, 70_000]) {
    const { app, client, connection } = await joined(t, { rooms: { maxMessage: longest, maxSnapshot: longest, maxBuffered: longest + 512 } })
    const message = { command: 'LONG', data: 'x'.repeat(longest - '{"command":"LONG","data":""}'.length) }
    t.equal(connection.send(message), true)
    t.strictSame(await client.next(), message)
    await app.ws.sendToRoom('cdr', message)
    t.strictSame(await client.next(), message)
  }
})

t.test('a client that does not read what it alone is sent is cut off, and connection.send says so', async t => {
  const { app, client, connection } = await joined(t, { rooms: { maxMessage: 100_000, maxSnapshot: 100_000, maxBuffered: 400_000 } })
  client.socket.pause()
  while (connection.send({ command: 'SOME', data: 'x'.repeat(50_000) }));
  t.match(app.ws.stats(), { members: 0, ended: { too_slow: 1 } })
  client.socket.resume()
  await client.closed
})

t.test('an end that finds its client too far behind ends it once', async t => {
  for (const close of [(connection: Connection) => connection.close(), (connection: Connection) => connection.close(4_999)]) {
    const { app, client, connection } = await joined(t, { rooms: { maxMessage: 100_000, maxSnapshot: 100_000, maxBuffered: 400_000 } })
    const [socket] = app.websocketServer.clients
    client.socket.pause()
    while ((socket as WebSocket).bufferedAmount < 370_000) {
      await app.ws.sendToRoom('cdr', { command: 'SOME', data: 'x'.repeat(10_000) })
      await new Promise(resolve => setImmediate(resolve))
    }
    app.ws.sendToRoom('cdr', { command: 'MORE', data: 'x'.repeat(40_000) })
    close(connection)
    const { ended, members } = app.ws.stats()
    t.strictSame(Object.entries(ended).filter(([, count]) => count > 0), [['too_slow', 1]])
    t.equal(members, 0)
    client.socket.resume()
    t.not((await client.closed).code, 4_999)
  }
})

t.test('clients that stop reading are cut off, with one line in the log, and the others get everything', async t => {
  const { app, url, token, client, logs } = await joined(t, { rooms: { maxMessage: 300_000, maxBuffered: 1_000_000 } })
  const slow = [await joinRaw(t, url, token({ sub: 'slow' })), await joinRaw(t, url, token({ sub: 'slow' }))]
  for (const { socket } of slow) socket.pause()
  const data = 'x'.repeat(250_000)
  let sent = 0
  while (app.ws.stats().members > 1) {
    await app.ws.sendToRoom('cdr', { command: 'BIG', data: [sent, data] })
    t.equal(((await client.next()).data as unknown as unknown[])[0], sent++)
  }
  t.ok(sent > 4)
  t.match(app.ws.stats(), { members: 1, ended: { too_slow: 2 } })
  t.strictSame(logs.filter(({ msg }) => msg.startsWith('client is too far behind')).map(({ user, level }) => ({ user, level })), [{ user: 'slow', level: 40 }])
  await until(() => app.ws.stats().connections === 1)
  for (const { socket, closed } of slow) {
    socket.resume()
    await closed
  }
})

noStrays()
