import t from 'tap'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fastifyJwt from '@fastify/jwt'
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import fastifyRooms, { MemoryBroker, MemoryBus } from '../index.js'
import type { RoomsOptions } from '../index.js'
import { connect, TestBus } from '../testing/index.js'
import { createApp, createQuietApp, until } from './helpers/app.js'
import { endingOf, join, open } from './helpers/client.js'
import { frame, openRaw } from './helpers/raw.js'
import { watchForStrays } from './helpers/strays.js'

const noStrays = watchForStrays(t)

t.test('@fastify/jwt may be registered after the route', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyRooms)
  app.get('/ws', { websocket: true }, app.manageWebsocket('cdr'))
  await app.register(fastifyJwt, { secret: 'x' })
  const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  await t.resolves(join(t, `ws://127.0.0.1:${port}/ws`, app.jwt.sign({ sub: 'jeanne' })))
})

t.test('a route of a child plugin has its prefix, its @fastify/jwt and its hooks', async t => {
  const { app, url } = await createApp(t, {
    setup (app) {
      app.register(async child => {
        await child.register(fastifyJwt, { secret: 'another secret', namespace: 'child', jwtVerify: 'childVerify' })
        child.decorate('door', 'child')
        child.get('/ws/:room', { websocket: true }, child.manageWebsocket<{ Params: { room: string } }>(request => `child/${request.params.room}`, {
          async authenticate (request: FastifyRequest) {
            await (request as unknown as { childVerify (): Promise<void> }).childVerify()
          }
        }))
      }, { prefix: '/child' })
    }
  })
  const child = url.replace('/cdr/users/ws', '/child/ws/7')
  const token = (app.jwt as unknown as Record<string, typeof app.jwt>).child?.sign({ sub: 'paul' }) ?? ''
  const member = await join(t, child, token)
  await app.ws.sendToRoom('child/7', { command: 'HELLO', data: 1 })
  t.strictSame(await member.next(), { command: 'HELLO', data: 1 })
})

t.test('a route may serve HTTP beside its sockets, with `wsHandler`', async t => {
  const { http, url, token } = await createApp(t, {
    setup (app) {
      app.route({ method: 'GET', url: '/both', handler: async () => ({ over: 'http' }), wsHandler: app.manageWebsocket('cdr') })
    }
  })
  const response = await fetch(`${http}/both`)
  t.strictSame(await response.json(), { over: 'http' })
  await t.resolves(join(t, url.replace('/cdr/users/ws', '/both'), token()))
})

t.test('a GET without an upgrade, and the HEAD route that Fastify adds, are answered with 404', async t => {
  const { app } = await createApp(t, {
    setup (app) {
      app.route({ method: ['GET', 'HEAD'], url: '/explicit', websocket: true, handler: app.manageWebsocket('cdr') as never })
    }
  })
  for (const url of ['/cdr/users/ws', '/explicit']) {
    for (const method of ['GET', 'HEAD'] as const) {
      const { statusCode } = await app.inject({ method, url })
      t.equal(statusCode, 404, `${method} ${url}`)
    }
  }
  t.match(app.ws.stats(), { connections: 0 })
})

t.test('hooks that the route has already run before ours', async t => {
  const { url, token } = await createApp(t, {
    setup (app) {
      for (const [path, onRequest] of [['/one', refuse], ['/two', [pass, refuse]]] as const) {
        app.get(path, { websocket: true, onRequest: onRequest as never }, app.manageWebsocket('cdr'))
      }
      app.get('/pass', { websocket: true, onRequest: pass }, app.manageWebsocket('cdr'))
    }
  })
  async function pass (): Promise<void> {}
  async function refuse (): Promise<never> { throw Object.assign(new Error('not today'), { statusCode: 418 }) }
  await t.rejects(open(t, url.replace('/cdr/users/ws', '/one')), { message: 'Unexpected server response: 418' })
  await t.rejects(open(t, url.replace('/cdr/users/ws', '/two')), { message: 'Unexpected server response: 418' })
  await t.resolves(join(t, url.replace('/cdr/users/ws', '/pass'), token()))
})

function addEcho (app: FastifyInstance): void {
  app.get('/echo', { websocket: true }, socket => {
    socket.on('message', data => {
      socket.send(data.toString())
    })
  })
  app.get('/broken', { websocket: true }, () => { throw new Error('broken') })
}

t.test('other WebSocket routes of the application work, and a fault in one is logged and cuts it', async t => {
  const { url, logs } = await createApp(t, { setup: addEcho })
  const echo = await open(t, url.replace('/cdr/users/ws', '/echo'))
  echo.send({ command: 'anything' })
  t.strictSame(await echo.next(), { command: 'anything' })
  const broken = await open(t, url.replace('/cdr/users/ws', '/broken'))
  t.equal((await broken.closed).code, 1006)
  t.match(logs.filter(({ msg }) => msg === 'broken'), [{ level: 50 }])
  const raw = await openRaw(t, url.replace('/cdr/users/ws', '/echo'))
  raw.write(frame('x', { rsv: 7 }))
  await raw.closed
  t.match(logs.filter(({ msg }) => msg.includes('RSV')), [{ level: 50 }])
})

