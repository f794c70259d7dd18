import { once } from 'node:events'
import { mock } from 'node:test'
import t from 'tap'
import type { Test } from 'tap'
import type { RawData, WebSocket } from 'ws'
import { connect } from '../../testing/index.js'
import type { Client, ConnectOptions, ExpectationError } from '../../testing/index.js'
import { createQuietApp } from '../helpers/app.js'
import { watchForStrays } from '../helpers/strays.js'

const noStrays = watchForStrays(t)

const PATH = '/cdr/users/ws'
const hello = (data: unknown): { command: string, data: unknown } => ({ command: 'HELLO', data })

/** A client, and the server's end of its socket: so any frame can come, and that of a room with history, too. */
async function pair (t: Test, { rooms = { cdr: {} }, ...options }: ConnectOptions & { rooms?: object } = {}): Promise<{ client: Client, server: WebSocket, say: (...frames: unknown[]) => void, first: Promise<RawData[]> }> {
  let server: WebSocket | undefined
  let first: Promise<RawData[]> | undefined
  const { app } = await createQuietApp(t, {
    setup (app) {
      app.get('/script', { websocket: true }, socket => {
        server = socket
        first = once(socket, 'message')
        socket.send(JSON.stringify({ command: 'WSStatus', data: { status: 'connected', connection: 'x', keepAlive: 25_000, rooms } }))
      })
    }
  })
  const client = await connect(app, '/script', 'a token', options)
  const say = (...frames: unknown[]): void => { for (const frame of frames) server?.send(typeof frame === 'object' && !Buffer.isBuffer(frame) ? JSON.stringify(frame) : frame as Buffer) }
  return { client, server: server as WebSocket, say, first: first as Promise<RawData[]> }
}

const failing = async (expectation: Promise<unknown>): Promise<ExpectationError> => await expectation.then(() => { throw new Error('came true') }, error => error)

t.test('messages are expected by command, by what they look like, by a function, or whatever they are', async t => {
  const { client, say } = await pair(t)
  const users = [{ id: 7, name: 'Ada', roles: ['a', 'b'] }, { id: 8, name: 'Bob', roles: [] }]
  say(hello(users[0]), hello(users[1]), hello(null), { command: 'BYE' }, hello(4), hello([5]))
  t.strictSame(await client.expectMessage('HELLO'), hello(users[0]))
  t.strictSame(await client.expectMessage({ command: 'HELLO', data: { id: 8 } }), hello(users[1]))
  t.strictSame(await client.expectMessage({ data: null }), hello(null))
  t.strictSame(await client.expectMessage({ data: undefined }), { command: 'BYE' })
  t.strictSame((await client.expectMessage<number>(({ data }) => data === 4)).data, 4)
  t.strictSame(await client.expectMessage(), hello([5]))
})

t.test('what a pattern names must be there and be equal; of an array, all of it', async t => {
  const { client, say } = await pair(t)
  const data = { id: 7, roles: ['a', 'b'], deep: { er: { x: 1, y: 2 } }, nothing: null }
  const matching = [{}, { id: 7 }, { roles: ['a', 'b'] }, { deep: { er: { y: 2 } } }, { nothing: null, more: undefined }]
  for (const pattern of matching) {
    say(hello(data))
    await t.resolves(client.expectMessage({ data: pattern }))
  }
  const others = [{ id: '7' }, { roles: ['a'] }, { roles: { 0: 'a', 1: 'b' } }, { roles: ['b', 'a'] }, { deep: { er: { x: 2 } } }, { deep: null }, { nothing: {} }, { more: 1 }, [], 7, new Date(0), null]
  for (const pattern of others) {
    say(hello(data))
    await client.expectNothing({ command: 'BYE' }) // so that it has come
    await t.rejects(client.expectMessage({ data: pattern }, { timeout: 1 }), { name: 'ExpectationError' }, JSON.stringify(pattern))
  }
})

t.test('an expectation waits, and several that wait are served in their order', async t => {
  const { client, say } = await pair(t)
  const both = Promise.all([client.expectMessage(), client.expectMessage('BYE'), client.expectMessage()])
  say(hello(1), hello(2))
  await client.expectStatus('resync', { timeout: 5 }).catch(() => {})
  say({ command: 'BYE' }, hello(3))
  t.strictSame(await both, [hello(1), { command: 'BYE' }, hello(3)])
})

