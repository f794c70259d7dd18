import type { AddressInfo, Socket } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import Fastify from 'fastify'
import type { FastifyRequest } from 'fastify'
import fastifyRooms, { defineRoom } from '../index.js'
import { createApp, until } from './helpers/app.js'
import type { Settings, TestApp } from './helpers/app.js'
import { advanceClock } from './helpers/clock.js'
import { endingOf, join, open, status } from './helpers/client.js'
import type { Client } from './helpers/client.js'
import { Gate } from './helpers/gate.js'
import { watchForStrays } from './helpers/strays.js'

const noStrays = watchForStrays(t)

type Claims = { sub: string, role?: string, tenant?: string }

const refreshed = (id?: unknown) => ({ command: 'WSStatus', data: { status: 'refreshed' }, ...id !== undefined && { id } })
const failed = (code: string, id?: unknown) => ({ command: 'WSError', data: { code }, ...id !== undefined && { id } })

async function memberOf (t: Test, settings: Settings, claims: object = { sub: 'jeanne' }): Promise<TestApp & { member: Client }> {
  const room = await createApp(t, settings)
  return { ...room, member: await join(t, room.url, room.token(claims)) }
}

/** That it is in the room still, and has been told nothing else. */
async function hears (t: Test, { app }: TestApp, member: Client): Promise<void> {
  await app.ws.sendToRoom('cdr', { command: 'HELLO' })
  t.strictSame(await member.next(), { command: 'HELLO' })
}

t.test('a new token of the same user takes the place of the old one, which may then expire', async t => {
  const room = await createApp(t)
  const exp = Math.ceil(Date.now() / 1_000) + 1_800
  const member = await join(t, room.url, room.token({ sub: 'jeanne', exp }))
  member.send({ token: room.token({ sub: 'jeanne' }, { expiresIn: '1h' }), id: 'r1' })
  const answer = await member.next()
  t.match(answer, refreshed('r1'))
  const { expiresIn } = answer.data as { expiresIn: number }
  t.ok(expiresIn > 3_590_000 && expiresIn <= 3_600_000, `${expiresIn} ms`)
  const other = await join(t, room.url, room.token({ sub: 'paul', exp }))
  advanceClock(t, 2_000)
  t.equal((await other.closed).code, 4419, 'by a sweep that would have met the old token, too')
  await hears(t, room, member)
})

t.test('a token that never expires is refreshed without a time, and an answer has an id only where one was asked for', async t => {
  const { member, token } = await memberOf(t, {})
  member.send({ token: token() })
  t.strictSame(await member.next(), refreshed())
})

t.test('a token that has expired already ends the socket', async t => {
  const { member, token } = await memberOf(t, { rooms: { expiresAt: ({ user }) => (user as { ends?: number }).ends } })
  member.send({ token: token({ sub: 'jeanne', ends: 1 }) })
  t.match(await endingOf(member), { frames: [status('connected'), status('expired_token')], code: 4419 })
})

t.test('who is told that the token expires, and sends a new one, is told again in time', async t => {
  const { member, token } = await memberOf(t, { rooms: { refreshWindow: 60_000, expiresAt: () => Date.now() / 1_000 + 4 } })
  for (let i = 0; i < 2; i++) {
    t.match(await member.next(), status('token_expiring'))
    member.send({ token: token() })
    t.match(await member.next(), refreshed())
  }
})

t.test('a new token that is no good ends the socket with 4401, whatever is wrong with it', async t => {
  for (const [name, bad] of [['nonsense', 'nonsense'], ['empty', ''], ['no text', 7], ['null', null], ['an object', { token: 'x' }]] as const) {
    const { member } = await memberOf(t, {})
    member.send({ token: bad })
    t.match(await endingOf(member), { frames: [status('connected'), status('invalid_token')], code: 4401, reason: '' }, name)
  }
})

t.test('a new token that is longer than a first one may be ends the socket', async t => {
  const { member } = await memberOf(t, {})
  member.send({ token: 'x'.repeat(9_000) })
  t.match(await endingOf(member), { frames: [status('connected')], code: 1009 })
})

t.test('a token of another user is refused with 4403', async t => {
  const { app, member, token, logs } = await memberOf(t, {})
  member.send({ token: token({ sub: 'paul' }) })
  t.match(await endingOf(member), { frames: [status('connected'), status('forbidden')], code: 4403 })
  await until(() => app.ws.stats().connections === 0)
  t.match(logs.filter(({ msg }) => msg === 'new token refused'), [{ cause: 'forbidden', code: 'FST_ROOMS_OTHER_USER', user: 'jeanne', room: 'cdr' }])
})