t.test('the application\'s own errorHandler gets the errors of its own sockets, and not those of rooms', async t => {
  const errors: unknown[][] = []
  const { app, url, token, logs } = await createApp(t, {
    rooms: {
      websocket: {
        errorHandler (this: FastifyInstance, error, socket, request, reply) {
          errors.push([error.message, this === app, request.url, typeof reply.send])
          socket.close(4999)
        }
      }
    },
    setup: addEcho
  })
  const broken = await open(t, url.replace('/cdr/users/ws', '/broken'))
  t.equal((await broken.closed).code, 4999)
  t.strictSame(errors.splice(0), [['broken', true, '/broken', 'function']])
  const heard: Error[] = []
  for (const told of [0, 1]) {
    const raw = await openRaw(t, url)
    raw.write(frame(JSON.stringify({ token: token() })))
    await raw.received('connected')
    raw.write(frame('x', { rsv: 7 }))
    t.equal(await raw.closeCode(), 1002)
    await until(() => app.ws.stats().connections === 0)
    t.strictSame(errors, [])
    t.equal(logs.filter(({ msg }) => msg === 'socket sent a bad frame').length, told + 1)
    t.equal(heard.length, told, 'an application that listens itself hears of it, too')
    app.websocketServer.on('connection', socket => { socket.on('error', error => heard.push(error)) })
  }
})

t.test('sockets may be served by a server of the application\'s own', async t => {
  const server = http.createServer((_request, response) => response.end())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { token } = await createApp(t, { rooms: { websocket: { options: { server } } } as RoomsOptions })
  await t.resolves(join(t, `ws://127.0.0.1:${(server.address() as AddressInfo).port}/cdr/users/ws`, token()))
})

t.test('a broker of the application\'s own carries the messages between its processes', async t => {
  const calls: string[] = []
  class OwnBroker extends MemoryBroker {
    override async publish (channel: string, text: string): Promise<number> {
      calls.push(`${channel} ${text}`)
      return await super.publish(channel, text)
    }
  }
  const bus = new MemoryBus()
  const a = await createApp(t, { rooms: { broker: new OwnBroker(bus), prefix: 'own:' } })
  const b = await createApp(t, { rooms: { broker: new OwnBroker(bus), prefix: 'own:' } })
  const here = await join(t, a.url, a.token())
  const there = await join(t, b.url, b.token())
  t.match(await a.app.ws.sendToRoom('cdr', { command: 'HELLO', data: 1 }), { subscribers: 2 })
  t.strictSame(await here.next(), { command: 'HELLO', data: 1 })
  t.strictSame(await there.next(), { command: 'HELLO', data: 1 })
  t.equal(await b.app.ws.count('cdr'), 2)
  t.strictSame(calls, ['own:cdr {"command":"HELLO","data":1}'])
})

t.test('what a broker of the application\'s own hands over is checked: what is no message is counted and skipped', async t => {
  const bus = new TestBus()
  const { app, token, logs } = await createQuietApp(t, { rooms: { broker: bus.broker(), maxMessage: 100 } })
  const member = await connect(app, '/cdr/users/ws', token())
  for (const text of ['', 'hello', '[]', 'null', '7', '{}', '{"command":""}', '{"command":5}', '{"command":"WSStatus"}', '{"command":"WSPing"}', `{"command":"BIG","data":"${'x'.repeat(100)}"}`]) {
    bus.publish('cdr', text)
    bus.publish('cdr', Buffer.from(text))
  }
  bus.publish('cdr', Buffer.from([0x7b, 0xff, 0x7d]))
  bus.publish('cdr', '{"command":"GOOD"}')
  bus.publish('cdr', Buffer.from('{"command":"BETTER"}'))
  t.strictSame(await member.expectMessage(), { command: 'GOOD' })
  t.strictSame(await member.expectMessage(), { command: 'BETTER' })
  await member.expectNothing()
  t.match(app.ws.stats(), { received: 25, malformed: 23, delivered: 2 })
  t.match(logs.filter(({ msg }) => msg === 'skipped a broker payload that is no message'), [{ level: 40, channel: 'rooms:cdr', bytes: 0 }])
})

t.test('an upgrade that Fastify refuses before any hook runs leaves no socket behind', async t => {
  const sockets: Socket[] = []
  const { url } = await createApp(t, {
    rooms: { authTimeout: 60_000 }, // when they would be ended in any case
    setup (app) {
      app.server.on('connection', socket => { sockets.push(socket) })
      app.get('/of/:room', { websocket: true }, app.manageWebsocket('cdr'))
    }
  })
  t.teardown(() => { for (const socket of sockets) socket.destroy() })
  for (const path of ['/%zz', `/of/${'x'.repeat(101)}`, '/nowhere']) {
    const client = await openRaw(t, new URL(path, url).href)
    client.socket.destroy()
  }
  await until(() => sockets.length === 3 && sockets.every(({ destroyed }) => destroyed))
})

t.test('a socket that is closed by a client says so in the stats of its process', async t => {
  const { app, url, token } = await createApp(t)
  const member = await join(t, url, token())
  member.socket.close(1000, 'bye')
  t.match(await endingOf(member), { code: 1000 })
  await until(() => app.ws.stats().connections === 0)
  t.strictSame(app.ws.stats().ended, { client: 1 })
})

noStrays()
