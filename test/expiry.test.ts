import t from 'tap'
import { defineRoom } from '../index.js'
import type { Connection } from '../index.js'
import { createApp, until } from './helpers/app.js'
import { laterBy } from './helpers/clock.js'
import { endingOf, join, open, refusalOf, status } from './helpers/client.js'
import type { Ending } from './helpers/client.js'
import { Gate } from './helpers/gate.js'
import { watchForStrays } from './helpers/strays.js'

const noStrays = watchForStrays(t)

const UNAVAILABLE: Ending = { frames: [status('unavailable')], code: 1011, reason: '' }

const inSeconds = (seconds: number): number => Date.now() / 1_000 + seconds

t.test('a client is told ahead of time that its token expires, once, and then that it has', async t => {
  const { url, token } = await createApp(t, { rooms: { refreshWindow: 2_000, expiresAt: () => inSeconds(3) } })
  const { frames, code } = await endingOf(await join(t, url, token()))
  t.equal(code, 4419)
  t.match(frames, [status('connected'), status('token_expiring'), status('expired_token')])
  t.equal(frames.length, 3)
  const { expiresIn } = frames[1]?.data as { expiresIn: number }
  t.ok(expiresIn > 0 && expiresIn <= 2_000, `${expiresIn} ms`)
})

t.test('a token that lives no longer than the window is asked for when half of its life is over', async t => {
  const { url, token } = await createApp(t, { rooms: { refreshWindow: 30_000, expiresAt: () => inSeconds(4) } })
  const member = await join(t, url, token())
  const { data } = await member.next()
  t.equal(data?.status, 'token_expiring')
  t.ok(data?.expiresIn as number <= 2_000, `${data?.expiresIn} ms`)
  t.equal((await member.closed).code, 4419)
})

t.test('a token of 60 days, of the end of all time, or of none at all is not ended, and nobody is told anything', async t => {
  const times = [() => inSeconds(60 * 86_400), () => 1e300, () => Infinity, () => undefined, () => null, () => inSeconds(0.05)]
  const { app, url, token } = await createApp(t, { rooms: { expiresAt: () => times.shift()?.() as never } })
  const members = []
  while (times.length > 1) members.push(await join(t, url, token()))
  await (await join(t, url, token())).closed // by a sweep, which has looked at all of them
  await app.ws.sendToRoom('cdr', { command: 'HELLO' })
  for (const member of members) t.strictSame(await member.next(), { command: 'HELLO' })
})

t.test('a time that cannot be compared with another is a fault of the hook, and lets nobody in', async t => {
  for (const hook of ['expiresAt', 'issuedAt']) {
    for (const [time, kind] of [[NaN, 'number'], ['tomorrow', 'string'], [{ at: 5 }, 'object'], [true, 'boolean']] as const) {
      const { url, token, logs } = await createApp(t, { route: { [hook]: () => time as never } })
      t.strictSame(await refusalOf(t, url, { token: token() }), UNAVAILABLE)
      t.match(logs.filter(({ level }) => level === 50), [{ err: { code: 'FST_ROOMS_INVALID_TIME', message: new RegExp(`\`${hook}\`.*a ${kind} that`) } }])
    }
  }
})

