import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import fastifyUnderPressure from '@fastify/under-pressure'
import type { Test } from 'tap'
import { Bucket } from '../lib/bucket.js'
import { networkOf } from '../lib/network.js'
import { RefusedError, connect } from '../testing/index.js'
import { answerTo } from './helpers/answer.js'
import { createApp, createQuietApp, until } from './helpers/app.js'
import type { Settings, TestApp } from './helpers/app.js'
import { Client, endingOf, join as joinRoom, open, refusalOf, status } from './helpers/client.js'
import { Gate } from './helpers/gate.js'
import { frame, sendRaw, upgradeRequest } from './helpers/raw.js'
import { watchForStrays } from './helpers/strays.js'

const noStrays = watchForStrays(t)

const OVERLOADED = {
  status: 503,
  headers: { connection: 'close', 'content-type': 'application/json; charset=utf-8', 'retry-after': /^([1-9]|10)$/ },
  body: { statusCode: 503, code: 'FST_ROOMS_OVERLOADED', error: 'Service Unavailable', message: /Retry-After/ }
}

/** An application with a route that takes its time before the upgrade. */
async function createSlowApp (t: Test, gate: Gate, settings: Settings): Promise<TestApp & { slow: string }> {
  const built = await createApp(t, {
    ...settings,
    async setup (app) {
      app.get('/slow', { websocket: true, onRequest: async () => { await gate.pass() } }, app.manageWebsocket('cdr'))
      await settings.setup?.(app)
    }
  })
  return { ...built, slow: built.url.replace('/cdr/users/ws', '/slow') }
}

t.test('over maxConnections, an upgrade is answered with 503 and Retry-After; a socket that ends makes room, whoever ends it', async t => {
  const { app, url, token, logs } = await createApp(t, {
    rooms: { maxConnections: 2, authTimeout: 200 },
    route: { onJoin: ({ connection }) => { if (connection.userId === 'leaver') connection.close() } }
  })
  const member = await joinRoom(t, url, token())
  const ends: Array<(client: Client) => void | Promise<void>> = [
    client => client.socket.close(),
    client => client.socket.terminate(),
    client => client.send({ token: token({ sub: 'leaver' }) }),
    client => client.send('no token'),
    client => client.send(Buffer.alloc(100_000)),
    () => {} // the token does not come in time
  ]
  for (const [index, end] of ends.entries()) {
    const other = await open(t, url)
    t.match(await answerTo(t, url), OVERLOADED)
    await end(other)
    await other.closed
    await until(() => app.ws.stats().connections === 1)
    t.equal(app.ws.stats().refused.connections, index + 1)
  }
  const last = await joinRoom(t, url, token())
  await app.ws.sendToRoom('cdr', { command: 'HELLO' })
  t.strictSame([await member.next(), await last.next()], [{ command: 'HELLO' }, { command: 'HELLO' }], 'those who are in notice nothing')
  const told = logs.filter(({ msg }) => msg === 'upgrade refused')
  t.match(told[0], { level: 40, reason: 'connections', ip: '127.0.0.1', module: 'fastify-rooms' })
})

t.test('a flood of refusals is one line in the log each second, and no error', async t => {
  const { url, logs, token } = await createApp(t, { rooms: { maxConnections: 1 }, fastify: { disableRequestLogging: true } })
  await joinRoom(t, url, token())
  for (let i = 0; i < 20; i++) await answerTo(t, url)
  const lines = logs.filter(({ level }) => level as number > 30)
  t.ok(lines.length < 20)
  t.ok(lines.every(({ msg }) => msg === 'upgrade refused'))
})

t.test('a raw client that is refused sees the end of its connection at once', async t => {
  const { url, token } = await createApp(t, { rooms: { maxConnections: 1, authTimeout: 60_000, closeTimeout: 4_000 } })
  await joinRoom(t, url, token())
  const raw = sendRaw(t, url, upgradeRequest(url))
  await once(raw.socket, 'end')
  t.match(raw.text(), /^HTTP\/1\.1 503 Service Unavailable\r\n/)
  t.match(raw.text(), /\r\nretry-after: \d+\r\n/)
  t.match(raw.text(), /\r\nconnection: close\r\n/)
  await raw.closed
})

