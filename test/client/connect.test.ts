import t from 'tap'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { connect } from '../../client/index.js'
import type { ConnectOptions } from '../../client/index.js'
import { defineRoom } from '../../client/define.js'
import { createApp } from '../helpers/app.js'
import { startCounterpart } from '../helpers/counterpart.js'
import { follow } from '../helpers/room-client.js'
import { watchForStrays } from '../helpers/strays.js'

const strays = watchForStrays(t)

t.test('a client of a plain room hears its messages, by their command and all of them', async t => {
  const { app, url, token } = await createApp(t)
  const { room, told, until, reaches } = follow(t, 'cdr', { url, token: () => token() })
  t.equal(room.state, 'connecting')
  const heard: unknown[] = []
  room.on('UPDATE_USER', (data, message) => heard.push([data, message]))
  t.match(await reaches('connected'), { connection: /./ })
  t.equal(room.state, 'connected')
  t.strictSame(room.positions, { cdr: undefined })

  await app.ws.sendToRoom('cdr', { command: 'UPDATE_USER', data: { id: '7' } })
  await app.ws.sendToRoom('cdr', { command: 'OTHER' })
  await until(() => told.length === 4)
  t.strictSame(heard, [[{ id: '7' }, { command: 'UPDATE_USER', data: { id: '7' } }]])
  t.strictSame(told.slice(1), [['resync', { room: 'cdr', reason: 'new' }], ['UPDATE_USER', { id: '7' }], ['OTHER', undefined]])

  room.close()
  room.close()
  room.rejoin()
  t.equal(room.state, 'closed')
  t.strictSame(await reaches('closed'), {})
})

t.test('the token goes into the first frame, and nowhere else', async t => {
  const server = await startCounterpart(t)
  follow(t, 'cdr', { url: server.url, token: async () => 'a secret' })
  const { peer, hello } = await server.admitted()
  t.strictSame(hello, { token: 'a secret', recover: {} })
  t.notMatch(JSON.stringify([peer.request.url, peer.request.rawHeaders]), 'secret')
})

t.test('where the token goes into the handshake, it is sent as a subprotocol and not as a message', async t => {
  const server = await startCounterpart(t)
  const follower = follow(t, 'cdr', { url: server.url, token: () => 'abc', protocols: token => ['rooms.v1', `bearer.${token}`] })
  const peer = await server.peer()
  t.equal(peer.request.headers['sec-websocket-protocol'], 'rooms.v1,bearer.abc')
  peer.admit()
  await follower.reaches('connected')
  follower.room.send('FIRST').catch(() => {})
  t.match(await peer.next(), { command: 'FIRST' })
})

t.test('where there is no token, none is sent', async t => {
  const { url } = await createApp(t, { route: { authenticate: false } })
  await follow(t, 'cdr', { url, token: false }).reaches('connected')
  const server = await startCounterpart(t)
  const follower = follow(t, 'cdr', { url: server.url, token: false, protocols: token => [`rooms.v1${token}`] })
  const peer = await server.peer()
  t.equal(peer.request.headers['sec-websocket-protocol'], 'rooms.v1')
  peer.admit()
  await follower.reaches('connected')
  peer.status('token_expiring', { expiresIn: 30_000 }) // which a client without a token can do nothing about
  follower.room.send('FIRST').catch(() => {})
  t.match(await peer.next(), { command: 'FIRST' })
})

t.test('an address may be http, a URL, or asked for at each connection', async t => {
  const server = await startCounterpart(t)
  const http = server.url.replace('ws', 'http')
  let asked = 0
  const addresses: Array<ConnectOptions['url']> = [http, new URL(`${http}#part`), () => http, async () => { asked++; return new URL(http) }]
  for (const url of addresses) {
    const follower = follow(t, 'cdr', { url, token: () => 'abc' })
    const { peer } = await server.admitted()
    await follower.reaches('connected')
    peer.socket.terminate()
    await server.admitted()
    await follower.reaches('connected')
    follower.room.close()
  }
  t.equal(asked, 2)
})

t.test('an address of a page is relative to it', async t => {
  const server = await startCounterpart(t)
  const { href } = new URL('/board/', server.url.replace('ws', 'http'))
  t.intercept(globalThis as unknown as { location: unknown }, 'location', { value: { href }, configurable: true })
  follow(t, 'cdr', { url: '../ws?a=1', token: () => 'abc' })
  t.equal((await server.peer()).request.url, '/ws?a=1')
})

t.test('what cannot work is refused at once', async t => {
  const token = (): string => 'abc'
  for (const url of ['no address', '/relative', undefined]) {
    t.throws(() => connect('cdr', { url: url as string, token, WebSocket }), { name: 'TypeError', message: '`url` must be absolute' })
  }
  t.throws(() => connect('cdr', { url: 'ws://127.0.0.1', WebSocket } as never), { name: 'TypeError', message: /`token`/ })
  t.throws(() => connect('cdr', { url: 'ws://127.0.0.1', token: 'abc', WebSocket } as never), { name: 'TypeError', message: /`token`/ })
  withGlobalSocket(t, undefined)
  t.throws(() => connect('cdr', { url: 'ws://127.0.0.1', token }), { name: 'TypeError', message: '`WebSocket` must be given' })
})

t.test('the global WebSocket is taken where none is given', async t => {
  withGlobalSocket(t, WebSocket)
  const server = await startCounterpart(t)
  const follower = follow(t, 'cdr', { url: server.url, token: () => 'abc', WebSocket: undefined, timeout: undefined })
  await server.admitted()
  await follower.reaches('connected')
})