t.test('a command that is at work never sees another user', async t => {
  const contract = defineRoom('desk', { messages: { SAID: {} }, commands: { WHO: {} } })
  const gate = new Gate()
  const seen: unknown[] = []
  const look = (request: FastifyRequest, connection: { user: unknown }): void => {
    seen.push((request.user as Claims).sub, (connection.user as Claims).sub, request.headers.authorization)
  }
  const { http, token } = await createApp(t, {
    setup: app => {
      app.get('/desk', { websocket: true }, app.manageWebsocket(contract, {
        authenticate: async request => {
          await request.jwtVerify()
          if ((request.user as Claims).sub === 'paul') await gate.pass()
        },
        commands: {
          WHO: async ({ request, connection }) => {
            look(request, connection)
            await gate.reached
            look(request, connection) // while the other one's token is being checked
            gate.open()
            await new Promise(resolve => { setImmediate(resolve) })
            look(request, connection)
          }
        }
      }))
    }
  })
  const member = await join(t, `${http.replace('http', 'ws')}/desk`, token())
  member.send({ command: 'WHO' })
  await until(() => seen.length === 3)
  member.send({ token: token({ sub: 'paul' }) })
  t.equal((await member.closed).code, 4403)
  t.strictSame(new Set(seen), new Set(['jeanne', undefined]))
})

t.test('handlers see what the new token says, and what the hook has left', async t => {
  const contract = defineRoom('desk', { messages: { SAID: {} }, commands: { WHO: {} } })
  const { http, token } = await createApp(t, {
    setup: app => {
      app.decorateRequest('tenant', '')
      app.get('/desk', { websocket: true }, app.manageWebsocket(contract, {
        authenticate: async request => {
          await request.jwtVerify()
          Object.assign(request, { tenant: (request.user as Claims).tenant })
        },
        commands: { WHO: ({ request, connection }) => ({ role: (connection.user as Claims).role, same: request.user === connection.user, tenant: (request as never as { tenant: string }).tenant }) }
      }))
    }
  })
  const member = await join(t, `${http.replace('http', 'ws')}/desk`, token({ sub: 'jeanne', role: 'guest', tenant: 'a' }))
  member.send({ token: token({ sub: 'jeanne', role: 'admin', tenant: 'b' }) })
  t.match(await member.next(), refreshed())
  member.send({ command: 'WHO', id: 1 })
  t.match(await member.next(), { data: { role: 'admin', same: true, tenant: 'b' } })
})

t.test('a token that has become one of no rights in the room ends a socket of that room with 4403', async t => {
  const entries: unknown[] = []
  const { member, token } = await memberOf(t, {
    route: {
      authorize: entry => {
        entries.push(entry.room, entry.request.url)
        return (entry.user as unknown as Claims).role === 'volunteer'
      }
    }
  }, { sub: 'jeanne', role: 'volunteer' })
  member.send({ token: token({ sub: 'jeanne', role: 'volunteer' }) })
  t.match(await member.next(), refreshed())
  member.send({ token: token({ sub: 'jeanne', role: 'nobody' }) })
  t.match(await endingOf(member), { frames: [status('connected'), refreshed(), status('forbidden')], code: 4403 })
  t.strictSame(new Set(entries), new Set(['cdr', '/cdr/users/ws']))
})

t.test('a socket of several rooms leaves those that the new token does not open, and stays in the others', async t => {
  const left: string[] = []
  const { app, http, token } = await createApp(t, {
    setup: app => {
      app.get('/all', { websocket: true }, app.manageWebsocket(['a', 'b', 'c'], {
        authorize: ({ user, room }) => (user as unknown as { rooms: string }).rooms.includes(room),
        onLeave: ({ room }) => { left.push(room) }
      }))
    }
  })
  const member = await join(t, `${http.replace('http', 'ws')}/all`, token({ sub: 'jeanne', rooms: 'abc' }))
  member.send({ token: token({ sub: 'jeanne', rooms: 'b' }), id: 1 })
  for (const room of ['a', 'c']) {
    t.strictSame(await member.next(), { command: 'WSStatus', data: { status: 'left', rooms: { [room]: { reason: 'forbidden' } } } })
  }
  t.match(await member.next(), refreshed(1))
  await until(() => left.length === 2)
  t.strictSame(left, ['a', 'c'])
  for (const room of ['a', 'b', 'c']) await app.ws.sendToRoom(room, { command: 'HELLO' })
  t.strictSame(await member.next(), { command: 'HELLO', room: 'b' })
})