t.test('an upgrade counts from its beginning, and no longer than its connection', async t => {
  t.test('while hooks of the application keep it waiting', async t => {
    const gate = new Gate()
    const { url, slow, token } = await createSlowApp(t, gate, { rooms: { maxConnections: 1 } })
    const waiting = sendRaw(t, slow, upgradeRequest(slow))
    await gate.reached
    t.match(await answerTo(t, url), OVERLOADED)
    waiting.socket.destroy()
    gate.open()
    await t.resolves(until(async () => await joinRoom(t, url, token()).then(() => true, () => false)), 'its client has left meanwhile')
  })

  t.test('when a hook refuses it', async t => {
    const { url, token } = await createApp(t, {
      rooms: { maxConnections: 1 },
      setup: app => { app.get('/refused', { websocket: true, onRequest: async (_request, reply) => await reply.code(402).send({}) }, app.manageWebsocket('cdr')) }
    })
    for (let i = 0; i < 3; i++) t.match(await answerTo(t, url.replace('/cdr/users/ws', '/refused')), { status: 402 })
    await t.resolves(until(async () => await joinRoom(t, url, token()).then(() => true, () => false)))
  })

  t.test('when `ws` refuses it', async t => {
    const { url, token } = await createApp(t, { rooms: { maxConnections: 1 } })
    for (let i = 0; i < 3; i++) {
      const raw = sendRaw(t, url, Buffer.from(upgradeRequest(url).toString().replace('AAAA', '')))
      await raw.closed
      t.match(raw.text(), /^HTTP\/1\.1 400 /)
    }
    await t.resolves(until(async () => await joinRoom(t, url, token()).then(() => true, () => false)))
  })

  t.test('when no hook ever lets it go on', async t => {
    const gate = new Gate()
    const { url, slow, token } = await createSlowApp(t, gate, { rooms: { maxConnections: 1, authTimeout: 100 } })
    const raw = sendRaw(t, slow, upgradeRequest(slow))
    await raw.closed
    await t.resolves(until(async () => await joinRoom(t, url, token()).then(() => true, () => false)))
    gate.open()
  })
})

t.test('limits are for the routes of rooms: other WebSocket routes, and requests, are let pass', async t => {
  const { url, http, token } = await createApp(t, {
    rooms: { maxConnections: 1, origins: ['https://app.example'] },
    setup: app => {
      app.get('/echo', { websocket: true }, socket => { socket.on('message', data => socket.send(data.toString())) })
      app.get('/plain', async () => ({ fine: true }))
    }
  })
  await joinRoom(t, url, token())
  t.match(await answerTo(t, url), OVERLOADED)
  const echo = await open(t, url.replace('/cdr/users/ws', '/echo'), { origin: 'https://other.example' })
  echo.send({ command: 'ECHO' })
  t.strictSame(await echo.next(), { command: 'ECHO' })
  t.strictSame(await (await fetch(`${http}/plain`)).json(), { fine: true })
  t.match(await answerTo(t, url.replace('/cdr/users/ws', '/nowhere')), { status: 404 })
})

t.test('while too many wait for their verdict, an upgrade is answered with 503; one that is too late for that with 1013', async t => {
  const gate = new Gate()
  const { app, url, slow } = await createSlowApp(t, gate, { rooms: { maxWaiting: 1 } })
  const late = new Client(slow)
  await gate.reached
  const silent = await open(t, url)
  t.match(await answerTo(t, url), OVERLOADED)
  gate.open()
  t.strictSame(await endingOf(late), { frames: [status('overloaded')], code: 1013, reason: '' })
  t.match(app.ws.stats(), { waiting: 1, refused: { waiting: 1 }, ended: { overloaded: 1 } })
  silent.socket.terminate()
})

t.test('of one user there are no more than maxConnectionsPerUser; users without a name are not counted', async t => {
  const { app, url, token, logs } = await createApp(t, { rooms: { maxConnectionsPerUser: 2 } })
  const [first] = [await joinRoom(t, url, token()), await joinRoom(t, url, token())]
  await joinRoom(t, url, token({ sub: 'ada' }))
  t.strictSame(await refusalOf(t, url, { token: token() }), { frames: [status('overloaded')], code: 1013, reason: '' })
  t.strictSame(await refusalOf(t, url, { token: token() }), { frames: [status('overloaded')], code: 1013, reason: '' })
  t.ok(logs.some(({ msg, why }) => msg === 'socket refused' && String(why).includes('maxConnectionsPerUser')))
  for (let i = 0; i < 3; i++) await joinRoom(t, url, token({ role: 'anybody' }))
  first.socket.terminate()
  await until(() => app.ws.stats().members === 5)
  await t.resolves(joinRoom(t, url, token()), 'and there is room again')
  t.match(app.ws.stats(), { members: 6, refused: { user: 2 }, ended: { overloaded: 2, client: 1 } })
})