t.test('a room with a contract is that room, and no other', async t => {
  const stand = defineRoom('stand/:standId', { messages: { CALLED: {} } })
  const { url, token, app } = await createApp(t, { setup: app => { app.get('/stands/:standId/ws', { websocket: true }, app.manageWebsocket(stand)) } })
  const address = (id: string): string => url.replace('/cdr/users/ws', `/stands/${id}/ws`)
  const right = follow(t, stand({ standId: '7' }), { url: address('7'), token: () => token() })
  await right.reaches('connected')
  await app.ws.sendToRoom(stand({ standId: '7' }), { command: 'CALLED', data: 40 })
  t.strictSame(await right.until(() => right.dataOf('CALLED')[0]), 40)

  const wrong = follow(t, stand({ standId: '7' }), { url: address('8'), token: () => token() })
  t.match(await wrong.reaches('closed'), { error: { name: 'RoomsError', code: 'WRONG_ROOM', message: 'The url leads to stand/8, not to stand/7', sent: false } })
  t.strictSame(wrong.told.length, 1)
})

t.test('a handler that fails is reported, and keeps nobody from hearing the message', async t => {
  const { app, url, token } = await createApp(t)
  const follower = follow(t, 'cdr', { url, token: () => token() })
  const failure = new Error('a fault of the page')
  const reported: unknown[] = []
  t.intercept(globalThis as unknown as { reportError: unknown }, 'reportError', { value: (error: unknown) => reported.push(error), configurable: true })
  follower.room.on('UPDATE', () => { throw failure })
  const twice: unknown[] = []
  const note = (data: unknown): void => { twice.push(data) }
  const once = follower.room.on('UPDATE', note)
  const off = [follower.room.on('UPDATE', note), follower.room.on('UPDATE', () => { for (const one of off) one() }), follower.room.on('UPDATE', () => twice.push('never'))]
  await follower.reaches('connected')
  for (const data of [1, 2]) await app.ws.sendToRoom('cdr', { command: 'UPDATE', data })
  await follower.until(() => follower.dataOf('UPDATE').length === 2)
  t.strictSame(reported, [failure, failure])
  t.strictSame(twice, [1, 1, 2])
  once()
  await app.ws.sendToRoom('cdr', { command: 'UPDATE', data: 3 })
  await follower.until(() => follower.dataOf('UPDATE').length === 3)
  t.strictSame(twice, [1, 1, 2])
})

t.test('where there is no reportError, as in Node, it is an exception that nobody has caught', async t => {
  const { app, url, token } = await createApp(t)
  const { room, reaches } = follow(t, 'cdr', { url, token: () => token() })
  const caught = new Promise<Error>(resolve => process.setUncaughtExceptionCaptureCallback(resolve))
  t.teardown(() => process.setUncaughtExceptionCaptureCallback(null))
  room.on('UPDATE', () => { throw new Error('a fault of the program') })
  await reaches('connected')
  await app.ws.sendToRoom('cdr', { command: 'UPDATE' })
  t.match(await caught, { message: 'a fault of the program' })
})

t.test('a command that has the name of an event is no event', async t => {
  const { app, url, token } = await createApp(t)
  const follower = follow(t, 'cdr', { url, token: () => token() })
  const states: unknown[] = []
  follower.room.on('state', state => states.push(state))
  const messages: unknown[] = []
  follower.room.on('message', ({ command }) => messages.push(command))
  await follower.reaches('connected')
  for (const command of ['state', 'error', 'message']) await app.ws.sendToRoom('cdr', { command, data: 'connecting' })
  await follower.until(() => messages.length === 3)
  t.strictSame(messages, ['state', 'error', 'message'])
  t.strictSame(states, ['connected'])
})

t.test('nothing is told any more once it is closed, be it by one of its handlers', async t => {
  const server = await startCounterpart(t)
  const follower = follow(t, 'cdr', { url: server.url, token: () => 'abc' })
  follower.room.on('FIRST', () => follower.room.close())
  const { peer } = await server.admitted()
  peer.send({ command: 'FIRST' })
  peer.send({ command: 'SECOND' })
  t.equal(await peer.closed, 1000)
  await follower.reaches('closed')
  t.strictSame(follower.news, [['resync', { room: 'cdr', reason: 'new' }]])

  const hasty = follow(t, 'cdr', { url: server.url, token: () => 'abc' })
  hasty.room.on('state', () => hasty.room.close())
  await server.admitted()
  await hasty.reaches('closed')
  t.strictSame(hasty.told.map(([event, state]) => [event, state]), [['state', 'connected'], ['state', 'closed']])
})

t.test('one that is closed while it connects opens nothing, or leaves at once', async t => {
  const server = await startCounterpart(t)
  const early = follow(t, 'cdr', { url: server.url, token: () => { early.room.close(); return 'abc' } })
  await early.reaches('closed')
  const failing = follow(t, 'cdr', { url: server.url, token: () => { failing.room.close(); throw new Error('no token') } })
  await failing.reaches('closed')
  t.strictSame(failing.news, [])

  const late = follow(t, 'cdr', { url: server.url, token: () => 'abc' })
  const peer = await server.peer()
  late.room.close()
  await peer.closed
  t.equal(server.count, 1)
})

strays()

function withGlobalSocket (t: Test, value: unknown): void {
  t.intercept(globalThis as unknown as { WebSocket: unknown }, 'WebSocket', { value, configurable: true, writable: true })
}