t.test('no message is delivered after a token has expired, even by a process that had no time to look', async t => {
  const connections = new Map<string, Connection>()
  const { app, url, token } = await createApp(t, {
    rooms: {
      expiresAt: ({ user }) => (user as { ends?: number }).ends,
      onJoin: ({ connection }) => { connections.set(connection.userId as string, connection) }
    },
    setup (app) {
      app.get('/cdr', { websocket: true }, app.manageWebsocket(['cdr']))
      app.get('/none', { websocket: true }, app.manageWebsocket(['none']))
    }
  })
  const late = (data?: string): void => { app.ws.sendToRoom('cdr', { command: 'LATE', data }) }
  const of = (user: string): Connection => connections.get(user) as Connection
  const ways: Record<string, () => unknown> = {
    'at the end of the turn': () => late(),
    'at once, because it is long': () => late('x'.repeat(70_000)),
    'ahead of one who comes': () => { late(); of('comes').join('cdr') },
    'ahead of the word to one who leaves': () => { late(); of('leaves').leave('cdr') },
    'ahead of what another is sent alone': () => { late(); of('leaves').send({ command: 'ALONE' }) },
    'ahead of the end of another': () => { late(); of('leaves').close() },
    'alone, too': () => { late(); t.equal(of('expires').send({ command: 'LATE' }), false) },
    'alone, and nothing else': () => { t.equal(of('expires').send({ command: 'LATE' }), false); late() }
  }
  for (const [way, send] of Object.entries(ways)) {
    const to = (path: string): string => url.replace('/cdr/users/ws', path)
    const stays = await join(t, url, token({ sub: 'stays' }))
    await join(t, to('/none'), token({ sub: 'comes' }))
    await join(t, to('/cdr'), token({ sub: 'leaves' }))
    const expires = await join(t, url, token({ sub: 'expires', ends: inSeconds(60) }))
    await until(() => connections.size === 4)
    await laterBy(61, send)
    t.match(await stays.next(), { command: 'LATE' }, way)
    t.match(await endingOf(expires), { frames: [status('connected'), status('expired_token')], code: 4419 }, way)
    connections.clear()
    for (const socket of app.websocketServer.clients) socket.terminate()
    await until(() => app.ws.stats().connections === 0)
  }
})

t.test('nor is what has waited for something that is shown first', async t => {
  const ways: Record<string, (connection: Connection, gate: Gate) => unknown> = {
    'and is shown no more': connection => { connection.leave('slow') },
    'and is shown at last': (_connection, gate) => { gate.open() }
  }
  for (const [way, settle] of Object.entries(ways)) {
    const gate = new Gate()
    let connection: Connection | undefined
    const { app, url, token } = await createApp(t, {
      rooms: { expiresAt: ({ user }) => (user as { ends?: number }).ends },
      setup (app) {
        app.get('/two', { websocket: true }, app.manageWebsocket(['cdr', 'slow'], {
          onJoin: joined => { connection = joined.connection },
          snapshot: async ({ room }) => { if (room === 'slow') await gate.pass() }
        }))
      }
    })
    const client = await join(t, url.replace('/cdr/users/ws', '/two'), token({ ends: inSeconds(60) }))
    await until(() => connection !== undefined)
    await app.ws.sendToRoom('cdr', { command: 'WAITS' })
    await new Promise(resolve => setImmediate(resolve)) // it waits from now on
    await laterBy(61, () => settle(connection as Connection, gate))
    t.match(await endingOf(client), { code: 4419 }, way)
    t.notOk(client.frames.some(({ command }) => command === 'WAITS'), way)
    gate.open()
  }
})

t.test('nor is the answer to a command', async t => {
  const desk = defineRoom('desk', { messages: {}, commands: { WAIT: {} } })
  const gate = new Gate()
  const { url, token } = await createApp(t, {
    rooms: { expiresAt: ({ user }) => (user as { ends?: number }).ends },
    setup (app) { app.get('/desk', { websocket: true }, app.manageWebsocket(desk, { commands: { WAIT: async () => { await gate.pass() } } })) }
  })
  const client = await join(t, url.replace('/cdr/users/ws', '/desk'), token({ ends: inSeconds(60) }))
  client.send({ command: 'WAIT', id: 1 })
  await gate.reached
  await laterBy(61, () => gate.open())
  t.match(await endingOf(client), { frames: [status('connected'), status('expired_token')], code: 4419 })
})