t.test('a user who leaves before it is decided is not counted', async t => {
  const gate = new Gate()
  const { app, url, token } = await createApp(t, {
    rooms: { maxConnectionsPerUser: 1 },
    setup: app => { app.get('/slow', { websocket: true }, app.manageWebsocket('cdr', { authorize: async () => { await gate.pass(); return true } })) }
  })
  const client = await open(t, url.replace('/cdr/users/ws', '/slow'))
  client.send({ token: token() })
  await gate.reached
  t.match(await refusalOf(t, url, { token: token() }), { code: 1013 })
  client.socket.terminate()
  await until(() => app.ws.stats().connections === 0)
  await t.resolves(joinRoom(t, url, token()))
  gate.open()
})

t.test('of one address there are no more than maxConnectionsPerAddress', async t => {
  t.test('which is that of the connection', async t => {
    const { app, url, token } = await createApp(t, { rooms: { maxConnectionsPerAddress: 2 } })
    const [first] = [await joinRoom(t, url, token()), await open(t, url)]
    t.match(await answerTo(t, url, { headers: { 'x-forwarded-for': '203.0.113.7' } }), OVERLOADED)
    await t.resolves(open(t, url, { localAddress: '127.0.0.2' }), 'another address is another matter')
    first.socket.close()
    await first.closed
    await until(() => app.ws.stats().connections === 2)
    await t.resolves(open(t, url))
    t.match(app.ws.stats().refused, { address: 1 })
  })

  t.test('or that which a trusted proxy names: of IPv6, its network', async t => {
    const { url } = await createApp(t, { rooms: { maxConnectionsPerAddress: 1 }, fastify: { trustProxy: '127.0.0.1' } })
    const from = (address: string): { headers: Record<string, string> } => ({ headers: { 'x-forwarded-for': address } })
    await open(t, url, from('203.0.113.7'))
    t.match(await answerTo(t, url, from('203.0.113.7')), OVERLOADED)
    t.match(await answerTo(t, url, from('::ffff:203.0.113.7')), OVERLOADED)
    t.match(await answerTo(t, url, from('198.51.100.1, 203.0.113.7')), OVERLOADED, 'what the client itself has claimed does not count')
    await open(t, url, from('203.0.113.8'))
    await open(t, url, from('2001:db8:0:7::1'))
    t.match(await answerTo(t, url, from('2001:DB8::7:ffff:1:2:3')), OVERLOADED)
    await open(t, url, from('2001:db8:0:8::1'))
    for (let i = 0; i < 3; i++) await open(t, url, from('unknown'))
  })

  t.test('and a socket of Unix has none', async t => {
    const { app, token } = await createQuietApp(t, { rooms: { maxConnectionsPerAddress: 1 } })
    const folder = mkdtempSync(join(tmpdir(), 'fastify-rooms-')) // a path of at most 107 bytes
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    const path = join(folder, 'socket')
    await app.listen({ path })
    for (let i = 0; i < 3; i++) t.match(await joinRoom(t, `ws+unix://${path}:/cdr/users/ws`, token()), { frames: [{ data: { status: 'connected' } }] })
  })

  t.test('and an upgrade that is injected has none', async t => {
    const { app } = await createQuietApp(t, { rooms: { maxConnectionsPerAddress: 1, maxConnections: 3, authTimeout: 100, closeTimeout: 100 } })
    await app.ready()
    const sockets = [await app.injectWS('/cdr/users/ws'), await app.injectWS('/cdr/users/ws'), await app.injectWS('/cdr/users/ws')]
    await t.rejects(app.injectWS('/cdr/users/ws'), /503/)
    t.equal(sockets.length, app.ws.stats().connections)
    await until(() => app.ws.stats().connections === 0) // no token has come
    await t.resolves(app.injectWS('/cdr/users/ws'), 'their end is noticed')
    await until(() => app.ws.stats().connections === 0)
  })
})

