import t from 'tap'
import type { Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Connection } from '../index.js'
import { createApp, until } from './helpers/app.js'
import { endingOf, join, open, refusalOf, status } from './helpers/client.js'
import type { Ending } from './helpers/client.js'
import { Gate } from './helpers/gate.js'
import { watchForStrays } from './helpers/strays.js'

const noStrays = watchForStrays(t)

/** What a client sees whose `onJoin` has failed. */
const FAILED: Ending = { frames: [status('connected'), status('unavailable')], code: 1011, reason: '' }

t.test('what onJoin sends comes after `connected`, and is for this socket alone', async t => {
  const { app, url, token } = await createApp(t, {
    route: { onJoin: async ({ connection, room, request }) => { connection.send({ command: 'WELCOME', data: [room, connection.userId, request.url] }) } }
  })
  const first = await join(t, url, token())
  const second = await join(t, url, token({ sub: 'paul' }))
  t.strictSame(await first.next(), { command: 'WELCOME', data: ['cdr', 'jeanne', '/cdr/users/ws'] })
  t.strictSame(await second.next(), { command: 'WELCOME', data: ['cdr', 'paul', '/cdr/users/ws'] })
  await app.ws.sendToRoom('cdr', { command: 'HELLO' })
  t.strictSame(await first.next(), { command: 'HELLO' })
})

t.test('a connection has a name of its own, a user, and its rooms for as long as it is in them', async t => {
  const connections: Connection[] = []
  const left: unknown[] = []
  const { url, token } = await createApp(t, {
    route: {
      onJoin: ({ connection }) => { connections.push(connection) },
      onLeave: ({ connection, room }) => { left.push(connection, room, [...connection.rooms]) }
    }
  })
  const first = await join(t, url, token())
  const second = await join(t, url, token())
  const [a, b] = connections
  t.not(a?.id, b?.id)
  t.match(first.frames, [{ data: { connection: a?.id } }])
  t.match(second.frames, [{ data: { connection: b?.id } }])
  t.match(a, { user: { sub: 'jeanne' }, userId: 'jeanne' })
  t.strictSame([...a?.rooms ?? []], ['cdr'])
  first.socket.close()
  await until(() => left.length > 0)
  t.equal(left[0], a)
  t.strictSame(left.slice(1), ['cdr', []])
})

t.test('onLeave follows onJoin once, and only when it has settled', async t => {
  const gate = new Gate()
  const order: string[] = []
  const { app, url, token } = await createApp(t, {
    route: {
      onJoin: async () => { order.push('joining'); await gate.pass(); order.push('joined') },
      onLeave: async () => { order.push('left') }
    }
  })
  const client = await join(t, url, token())
  await gate.reached
  client.socket.terminate()
  await until(() => app.ws.stats().connections === 0)
  t.strictSame(order, ['joining'])
  gate.open()
  await until(() => order.length === 3)
  t.strictSame(order, ['joining', 'joined', 'left'])
})

t.test('onLeave waits for an onJoin that has closed the socket itself', async t => {
  for (const end of [(connection: Connection) => connection.close(), (connection: Connection) => connection.close(3_000)]) {
    const gate = new Gate()
    const order: string[] = []
    const { app, url, token } = await createApp(t, {
      route: {
        onJoin: async ({ connection }) => { end(connection); await gate.pass(); order.push('joined') },
        onLeave: () => { order.push('left') }
      }
    })
    const client = await join(t, url, token())
    await client.closed
    await until(() => app.ws.stats().connections === 0)
    gate.open()
    await until(() => order.length === 2)
    t.strictSame(order, ['joined', 'left'])
  }
})