t.test('who has not read all by then has a moment for the rest, and gets no more of it than that', async t => {
  const ended: string[] = []
  const onLeave = ({ connection: { userId } }: { connection: Connection }): void => {
    ended.push(userId as string)
    if (userId === 'quick') quick.socket.resume()
  }
  const { app, url, token } = await createApp(t, {
    rooms: { maxMessage: 60_000, maxBuffered: 1_000_000, closeTimeout: 60_000, refreshWindow: 1, onLeave }, fastify: { pluginTimeout: 0 }
  })
  const exp = Math.floor(Date.now() / 1_000) + 3
  const [quick, slow] = [await join(t, url, token({ sub: 'quick', exp })), await join(t, url, token({ sub: 'slow', exp }))]
  for (const { socket } of [quick, slow]) socket.pause()
  let sent = 0
  const isBehind = (): boolean => [...app.websocketServer.clients].every(({ bufferedAmount }) => bufferedAmount > 300_000)
  while (!isBehind()) {
    await app.ws.sendToRoom('cdr', { command: 'NEWS', data: { number: sent++, padding: 'x'.repeat(50_000) } })
    await new Promise(resolve => setImmediate(resolve)) // what the kernel takes, it takes now
  }
  t.equal(app.ws.stats().members, 2, 'they are behind, and not too far')
  t.equal((await quick.closed).code, 4419)
  t.equal(quick.frames.filter(({ command }) => command === 'NEWS').length, sent)
  await until(() => app.ws.stats().connections === 0)
  slow.socket.resume()
  t.equal((await slow.closed).code, 1006)
  const read = slow.frames.filter(({ command }) => command === 'NEWS').length
  t.ok(read > 0 && read < sent, `${read} of ${sent}`)
  t.same(ended.sort(), ['quick', 'slow'])
  t.equal(app.ws.stats().ended.expired_token, 2)
})

t.test('a room that is open to all has no tokens that could expire', async t => {
  const { app, url } = await createApp(t, { route: { authenticate: false, expiresAt: () => 1 } })
  const guest = await join(t, url, 'nothing')
  await until(() => app.ws.stats().members === 1)
  await app.ws.sendToRoom('cdr', { command: 'HELLO' })
  t.strictSame(await guest.next(), { command: 'HELLO' })
})

t.test('a socket that ends while it is let in is not looked after any more, whichever turn it ends in', async t => {
  const sweeps = new Set<unknown>()
  const { setInterval, clearInterval } = globalThis
  t.teardown(() => Object.assign(globalThis, { setInterval, clearInterval }))
  Object.assign(globalThis, {
    setInterval (work: () => void, ms: number) {
      const timer = setInterval(work, ms)
      if (ms === 500) sweeps.add(timer)
      return timer
    },
    clearInterval (timer: NodeJS.Timeout) {
      sweeps.delete(timer)
      clearInterval(timer)
    }
  })
  const turns = async (count: number): Promise<void> => { for (let turn = 0; turn < count; turn++) await null }
  for (const path of ['/none', '/one', '/two', '/later']) {
    for (let n = 0; n < (path === '/later' ? 30 : 10); n++) {
      const { app, url, token } = await createApp(t, {
        setup (app) {
          const time = Date.now() / 1_000 + 60
          const expiresAt = () => {
            turns(n).then(() => { app.ws.disconnectUser('jeanne') })
            return time
          }
          app.get('/later', { websocket: true }, app.manageWebsocket('later', { expiresAt: async () => { expiresAt(); await turns(12); return time } }))
          app.get('/none', { websocket: true }, app.manageWebsocket([], { expiresAt }))
          app.get('/one', { websocket: true }, app.manageWebsocket('one', { expiresAt }))
          app.get('/two', { websocket: true }, app.manageWebsocket(['one', 'two'], { expiresAt }))
        }
      })
      const client = await open(t, url.replace('/cdr/users/ws', path))
      client.send({ token: token({ sub: 'jeanne', iat: Math.floor(Date.now() / 1_000) - 5 }) })
      const { code } = await client.closed
      await until(() => app.ws.stats().connections === 0)
      t.match(app.ws.stats(), { waiting: 0, members: 0 })
      t.equal(sweeps.size, 0, `${path} ${n}: ${code} ${client.frames.map(({ data }) => data?.status)}`)
      await app.close()
    }
  }
})

noStrays()