t.test('a room that is joined while the new token is checked is asked about, too', async t => {
  const gate = new Gate()
  let checking = false
  const { http, token } = await createApp(t, {
    setup: app => {
      app.get('/all', { websocket: true }, app.manageWebsocket(['a'], {
        authorize: async ({ user, room }) => {
          const { role } = user as unknown as Claims
          if (room === 'a' && checking) await gate.pass()
          return room === 'a' || role === 'admin'
        },
        onJoin: async ({ connection, room }) => {
          if (room !== 'a') return
          await gate.reached
          await connection.join('b')
          gate.open()
        }
      }))
    }
  })
  const member = await join(t, `${http.replace('http', 'ws')}/all`, token({ sub: 'jeanne', role: 'admin' }))
  checking = true
  member.send({ token: token({ sub: 'jeanne', role: 'nobody' }) })
  t.match(await member.next(), { data: { status: 'joined', rooms: { b: {} } } })
  t.match(await member.next(), { data: { status: 'left', rooms: { b: { reason: 'forbidden' } } } })
  t.match(await member.next(), refreshed())
})

t.test('and so is one that is joined in any turn between the last answer and the change, with the rights of the old token', async t => {
  const stand = defineRoom('stand', { messages: {}, commands: { NOTHING: {}, JOIN: {} } })
  const { http, token, app } = await createApp(t, {
    setup: app => {
      app.get('/stand', { websocket: true }, app.manageWebsocket([stand], {
        authorize: ({ user, room }) => room === 'stand' || (user as unknown as Claims).role === 'admin',
        commands: { stand: { NOTHING () {}, JOIN: async ({ connection }) => { await connection.join('backstage') } } }
      }))
    }
  })
  for (let turns = 0; turns < 12; turns++) {
    const member = await join(t, `${http.replace('http', 'ws')}/stand`, token({ sub: 'jeanne', role: 'admin' }))
    const { socket: { _socket: stream } } = member as unknown as { socket: { _socket: Socket } }
    stream.cork() // what comes in one piece is read in one, a turn of microtasks for each frame
    member.send({ token: token({ sub: 'jeanne', role: 'nobody' }) })
    for (let turn = 0; turn < turns; turn++) member.send({ command: 'NOTHING', room: 'stand' })
    member.send({ command: 'JOIN', room: 'stand', id: 1 })
    stream.uncork()
    const told: unknown[] = []
    while (told.length < 2 || !told.includes('refreshed')) {
      const { command, data, id } = await member.next()
      if (data?.status !== undefined) told.push(data.status)
      else if (id === 1) told.push(command)
    }
    t.equal(await app.ws.count('backstage'), 0, `${turns}: ${told}`)
    member.socket.terminate()
    await until(() => app.ws.stats().connections === 0)
  }
})

t.test('what cannot be decided leaves all as it was: the old token still counts', async t => {
  let broken: 'authenticate' | 'authorize' | 'limit' | undefined
  const room = await memberOf(t, {
    route: {
      authenticate: async request => {
        await request.jwtVerify()
        if (broken === 'authenticate') throw new Error('the keys cannot be fetched')
        if (broken === 'limit') throw Object.assign(new Error('too many'), { statusCode: 429 })
      },
      authorize: () => {
        if (broken === 'authorize') throw new Error('the database is away')
        return true
      }
    }
  })
  const { member, token, logs } = room
  for (broken of ['authenticate', 'authorize', 'limit'] as const) {
    member.send({ token: token({ sub: 'jeanne', role: 'admin' }), id: broken })
    t.match(await member.next(), failed('FST_ROOMS_REFRESH_FAILED', broken))
  }
  await hears(t, room, member)
  t.match(logs.filter(({ level }) => level === 50), [
    { msg: 'new token could not be checked', err: { message: 'the keys cannot be fetched' } },
    { msg: 'new token could not be checked', err: { message: 'the database is away' } }
  ])
  broken = undefined
  member.send({ token: token() })
  t.match(await member.next(), refreshed())
})

t.test('where users have no name, nobody can know whose a new token is, and the log says what to do', async t => {
  const room = await memberOf(t, { route: { userId: () => undefined } })
  room.member.send({ token: room.token() })
  t.match(await room.member.next(), failed('FST_ROOMS_REFRESH_FAILED'))
  t.match(room.logs.filter(({ level }) => level === 50), [{ err: { code: 'FST_ROOMS_NO_USER_ID', message: /option `userId`/ } }])
  await hears(t, room, room.member)
})