t.test('an onJoin that fails ends the socket with 1011, is reported once, and onLeave follows', async t => {
  for (const onJoin of [() => { throw new Error('no') }, async () => { throw new Error('no') }]) {
    const events: unknown[] = []
    const { app, url, token, logs } = await createApp(t, {
      route: {
        onJoin,
        onLeave: ({ room }) => { events.push(['left', room]) },
        onError: ({ error, room, connection }) => { events.push([error.message, room, connection?.userId]) }
      }
    })
    const client = await open(t, url)
    client.send({ token: token() })
    t.match(await endingOf(client), FAILED)
    await until(() => events.length === 2)
    t.strictSame(events, [['no', 'cdr', 'jeanne'], ['left', 'cdr']])
    t.match(logs.filter(({ level }) => level === 50), [{ err: { message: 'no' }, room: 'cdr' }])
    t.match(app.ws.stats(), { members: 0, ended: { unavailable: 1 } })
  }
})

t.test('an onJoin that fails ends the socket with 1011 whatever the error\'s status: the user was let in already', async t => {
  for (const statusCode of [400, 401, 403, 429]) {
    const { url, token } = await createApp(t, { route: { onJoin: async () => { throw Object.assign(new Error('from a service behind us'), { statusCode }) } } })
    const client = await open(t, url)
    client.send({ token: token() })
    t.match(await endingOf(client), FAILED)
  }
})

t.test('an onJoin that fails after its client has left is reported, and onLeave follows', async t => {
  const gate = new Gate()
  const events: string[] = []
  const { app, url, token } = await createApp(t, {
    route: {
      onJoin: async () => { await gate.pass(); throw new Error('no') },
      onLeave: () => { events.push('left') },
      onError: ({ error }) => { events.push(error.message) }
    }
  })
  const client = await join(t, url, token())
  client.socket.terminate()
  await until(() => app.ws.stats().connections === 0)
  gate.open()
  await until(() => events.length === 2)
  t.strictSame(events.sort(), ['left', 'no'])
})

t.test('there is no onLeave where there was no onJoin', async t => {
  const events: string[] = []
  const { app, url, token } = await createApp(t, {
    route: { authorize: () => false, onJoin: () => { events.push('joined') }, onLeave: () => { events.push('left') } }
  })
  await refusalOf(t, url, { token: token() })
  await refusalOf(t, url, { token: 'nonsense' })
  await until(() => app.ws.stats().connections === 0)
  t.strictSame(events, [])
})

t.test('onLeave alone is enough to hear of each leave', async t => {
  let left = 0
  const { url, token } = await createApp(t, { rooms: { onLeave: () => { left++ } } })
  const clients = [await join(t, url, token()), await join(t, url, token())]
  for (const { socket } of clients) socket.close()
  await until(() => left === 2)
})

t.test('an onLeave that fails is logged and reported, and harms nobody', async t => {
  for (const onLeave of [() => { throw new Error('no') }, async () => { throw new Error('no') }]) {
    const reported: unknown[] = []
    const { app, url, token, logs } = await createApp(t, {
      route: { onLeave, onError: ({ error, room, connection }) => { reported.push([error.message, room, connection?.userId]) } }
    })
    const stays = await join(t, url, token())
    const goes = await join(t, url, token({ sub: 'paul' }))
    goes.socket.close()
    await until(() => reported.length === 1)
    t.strictSame(reported, [['no', 'cdr', 'paul']])
    t.match(logs.filter(({ level }) => level === 50), [{ msg: 'onLeave failed', err: { message: 'no' }, room: 'cdr' }])
    await app.ws.sendToRoom('cdr', { command: 'HELLO' })
    t.strictSame(await stays.next(), { command: 'HELLO' })
  }
})

t.test('an onError that fails, at once or later, is logged, and is not told of its own failure', async t => {
  for (const fail of [() => { throw new Error('second') }, async () => { throw new Error('second') }]) {
    let calls = 0
    const { url, token, logs } = await createApp(t, {
      route: {
        authorize: () => { throw new Error('first') },
        onError: () => { calls++; return fail() }
      }
    })
    t.match(await refusalOf(t, url, { token: token() }), { code: 1011 })
    await until(() => logs.some(({ msg }) => msg === 'onError failed'))
    t.equal(calls, 1)
    t.match(logs.filter(({ level }) => level === 50), [{ err: { message: 'first' } }, { msg: 'onError failed', err: { message: 'second' } }])
  }
})