t.test('statuses and pings are no messages; answers are', async t => {
  const { client, say } = await pair(t)
  say({ command: 'WSPing' }, { command: 'WSStatus', data: { status: 'resync' } }, { command: 'WSPong' }, { command: 'WSError', data: { code: 'X' }, id: 7 }, { command: 'WSSnapshot', data: [] })
  t.strictSame(await client.expectMessage(), { command: 'WSPong' })
  t.match(await client.expectMessage(), { command: 'WSError', id: 7 })
  t.match(await client.expectMessage(), { command: 'WSSnapshot' })
  t.strictSame(await client.expectStatus('resync'), { status: 'resync' })
  t.equal(client.frames.length, 6)
  await client.expectNothing()
})

t.test('the error says what was expected, what has come, what became of it, and what to do', async t => {
  const { client, say } = await pair(t)
  say(hello(1), hello(2), { command: 'WSPing' }, { command: 'WSStatus', data: { status: 'resync' } })
  await client.expectMessage({ data: 1 })
  await client.expectNothing({ command: 'BYE' }) // so that all has come
  const error = await failing(client.expectMessage({ command: 'BYE', data: { id: 7 } }, { timeout: 10 }))
  t.equal(error.message, [
    "No message that matches { command: 'BYE', data: { id: 7 } } came within 10 ms. Was it sent, and to a room that this client is in? If it only needs longer, give { timeout }.",
    '  taken       {"command":"WSStatus","data":{"status":"connected","connection":"x","keepAlive":25000,"rooms":{"cdr":{}}}}',
    '  taken       {"command":"HELLO","data":1}',
    '  passed over {"command":"HELLO","data":2}',
    '  ping        {"command":"WSPing"}',
    '  waiting     {"command":"WSStatus","data":{"status":"resync"}}',
    'The socket is open.'
  ].join('\n'))
  t.match(error.stack, /^ExpectationError: No message that [^]*\nThe socket is open\.\n {4}at .*client\.test\.ts/)
  t.match(await failing(client.expectMessage('BYE', { timeout: 1 })), { message: /^No message 'BYE' came within 1 ms/ })
  t.match(await failing(client.expectMessage({}, { timeout: 1 })), { message: /^No message came within 1 ms/ })
  t.match(await failing(client.expectMessage(({ data }) => data === 5, { timeout: 1 })), { message: /^No message for which \(\{ data \}\) => data === 5 is true came/ })
  t.match(await failing(client.expectStatus('epoch', { timeout: 1 })), { message: /^The status 'epoch' did not come within 1 ms/, stack: /\n {4}at .*client\.test\.ts/ })
})

t.test('the error says when it came too early', async t => {
  const { client, say } = await pair(t)
  say(hello(1), { command: 'BYE' }, { command: 'WSStatus', data: { status: 'epoch' } }, { command: 'WSStatus', data: { status: 'resync' } })
  await client.expectMessage('BYE')
  await client.expectStatus('resync')
  t.match(await failing(client.expectMessage('HELLO', { timeout: 10 })), { message: /^No message 'HELLO' came within 10 ms\. It came earlier, and was passed over: expect things in the order/ })
  t.match(await failing(client.expectStatus('epoch', { timeout: 10 })), { message: /It came earlier, and was passed over/ })
  t.match(await failing(client.expectMessage('BYE', { timeout: 10 })), { message: /Was it sent/ }, 'which was taken, and no other came')
})