t.test('one new token is checked at a time', async t => {
  const gate = new Gate()
  let checks = 0
  const room = await memberOf(t, {
    route: {
      authenticate: async request => {
        await request.jwtVerify()
        if (++checks > 1) await gate.pass()
      }
    }
  })
  room.member.send({ token: room.token(), id: 1 })
  await gate.reached
  room.member.send({ token: room.token({ sub: 'paul' }), id: 2 })
  t.match(await room.member.next(), failed('FST_ROOMS_REFRESHING', 2))
  gate.open()
  t.match(await room.member.next(), refreshed(1))
  t.equal(checks, 2)
})

t.test('a hook that leaves a user alone who is there is asked about a request that has none', async t => {
  const { member, token } = await memberOf(t, { route: { authenticate: async request => { if (!request.user) await request.jwtVerify() } } })
  member.send({ token: token() })
  t.match(await member.next(), refreshed())
  member.send({ token: 'nonsense' })
  t.equal((await member.closed).code, 4401)
})

t.test('hooks that never decide are waited for no longer than at the door', async t => {
  let checks = 0
  const room = await memberOf(t, {
    rooms: { authTimeout: 300 },
    route: {
      authenticate: async request => {
        await request.jwtVerify()
        if (++checks > 1) await new Promise(() => {})
      }
    }
  })
  room.member.send({ token: room.token() })
  t.match(await room.member.next(), failed('FST_ROOMS_REFRESH_FAILED'))
  await hears(t, room, room.member)
})

t.test('a client that leaves while its new token is checked leaves nothing, and nobody is told', async t => {
  const gate = new Gate()
  let checks = 0
  const { app, member, token, logs } = await memberOf(t, {
    route: {
      authenticate: async request => {
        await request.jwtVerify()
        if (++checks > 1) await gate.pass()
      }
    }
  })
  member.send({ token: token() })
  await gate.reached
  member.socket.terminate()
  await until(() => app.ws.stats().connections === 0)
  gate.open()
  await new Promise(resolve => { setImmediate(resolve) })
  t.strictSame(logs.filter(({ level }) => level as number >= 40), [])
})

t.test('nor does one that leaves while it is asked whether it may stay in its room', async t => {
  const gate = new Gate()
  let asked = 0
  const { app, member, token, logs } = await memberOf(t, {
    route: {
      authorize: async () => {
        if (++asked > 1) await gate.pass()
        return true
      }
    }
  })
  member.send({ token: token() })
  await gate.reached
  member.socket.terminate()
  await until(() => app.ws.stats().connections === 0)
  gate.open()
  await new Promise(resolve => { setImmediate(resolve) })
  t.strictSame(logs.filter(({ level }) => level as number >= 40), [])
  t.match(app.ws.stats(), { members: 0, rooms: 0 })
})

t.test('where nothing can check another token, nobody is asked for one, and one that comes is ignored', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyRooms, { refreshWindow: 60_000 })
  app.decorateRequest('user', null as never)
  app.get('/ws', {
    websocket: true, preValidation: async request => { request.user = { sub: 'jeanne', exp: Math.ceil(Date.now() / 1_000) + 1_800 } as never }
  }, app.manageWebsocket('cdr', { authenticate: 'upgrade' }))
  await app.listen({ port: 0, host: '127.0.0.1' })
  const member = await open(t, `ws://127.0.0.1:${(app.server.address() as AddressInfo).port}/ws`)
  t.match(await member.next(), { data: { status: 'connected' } })
  member.send({ token: 'nonsense' })
  await until(() => app.ws.stats().ignored === 1)
  advanceClock(t, 2_000)
  t.equal((await member.closed).code, 4419)
  t.strictSame(member.frames.map(({ data }) => data?.status), ['connected', 'expired_token'])
})

t.test('a guest has no token to renew, and one that it sends is ignored', async t => {
  const room = await memberOf(t, { route: { authenticate: false } })
  room.member.send({ token: room.token() })
  await until(() => room.app.ws.stats().ignored === 2) // one for the token that `join` has sent
  await hears(t, room, room.member)
})

t.test('a message of the application that has a token in it is no new token', async t => {
  const contract = defineRoom('desk', { messages: { SAID: {} }, commands: { SIGN: {} } })
  const { http, token } = await createApp(t, {
    setup: app => { app.get('/desk', { websocket: true }, app.manageWebsocket(contract, { commands: { SIGN: ({ data }) => data } })) }
  })
  const member = await join(t, `${http.replace('http', 'ws')}/desk`, token())
  member.send({ command: 'SIGN', data: 1, token: 'nonsense', id: 1 })
  t.strictSame(await member.next(), { command: 'SIGN', data: 1, id: 1 })
})

noStrays()