t.test('the network of an address', async t => {
  const networks: Array<[ip: string | undefined, network: string | undefined]> = [
    ['203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::FFFF:203.0.113.7', '203.0.113.7'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['2001:0DB8:0000:0042:1:2:3:4', '2001:db8:0:42::/64'],
    ['2001:db8:0:42::', '2001:db8:0:42::/64'],
    ['2001:db8::42:1:2:3:4', '2001:db8:0:42::/64'],
    ['::3:4:5:6:198.51.100.1', '0:0:3:4::/64'],
    ['203.0.113.7:4711', undefined],
    ['unknown', undefined],
    [undefined, undefined]
  ]
  for (const [ip, network] of networks) t.equal(networkOf(ip), network, String(ip))
})

t.test('more upgrades per second than acceptRate are answered with 503, and those refused cost the others nothing', async t => {
  const { app, url } = await createApp(t, { rooms: { acceptRate: 1, origins: ['https://app.example'] } })
  for (let i = 0; i < 3; i++) t.match(await answerTo(t, url, { origin: 'https://other.example' }), { status: 403 })
  await open(t, url)
  t.match(await answerTo(t, url), OVERLOADED)
  t.match(await answerTo(t, url), OVERLOADED)
  t.match(app.ws.stats().refused, { rate: 2, origin: 3 })
  await until(async () => await open(t, url).then(() => true, () => false))
  t.equal(app.ws.stats().connections, 2)
})

t.test('a bucket gives what its rate says, and keeps no more than its burst', async t => {
  const bucket = new Bucket({ perSecond: 1_000, burst: 10 })
  t.notOk(bucket.spend(11))
  t.ok(bucket.spend(10), 'what was refused has cost nothing')
  t.notOk(bucket.spend(10))
  const start = performance.now()
  await until(() => performance.now() - start > 50)
  t.ok(bucket.spend(10))
  t.notOk(bucket.spend(10))
})

t.test('while the application is under pressure, upgrades are answered with 503', async t => {
  const under = async (limits: object): Promise<TestApp> => await createApp(t, { setup: async app => { await app.register(fastifyUnderPressure, { sampleInterval: 10, ...limits }) } })
  const pressed = await under({ maxRssBytes: 1 })
  await until(() => pressed.app.isUnderPressure()) // it has looked
  t.match(await answerTo(t, pressed.url), OVERLOADED)
  t.match(pressed.app.ws.stats().refused, { pressure: 1 })
  const calm = await under({ maxRssBytes: 2 ** 50 })
  await t.resolves(joinRoom(t, calm.url, calm.token()))
})

t.test('the testing kit is told with which status it was refused', async t => {
  const { app, token } = await createQuietApp(t, { rooms: { maxConnections: 1 } })
  await connect(app, '/cdr/users/ws', token())
  const refused = await connect(app, '/cdr/users/ws', token()).catch((error: unknown) => error)
  t.ok(refused instanceof RefusedError)
  t.match(refused, { statusCode: 503 })
})

t.test('with all limits, nobody is left over after a hundred that came and went in every way', async t => {
  const { app, url, token } = await createApp(t, { rooms: { maxConnections: 20, maxConnectionsPerAddress: 20, maxConnectionsPerUser: 10, acceptRate: 10_000, closeTimeout: 100 } })
  await Promise.all(Array.from({ length: 100 }, async (_, index) => {
    const raw = sendRaw(t, url, upgradeRequest(url))
    raw.socket.on('error', () => {})
    if (index % 4 === 0) raw.socket.resetAndDestroy()
    else if (index % 4 === 1) raw.write(frame(JSON.stringify({ token: token() })))
    else if (index % 4 === 2) raw.write(frame('nonsense'))
    if (index % 4 === 1) setImmediate(() => raw.socket.destroy())
    if (index % 4 === 3) raw.socket.end()
    await raw.closed
  }))
  await until(() => app.ws.stats().connections === 0)
  const members = []
  await until(async () => await joinRoom(t, url, token({ sub: 'first' })).then(() => true, () => false))
  for (let i = 1; i < 10; i++) members.push(await joinRoom(t, url, token({ sub: 'first' })))
  for (let i = 0; i < 10; i++) members.push(await joinRoom(t, url, token({ sub: 'second' })))
  t.match(await answerTo(t, url), OVERLOADED)
  t.match(app.ws.stats(), { members: 20 })
})

noStrays()