t.test('the error lists the last frames, and of each the beginning', async t => {
  const { client, say } = await pair(t)
  for (let n = 1; n <= 30; n++) say(hello(n))
  say(hello('x'.repeat(1_000)))
  await client.expectNothing({ command: 'BYE' }) // so that all has come
  const { message } = await failing(client.expectMessage('BYE', { timeout: 10 }))
  t.match(message, /\n {2}\(12 frames before\)\n {2}passed over \{"command":"HELLO","data":12\}\n/)
  t.match(message, /"x{150,200}… \(1029 characters\)\n/)
})

t.test('who waits is told at once when the socket ends', async t => {
  const { client, say, server } = await pair(t, { timeout: 60_000 })
  const waiting = failing(client.expectMessage('HELLO'))
  const next = failing(client.expectMessage())
  say({ command: 'WSStatus', data: { status: 'expired_token' } })
  server.close(4419, 'sorry')
  t.match(await waiting, { message: /^No message 'HELLO' came before the socket ended\.\n[^]*\nThe socket has ended with 4419, expired_token, sorry\.$/ })
  t.match(await next, { message: /before the socket ended/ })
  t.match(await failing(client.expectStatus('resync')), { message: /before the socket ended/ })
  t.strictSame(await client.expectClose(4419), { code: 4419, reason: 'sorry', status: 'expired_token' })
})

t.test('what has come before the end can still be expected', async t => {
  const { client, say, server } = await pair(t)
  say(hello(1))
  server.close()
  t.match(await client.closed, { code: 1005, status: undefined })
  t.strictSame(await client.expectMessage(), hello(1))
})

t.test('a function that throws fails its own expectation, and no other', async t => {
  const { client, say } = await pair(t)
  say(hello(1), hello(2))
  await t.rejects(client.expectMessage(() => { throw new TypeError('a mistake in the test') }), { message: 'a mistake in the test' })
  t.strictSame(await client.expectMessage(), hello(2))
})

t.test('an expectation whose time is over takes nothing from those after it', async t => {
  const { client, say } = await pair(t)
  await t.rejects(client.expectMessage('HELLO', { timeout: 1 }))
  say(hello(1))
  t.strictSame(await client.expectMessage(), hello(1))
})

t.test('expectNothing sees what was sent before, without waiting for a time', async t => {
  const { app, token } = await createQuietApp(t)
  const client = await connect(app, PATH, token())
  await client.expectNothing()
  app.ws.sendToRoom('cdr', hello(1)) // it leaves at the end of this turn
  t.match(await failing(client.expectNothing()), {
    message: 'No frame was expected to come, and these did:\n  waiting     {"command":"HELLO","data":1}\nIf they are meant to, expect them first.',
    stack: /\n {4}at .*client\.test\.ts/
  })
  await client.expectMessage('HELLO')
  await client.expectNothing()
})

t.test('expectNothing may be about some frames only; a status that was not expected is one of them', async t => {
  const { client, say } = await pair(t)
  say(hello(1), { command: 'WSPing' }, { command: 'WSStatus', data: { status: 'resync' } })
  await client.expectNothing('BYE')
  await client.expectNothing({ data: 2 })
  t.match(await failing(client.expectNothing('HELLO')), { message: /^No frame 'HELLO' was expected/ })
  t.match(await failing(client.expectNothing()), { message: /"HELLO".*\n.*"resync"/ })
  await client.expectMessage()
  t.match(await failing(client.expectNothing({ command: 'WSStatus' })), { message: /"resync"/ })
  await client.expectStatus('resync')
  await client.expectNothing()
})

t.test('where the application does not read, nobody can say that nothing comes', async t => {
  const { client, server } = await pair(t)
  server.pause()
  t.match(await failing(client.expectNothing({}, { timeout: 10 })), { message: /^The application has not answered a ping within 10 ms/, stack: /client\.test\.ts/ })
  server.resume()
  await client.expectNothing()
})

t.test('nothing comes to a socket that has ended, and what came before is seen', async t => {
  const { client, say, server } = await pair(t)
  say(hello(1))
  const during = client.expectNothing()
  server.terminate()
  await t.rejects(during, { message: /"HELLO"/ })
  await t.rejects(client.expectNothing(), { message: /"HELLO"/ })
  await client.expectMessage()
  await client.expectNothing()
})

t.test('a socket that should end is seen to end, with the right code', async t => {
  const { client, server } = await pair(t)
  t.match(await failing(client.expectClose(4403, { timeout: 5 })), { message: /^The socket should have ended with 4403 within 5 ms\.\n.*"connected".*\nThe socket is open\.$/, stack: /client\.test\.ts/ })
  t.match(await failing(client.expectClose(undefined, { timeout: 5 })), { message: /^The socket should have ended within 5 ms/ })
  server.close(4410)
  t.match(await failing(client.expectClose(4403)), { message: /The socket has ended with 4410\.$/ })
  t.match(await client.expectClose(), { code: 4410 })
})

t.test('a client sends objects as JSON, and anything else as it is, until its socket ends', async t => {
  const { client, server } = await pair(t)
  const received: unknown[] = []
  server.on('message', (data, isBinary) => received.push(isBinary ? data : String(data)))
  client.send({ command: 'CALL_NEXT', id: 7 })
  client.send('not JSON')
  client.send(Buffer.from([1, 2]))
  await client.close()
  t.strictSame(received.slice(-3), ['{"command":"CALL_NEXT","id":7}', 'not JSON', Buffer.from([1, 2])])
  t.throws(() => client.send({ command: 'LATE' }), { name: 'ExpectationError', message: /^Nothing can be sent on a socket that is closing or closed\. The socket has ended with 1005/ })
})

t.test('of a client that gets frames of another protocol nothing can be expected, and it says so', async t => {
  for (const foreign of ['hello', '[]', '{"data":1}', '{"command":7}', Buffer.from('{"command":"HELLO"}')]) {
    const { client, say } = await pair(t, { timeout: 60_000 })
    say(hello(1), foreign, 'and more')
    await client.expectMessage()
    t.match(await failing(client.expectMessage()), { message: `A frame came that is none of the protocol, so nothing can be expected of this client: ${foreign}` })
    t.match(await failing(client.expectNothing()), { message: String(foreign) })
  }
})

t.test('mock timers that a test puts in place stop the application and not the kit', async t => {
  const { app, token } = await createQuietApp(t)
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'setImmediate', 'Date'] })
  t.teardown(() => mock.timers.reset())
  const client = await connect(app, PATH, token())
  await app.ws.sendToRoom('cdr', hello(1))
  await client.expectMessage('HELLO')
  await client.expectNothing()
  await t.rejects(client.expectMessage('BYE', { timeout: 5 }), { name: 'ExpectationError' })
  mock.timers.reset()
})