t.test('a route\'s own onError takes the place of the plugin\'s', async t => {
  const heard: string[] = []
  const authorize = (): boolean => { throw new Error('no') }
  const { url, token } = await createApp(t, {
    rooms: { onError: () => { heard.push('plugin') } },
    route: { authorize },
    setup (app) {
      app.get('/own', { websocket: true }, app.manageWebsocket('cdr', { authorize, onError: () => { heard.push('route') } }))
    }
  })
  await refusalOf(t, url, { token: token() })
  await refusalOf(t, url.replace('/cdr/users/ws', '/own'), { token: token() })
  t.strictSame(heard, ['plugin', 'route'])
})

t.test('what a hook threw that is no error comes to onError as the cause of one', async t => {
  const causes: unknown[] = []
  const { url, token } = await createApp(t, {
    route: { authorize: () => { throw 'down' }, onError: ({ error }) => { causes.push(error instanceof Error, error.cause) } } // eslint-disable-line no-throw-literal
  })
  t.match(await refusalOf(t, url, { token: token() }), { code: 1011 })
  t.strictSame(causes, [true, 'down'])
})

t.test('a member keeps of its upgrade only what a new token is checked with', async t => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const upgrade: Array<WeakRef<object>> = []
  const { app, url, token } = await createApp(t, {
    setup (app) {
      app.addHook('onRequest', async (request, reply) => {
        if (request.url === '/open') upgrade.push(new WeakRef(request))
        upgrade.push(new WeakRef(request.raw), new WeakRef(reply), new WeakRef(reply.raw))
      })
      app.get('/open', { websocket: true }, app.manageWebsocket('cdr', {
        authenticate: false,
        onJoin: async () => {},
        onLeave: async () => {}
      }))
    }
  })
  const members = [await join(t, url, token()), await join(t, url.replace('/cdr/users/ws', '/open'), 'nothing')]
  const early = upgrade.splice(0)
  // @fastify/jwt's own machinery remembers the last ones that it has checked.
  for (let i = 0; i < 5; i++) members.push(await join(t, url, token()))
  await until(() => {
    collect()
    return early.every(part => part.deref() === undefined)
  })
  t.equal(early.length, 7, 'a request, for who came with a token')
  t.match(await app.ws.sendToRoom('cdr', { command: 'HELLO' }), { subscribers: 1 })
  for (const member of members) t.strictSame(await member.next(), { command: 'HELLO' })
})

t.test('whoever waits for the end of the upgrade\'s response hears of it with the upgrade, or when a hook has had the reply', async t => {
  let closed = 0
  const { app, url, token } = await createApp(t, {
    setup: app => {
      app.addHook('onRequest', async (_request, reply) => { reply.raw.once('close', () => { closed++ }) })
      app.get('/hooked', { websocket: true }, app.manageWebsocket('cdr', { authenticate: async request => { await request.jwtVerify() } }))
      app.get('/taken', { websocket: true, preHandler: async (_request, reply) => { reply.raw.detachSocket(reply.raw.socket as Socket) } }, app.manageWebsocket('cdr'))
    }
  })
  const waiting = await open(t, url)
  t.equal(closed, 1)
  await join(t, url.replace('/cdr/users/ws', '/taken'), token())
  t.equal(closed, 1, 'unless the application has taken the response\'s socket itself')
  const hooked = await open(t, url.replace('/cdr/users/ws', '/hooked'))
  t.equal(closed, 1)
  hooked.send({ token: token() })
  await hooked.next('WSStatus')
  t.equal(closed, 2)
  waiting.send({ token: token() })
  await waiting.next('WSStatus')
  t.equal(closed, 2)
  t.match(app.ws.stats(), { members: 3 })
})

t.test('a listener to that which throws is the end of its socket, and no socket without a deadline', async t => {
  const { app, url, token } = await createApp(t, {
    setup: app => { app.addHook('onRequest', async (_request, reply) => { reply.raw.once('close', () => { throw new Error('a bug') }) }) }
  })
  t.match(await refusalOf(t, url, { token: token() }), { code: 1011 })
  await until(() => app.ws.stats().connections === 0)
  t.match(app.ws.stats(), { waiting: 0 })
})

noStrays()
