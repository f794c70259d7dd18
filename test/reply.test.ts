import t from 'tap'
import type { Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import http from 'node:http'
import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { MemoryBroker } from '../index.js'
import type { Message } from '../index.js'
import { TestBus } from '../testing/index.js'
import { createApp, until } from './helpers/app.js'
import type { Settings, TestApp } from './helpers/app.js'
import { endingOf, join, status } from './helpers/client.js'
import type { Client } from './helpers/client.js'
import { Gate } from './helpers/gate.js'
import { watchForStrays } from './helpers/strays.js'

const noStrays = watchForStrays(t)

/** An application with more routes, and a member who listens. */
async function listening (t: Test, setup: (app: FastifyInstance) => void, settings: Settings = {}): Promise<TestApp & { member: Client }> {
  const room = await createApp(t, { ...settings, setup })
  return { ...room, member: await join(t, room.url, room.token()) }
}

/** What the member has heard, up to now. */
async function heard ({ app, member }: { app: FastifyInstance, member: Client }): Promise<string[]> {
  await app.ws.sendToRoom('cdr', { command: 'END' })
  const commands = []
  for (;;) {
    const { command } = await member.next()
    if (command === 'END') return commands
    commands.push(command)
  }
}

const HELLO: Message = { command: 'HELLO' }

t.test('what a reply holds goes out with a status below 400, in order', async t => {
  const room = await listening(t, app => {
    app.get('/:status', async (request, reply) => {
      reply.code(Number((request.params as { status: string }).status))
      reply.sendToRoom('cdr', { command: 'ONE' })
      reply.sendToRoom('cdr', { command: 'TWO' })
      reply.sendToRoom('other', { command: 'ELSEWHERE' })
      reply.sendToRoom('cdr', { command: 'THREE' })
      return reply.send()
    })
  })
  for (const code of [200, 201, 204, 302, 304]) {
    t.equal((await room.app.inject(`/${code}`)).statusCode, code)
    t.strictSame(await heard(room), ['ONE', 'TWO', 'THREE'], String(code))
  }
  for (const code of [400, 401, 404, 409, 500, 503]) {
    t.equal((await room.app.inject(`/${code}`)).statusCode, code)
    t.strictSame(await heard(room), [], String(code))
  }
})

t.test('it is not yet sent while the handler is at work', async t => {
  const gate = new Gate()
  const room = await listening(t, app => {
    app.get('/slow', async (_request, reply) => {
      reply.sendToRoom('cdr', HELLO)
      await gate.pass()
      return 'done'
    })
  })
  const response = room.app.inject('/slow')
  await gate.reached
  t.strictSame(await heard(room), [])
  gate.open()
  await response
  t.strictSame(await heard(room), ['HELLO'])
})

t.test('a handler that throws, or replies with an error, sends nothing', async t => {
  const room = await listening(t, app => {
    app.get('/throws', async (_request, reply) => { reply.sendToRoom('cdr', HELLO); throw new Error('no') })
    app.get('/replies', (_request, reply) => { reply.sendToRoom('cdr', HELLO); reply.send(new Error('no')) })
    app.get('/conflict', async (_request, reply) => { reply.sendToRoom('cdr', HELLO); throw Object.assign(new Error('no'), { statusCode: 409 }) })
    app.get('/invalid', { schema: { response: { 200: { type: 'object', required: ['a'], properties: { a: { type: 'string' } } } } } }, async (_request, reply) => {
      reply.sendToRoom('cdr', HELLO)
      return {} // what cannot be serialised is an error of 500
    })
  })
  for (const [path, code] of [['/throws', 500], ['/replies', 500], ['/conflict', 409], ['/invalid', 500]] as const) {
    t.equal((await room.app.inject(path)).statusCode, code)
    t.strictSame(await heard(room), [], path)
  }
})

t.test('callbacks, streams, buffers and web responses are replies like others', async t => {
  const room = await listening(t, app => {
    app.get('/callback', (_request, reply) => { reply.sendToRoom('cdr', HELLO); reply.send('x') })
    app.get('/stream', async (_request, reply) => { reply.sendToRoom('cdr', HELLO); return Readable.from(['x']) })
    app.get('/buffer', async (_request, reply) => { reply.sendToRoom('cdr', HELLO); return Buffer.from('x') })
    app.get('/web', async (_request, reply) => { reply.sendToRoom('cdr', HELLO); return new Response('x') })
  })
  for (const path of ['/callback', '/stream', '/buffer', '/web']) {
    t.equal((await room.app.inject(path)).body, 'x')
    t.strictSame(await heard(room), ['HELLO'], path)
  }
})

t.test('a reply that a later hook of the application makes fail sends nothing', async t => {
  const room = await listening(t, app => {
    app.addHook('onSend', async ({ headers }) => { if (headers['x-fail'] !== undefined) throw new Error('no') })
    app.get('/', async (_request, reply) => { reply.sendToRoom('cdr', HELLO); return {} })
  })
  t.equal((await room.app.inject({ url: '/', headers: { 'x-fail': '1' } })).statusCode, 500)
  t.strictSame(await heard(room), [])
  t.equal((await room.app.inject('/')).statusCode, 200)
  t.strictSame(await heard(room), ['HELLO'])
})

t.test('the message is written down at once: what changes later does not show', async t => {
  const room = await listening(t, app => {
    app.get('/user', async (_request, reply) => {
      const user = { name: 'Ada' }
      reply.sendToRoom('cdr', { command: 'USER', data: user })
      user.name = 'Bob'
      return user
    })
  })
  t.strictSame((await room.app.inject('/user')).json(), { name: 'Bob' })
  t.strictSame(await room.member.next(), { command: 'USER', data: { name: 'Ada' } })
})

t.test('after the reply has gone out, a message goes at once, or is dropped if the reply failed', async t => {
  const room = await listening(t, app => {
    app.addHook('onResponse', async (_request, reply) => { reply.sendToRoom('cdr', { command: 'AFTER' }) })
    app.get('/good', async (_request, reply) => { reply.sendToRoom('cdr', HELLO); return 'x' })
    app.get('/bad', async (_request, reply) => { reply.sendToRoom('cdr', HELLO); return reply.code(400).send() })
  })
  const responses = async (count: number): Promise<void> => await until(() => room.logs.filter(({ msg }) => msg === 'request completed').length >= count)
  await room.app.inject('/good')
  await responses(1)
  t.strictSame(await heard(room), ['HELLO', 'AFTER'])
  await room.app.inject('/bad')
  await responses(2)
  t.strictSame(await heard(room), [])
})

t.test('the same when the connection has nothing more to do with it', async t => {
  let told = 0
  const room = await listening(t, app => {
    app.get('/:status', async (request, reply) => {
      reply.raw.once('close', () => setImmediate(() => { reply.sendToRoom('cdr', { command: 'LATE' }); told++ }))
      reply.sendToRoom('cdr', HELLO)
      return reply.code(Number((request.params as { status: string }).status)).send('x')
    })
  })
  await fetch(`${room.http}/200`).then(async response => await response.text())
  await until(() => told === 1)
  t.strictSame(await heard(room), ['HELLO', 'LATE'])
  await fetch(`${room.http}/400`).then(async response => await response.text())
  await until(() => told === 2)
  t.strictSame(await heard(room), [])
})

t.test('a message that is no good is logged and reported, and the request succeeds', async t => {
  const reported: unknown[] = []
  const room = await listening(t, app => {
    app.get('/bad', async (_request, reply) => {
      reply.sendToRoom('cdr', { command: '' })
      reply.sendToRoom('c d r', HELLO)
      reply.sendToRoom('cdr', { command: 'X', data: 1n })
      reply.sendToRoom('cdr', HELLO)
      return 'fine'
    })
  }, { rooms: { onError: ({ error, room, connection }) => { reported.push([(error as { code?: string }).code, room, connection]) } } })
  const response = await room.app.inject('/bad')
  t.match(response, { statusCode: 200, body: 'fine' })
  t.strictSame(await heard(room), ['HELLO'])
  t.strictSame(reported, [['FST_ROOMS_INVALID_MESSAGE', 'cdr', undefined], ['FST_ROOMS_INVALID_ROOM', 'c d r', undefined], ['FST_ROOMS_INVALID_MESSAGE', 'cdr', undefined]])
  t.match(room.logs.filter(({ level }) => level === 50), [
    { err: { code: 'FST_ROOMS_INVALID_MESSAGE' }, room: 'cdr', reqId: /./ }, { err: { code: 'FST_ROOMS_INVALID_ROOM' } }, { err: { code: 'FST_ROOMS_INVALID_MESSAGE' } }
  ])
})

t.test('a send that fails after the reply is logged and reported, and the request has succeeded', async t => {
  const reported: unknown[] = []
  const bus = new TestBus()
  bus.refuse('send')
  const room = await listening(t, () => {}, {
    rooms: { broker: bus.broker(), whenBrokerDown: 'reject', onError: ({ error, room }) => { reported.push([(error as { code?: string }).code, room]) } }
  })
  t.equal((await room.app.inject({ method: 'PATCH', url: '/cdr/users/7', payload: {} })).statusCode, 200)
  await until(() => reported.length === 1)
  t.strictSame(reported, [['FST_ROOMS_BROKER_UNAVAILABLE', 'cdr']])
  t.match(room.logs.filter(({ level }) => level === 50), [{ msg: 'message could not be sent to the room', room: 'cdr' }])
  t.match(room.app.ws.stats(), { sent: 1, failed: 1 })
})

t.test('nobody sends again what a reply could not: members are told to look for themselves, as soon as that can be said', async t => {
  const bus = new TestBus()
  bus.refuse('send', 1)
  const room = await listening(t, () => {}, { rooms: { broker: bus.broker(), whenBrokerDown: 'reject' } })
  await room.app.inject({ method: 'PATCH', url: '/cdr/users/7', payload: {} })
  await until(() => room.app.ws.stats().broker === 'down')
  t.strictSame(await room.member.next(), status('resync'))
  await until(() => room.app.ws.stats().broker === 'up')
})

t.test('a broker that refuses a message for what it is will not take it later either: nobody is told to look', async t => {
  const broker = Object.assign(new MemoryBroker(), { publish: () => { throw new Error('too long for me') } })
  const reported: unknown[] = []
  const room = await listening(t, () => {}, { rooms: { broker, onError: ({ error }) => { reported.push(error.message) } } })
  await room.app.inject({ method: 'PATCH', url: '/cdr/users/7', payload: {} })
  await until(() => reported.length === 1)
  t.strictSame(reported, ['too long for me'])
  t.equal(room.app.ws.stats().broker, 'up')
})

t.test('a client that leaves before the reply has changed something all the same: the room is told', async t => {
  const gate = new Gate()
  let raw: IncomingMessage | undefined
  const room = await listening(t, app => {
    app.get('/slow', async (request, reply) => {
      raw = request.raw
      await gate.pass()
      reply.sendToRoom('cdr', HELLO)
      return 'done'
    })
  })
  const request = http.get(`${room.http}/slow`).on('error', () => {})
  await gate.reached
  request.destroy()
  await until(() => raw?.socket.destroyed)
  gate.open()
  t.strictSame(await room.member.next(), { command: 'HELLO' })
})

t.test('when the application closes, what handlers at work still send reaches members before they are told to go', async t => {
  const gate = new Gate()
  const room = await listening(t, app => {
    app.get('/slow', async (_request, reply) => {
      await gate.pass()
      reply.sendToRoom('cdr', HELLO)
      return 'done'
    })
  })
  const response = fetch(`${room.http}/slow`)
  await gate.reached
  const closed = room.app.close()
  await until(async () => (await fetch(`${room.http}/nowhere`)).status === 503) // closing has begun
  gate.open()
  t.equal((await response).status, 200)
  t.match(await endingOf(room.member), { frames: [status('connected'), HELLO, status('restarting')], code: 1012 })
  await closed
})

t.test('a reply that was taken away from Fastify holds up nothing', async t => {
  const gate = new Gate()
  const room = await listening(t, app => {
    app.get('/hijacked', (_request, reply) => {
      reply.hijack()
      reply.raw.write('data: hello\n\n')
      gate.open()
    })
    app.get('/gone', (_request, reply) => {
      reply.hijack()
      reply.raw.end('gone')
    })
  })
  t.equal(await (await fetch(`${room.http}/gone`)).text(), 'gone')
  const response = await fetch(`${room.http}/hijacked`)
  await gate.pass()
  const closed = room.app.close()
  t.match(await endingOf(room.member), { code: 1012 })
  await response.body?.cancel()
  await closed
})

noStrays()