t.test('in rooms with history, a client knows how far it has come', async t => {
  const rooms = { cdr: { epoch: 'e1', seq: 7, mid: 'm7' }, plain: {} }
  const { client, say } = await pair(t, { rooms })
  const positions = (cdr: object, more: object = {}): void => {
    t.strictSame(client.positions, { cdr, ...more })
    t.strictSame(client.position, cdr)
  }
  positions({ epoch: 'e1', seq: 7, mid: 'm7' })
  say({ ...hello(8), seq: 8, mid: 'm8' }, hello('without a number'), { ...hello(10), seq: 10, mid: 'm10', room: 'cdr' })
  await client.expectMessage({ seq: 10 })
  positions({ epoch: 'e1', seq: 10, mid: 'm10' })
  say({ ...hello(8), seq: 8, mid: 'm8' }, { ...hello('of no room'), seq: 99, mid: 'x', room: 'plain' }, { ...hello('bad'), seq: 100 }, { command: 'WSStatus', data: { status: 'resync' } })
  await client.expectStatus('resync')
  positions({ epoch: 'e1', seq: 10, mid: 'm10' })
  say({ command: 'WSStatus', data: { status: 'epoch', rooms: { cdr: { epoch: 'e2', seq: 2, mid: 'n2' }, other: { epoch: 'f', seq: 0, mid: 'f0' } } } })
  t.match(await client.expectStatus('epoch'), { rooms: { cdr: { epoch: 'e2' } } })
  positions({ epoch: 'e2', seq: 2, mid: 'n2' }, { other: { epoch: 'f', seq: 0, mid: 'f0' } })
  say({ command: 'WSStatus', data: { status: 'epoch', rooms: { cdr: 'nonsense', other: { epoch: 'g' } } } }, { command: 'WSStatus' }, { command: 'WSStatus', data: { status: 'epoch', rooms: [] } })
  say(hello('end'))
  await client.expectMessage({ data: 'end' })
  positions({ epoch: 'e2', seq: 2, mid: 'n2' }, { other: { epoch: 'f', seq: 0, mid: 'f0' } })
})

t.test('a client of rooms without history has no position', async t => {
  for (const rooms of [{ cdr: {} }, {}]) {
    const { client, say } = await pair(t, { rooms })
    say({ ...hello(1), seq: 1, mid: 'm1' })
    await client.expectMessage()
    t.strictSame(client.positions, {})
    t.equal(client.position, undefined)
  }
})

t.test('a client that comes back says with its token how far it had come', async t => {
  const recover = { cdr: { epoch: 'e1', seq: 7, mid: 'm7' } }
  const { first } = await pair(t, { recover })
  t.strictSame(JSON.parse(String((await first)[0])), { token: 'a token', recover })
  const without = await pair(t)
  t.strictSame(JSON.parse(String((await without.first)[0])), { token: 'a token' })
})

noStrays()
