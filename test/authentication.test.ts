import t from 'tap'
import type { Test } from 'tap'
import type { FastifyRequest } from 'fastify'
import { randomBytes } from 'node:crypto'
import { createApp, until } from './helpers/app.js'
import type { TestApp } from './helpers/app.js'
import { endingOf, INVALID_TOKEN, join, open, refusalOf, status } from './helpers/client.js'
import { CLOSE_FRAME, frame, openRaw } from './helpers/raw.js'
import { watchForStrays } from './helpers/strays.js'
import { handmadeToken } from './helpers/token.js'

const noStrays = watchForStrays(t)
const now = (): number => Math.floor(Date.now() / 1_000)
const HS256 = { alg: 'HS256', typ: 'JWT' }

const FIRST_FRAMES: Array<[what: string, frame: string | Buffer]> = [
  ['is not JSON', 'hello'],
  ['is empty', ''],
  ['is cut short', '{"token":"'],
  ['has no token', '{}'],
  ['is an array', '[]'],
  ['is null', 'null'],
  ['is a string', '"token"'],
  ['has a number as its token', '{"token":5}'],
  ['has null as its token', '{"token":null}'],
  ['has an object as its token', '{"token":{"token":"x"}}'],
  ['has an empty token', '{"token":""}'],
  ['has a token only in its prototype', '{"__proto__":{"token":"x"}}'],
  ['is another command', '{"command":"WSPing"}'],
  ['has a token of 7 KB that is none', JSON.stringify({ token: randomBytes(5_250).toString('base64') })],
  ['has a token that no header can hold', JSON.stringify({ token: 'é\u0000\r\nx: y 😀' })]
]

t.test('a first message that is no good', async t => {
  const room = await createApp(t)
  const member = await join(t, room.url, room.token())
  for (const [what, frame] of FIRST_FRAMES) {
    t.strictSame(await refusalOf(t, room.url, frame), INVALID_TOKEN, `${what}: is refused in one word`)
  }
  const binary = Buffer.from(JSON.stringify({ token: room.token() }))
  t.strictSame(await refusalOf(t, room.url, binary), INVALID_TOKEN, 'is binary, though there is a good token in it')
  await onlySees(t, room, member)
})

const TOKENS: Array<[what: string, token: (room: TestApp) => string]> = [
  ['has expired', room => room.token({ sub: 'x', exp: now() - 1 })],
  ['is of tomorrow', room => room.token({ sub: 'x', nbf: now() + 86_400 })],
  ['has no signature and says so', () => handmadeToken({ alg: 'none' }, { sub: 'x' }).replace(/[^.]*$/, '')],
  ['says that it has no signature, and has one', () => handmadeToken({ alg: 'none' }, { sub: 'x' })],
  ['is signed by another key', () => handmadeToken(HS256, { sub: 'x' }, 'another secret')],
  ['is of an algorithm that is not allowed', () => handmadeToken({ alg: 'RS256' }, { sub: 'x' })],
  ['names no algorithm', () => handmadeToken({}, { sub: 'x' })],
  ['has an array in the place of claims', () => handmadeToken(HS256, [{ sub: 'x' }])],
  ['has null in the place of claims', () => handmadeToken(HS256, null)],
  ['has an array in the place of claims, and no good signature', () => handmadeToken(HS256, ['secret of the client'], 'another')],
  ['has claims that are not JSON', () => handmadeToken(HS256, '{')],
  ['has a header that is an array', () => handmadeToken([], { sub: 'x' })],
  ['has an exp that is a word', () => handmadeToken(HS256, { sub: 'x', exp: 'never' })],
  ['has a critical header', () => handmadeToken({ ...HS256, crit: ['b64'] }, { sub: 'x' })],
  ['is cut short', room => room.token().slice(0, -10)],
  ['has lost its signature', room => room.token().split('.').slice(0, 2).join('.')],
  ['has spaces around it', room => ` ${room.token()} `],
  ['is two dots', () => '..']
]

t.test('a token that is no good', async t => {
  const room = await createApp(t)
  const member = await join(t, room.url, room.token())
  for (const [what, token] of TOKENS) {
    room.logs.length = 0
    t.strictSame(await refusalOf(t, room.url, { token: token(room) }), INVALID_TOKEN, `${what}: is refused in one word`)
    t.notOk(room.logs.some(({ level }) => level as number > 30), `${what}: is nobody's fault on our side`)
    t.notOk(JSON.stringify(room.logs).includes('secret of the client'), 'what the client sent is not in the log')
  }
  t.match(room.logs.filter(({ msg }) => msg === 'socket refused'), [{ level: 30, cause: 'invalid_token', code: 'FST_JWT_AUTHORIZATION_TOKEN_INVALID' }])
  t.match(room.app.ws.stats().ended, { invalid_token: TOKENS.length })
  await onlySees(t, room, member)
})

t.test('a token for somebody else is refused where `allowedAud` is configured', async t => {
  const room = await createApp(t, { jwt: { verify: { algorithms: ['HS256'], allowedAud: 'cdr', requiredClaims: ['aud'] } } })
  t.strictSame(await refusalOf(t, room.url, { token: room.token({ sub: 'x', aud: 'payments' }) }), INVALID_TOKEN)
  t.strictSame(await refusalOf(t, room.url, { token: room.token({ sub: 'x' }) }), INVALID_TOKEN)
  await t.resolves(join(t, room.url, room.token({ sub: 'x', aud: 'cdr' })))
})

t.test('a token that the application no longer trusts is refused', async t => {
  const room = await createApp(t, { jwt: { trusted: (_request: unknown, { jti }: { jti: string }) => jti !== 'revoked' } })
  t.strictSame(await refusalOf(t, room.url, { token: room.token({ sub: 'x', jti: 'revoked' }) }), INVALID_TOKEN)
  await t.resolves(join(t, room.url, room.token({ sub: 'x', jti: 'good' })))
})

t.test('a first message that is too big is closed with 1009, and no word', async t => {
  const room = await createApp(t)
  const member = await join(t, room.url, room.token())
  const tooBig = { frames: [], code: 1009, reason: '' }
  const token = (bytes: number): string => JSON.stringify({ token: 'x'.repeat(bytes - 12) })
  t.strictSame(await refusalOf(t, room.url, token(8_193)), tooBig)
  t.strictSame(await refusalOf(t, room.url, token(1_048_576)), tooBig)
  t.strictSame(await refusalOf(t, room.url, token(8_192)), INVALID_TOKEN, 'as big as it may be')
  await onlySees(t, room, member)
})

t.test('a good token is enough, however @fastify/jwt finds those of requests', async t => {
  for (const jwt of [
    { cookie: { cookieName: 'token', signed: false } },
    { cookie: { cookieName: 'token', signed: true }, verify: { onlyCookie: true } },
    { verify: { extractToken: () => 'not this one' } },
    { verify: { extractToken: () => undefined } },
    { jwtVerify: 'jwtVerify' }
  ]) {
    const room = await createApp(t, { jwt })
    const member = await join(t, room.url, room.token())
    t.strictSame(await refusalOf(t, room.url, { token: 'nonsense' }), INVALID_TOKEN)
    await onlySees(t, room, member)
  }
})

t.test('a key that has to be fetched is waited for', async t => {
  const room = await createApp(t, { jwt: { secret: async () => await new Promise(resolve => setImmediate(resolve, 'a secret of the tests')) } })
  const member = await join(t, room.url, (await createApp(t)).token())
  t.strictSame(await refusalOf(t, room.url, { token: handmadeToken(HS256, { sub: 'x', iat: now() }, 'another secret') }), INVALID_TOKEN)
  await onlySees(t, room, member)
})

t.test('an application may have a `jwtVerify` of its own, which knows promises only', async t => {
  const checked: unknown[] = []
  const room = await createApp(t, {
    jwt: { namespace: 'web', jwtVerify: 'webVerify', jwtSign: 'webSign' },
    before: async app => {
      app.decorateRequest('jwtVerify', async function (this: FastifyRequest) {
        const { authorization } = this.headers
        await new Promise(resolve => setImmediate(resolve))
        checked.push(this.headers.authorization)
        if (authorization !== 'Bearer good') throw Object.assign(new Error('no'), { statusCode: 401 })
        return { sub: 'jeanne' }
      } as never)
      return {}
    }
  })
  const member = await join(t, room.url, 'good')
  t.strictSame(await refusalOf(t, room.url, { token: 'bad' }), INVALID_TOKEN)
  t.strictSame(checked, ['Bearer good', 'Bearer bad'], 'the token is there for as long as the check takes')
  await onlySees(t, room, member)
})

t.test('a `jwtVerify` that wraps that of @fastify/jwt has the last word, though it hands on whatever it is given', async t => {
  for (const jwt of [{}, { secret: async () => await new Promise(resolve => setImmediate(resolve, 'a secret of the tests')) }]) {
    const room = await createApp(t, {
      jwt: { ...jwt, namespace: 'web', jwtVerify: 'plainVerify', jwtSign: 'plainSign' },
      before: async app => {
        app.decorateRequest('jwtVerify', async function (this: FastifyRequest & { plainVerify (...given: unknown[]): Promise<{ sub: string }> }, ...given: unknown[]) {
          const user = await this.plainVerify(...given)
          if (user.sub === 'banned') throw Object.assign(new Error('no'), { statusCode: 401 })
          return user
        } as never)
        return {}
      }
    })
    const tokenOf = (sub: string, secret?: string): string => handmadeToken(HS256, { sub, iat: now() }, secret)
    const member = await join(t, room.url, tokenOf('jeanne'))
    t.strictSame(await refusalOf(t, room.url, { token: tokenOf('banned') }), INVALID_TOKEN)
    t.strictSame(await refusalOf(t, room.url, { token: tokenOf('jeanne', 'another secret') }), INVALID_TOKEN)
    await onlySees(t, room, member)
  }
})

t.test('an application may have a `jwtVerify` of its own, which answers at once', async t => {
  const room = await createApp(t, {
    jwt: { namespace: 'web', jwtVerify: 'webVerify', jwtSign: 'webSign' },
    before: async app => {
      app.decorateRequest('jwtVerify', function (this: FastifyRequest) {
        if (this.headers.authorization !== 'Bearer good') throw Object.assign(new Error('no'), { statusCode: 401 })
        return { sub: 'jeanne' }
      } as never)
      return {}
    }
  })
  const member = await join(t, room.url, 'good')
  t.strictSame(await refusalOf(t, room.url, { token: 'bad' }), INVALID_TOKEN)
  await onlySees(t, room, member)
})

t.test('what a check of the application writes to the headers stays, and the token does not', async t => {
  const seen: unknown[] = []
  const { url, token } = await createApp(t, {
    jwt: { trusted: (request: FastifyRequest) => { request.headers['x-tenant'] = 'north'; return true } },
    route: { authorize: ({ request: { headers } }) => seen.push(headers['x-tenant'], headers.authorization) > 0 }
  })
  await join(t, url, token())
  t.strictSame(seen, ['north', undefined])
})

t.test('a token stands in the headers only while it is checked', async t => {
  const during: unknown[] = []
  const after: unknown[] = []
  const { url, token } = await createApp(t, {
    jwt: { trusted: (request: FastifyRequest) => during.push(request.headers.authorization) > 0 },
    route: { authorize: ({ request }) => after.push(request.headers.authorization) > 0 }
  })
  const jwt = token()
  await join(t, url, jwt)
  const client = await open(t, url, { headers: { authorization: 'Basic of-the-upgrade' } })
  client.send({ token: jwt })
  t.match(await client.next(), { data: { status: 'connected' } })
  t.strictSame(during, [`Bearer ${jwt}`, `Bearer ${jwt}`])
  t.strictSame(after, [undefined, 'Basic of-the-upgrade'])
})

t.test('who says nothing hears that the time is over', async t => {
  const room = await createApp(t, { rooms: { authTimeout: 50 } })
  const client = await open(t, room.url)
  t.strictSame(await endingOf(client), { frames: [status('auth_timeout')], code: 4408, reason: '' })
  t.match(room.app.ws.stats(), { waiting: 0, ended: { auth_timeout: 1 } })
})

t.test('pings and parts of a message do not prolong the time', async t => {
  const room = await createApp(t, { rooms: { authTimeout: 100 } })
  const pinger = await open(t, room.url)
  const dripper = await openRaw(t, room.url)
  dripper.write(frame('{"token":"', { fin: false }))
  const pinging = setInterval(() => {
    if (pinger.socket.readyState === pinger.socket.OPEN) pinger.socket.ping()
    dripper.write(frame('x', { opcode: 0, fin: false }))
  }, 10)
  t.teardown(() => clearInterval(pinging))
  t.match(await endingOf(pinger), { code: 4408 })
  t.equal(await dripper.closeCode(), 4408)
})

t.test('a second token, before the verdict on the first one, changes nothing', async t => {
  const room = await createApp(t)
  const member = await open(t, room.url)
  member.send({ token: room.token() })
  member.send({ token: room.token({ sub: 'paul' }) })
  member.send({ token: 'nonsense' })
  t.match(await member.next(), { data: { status: 'connected' } })
  await until(() => room.app.ws.stats().ignored === 2)
  await onlySees(t, room, member)
})

t.test('a client that sends a bad token and leaves with the same packet harms nobody', async t => {
  const room = await createApp(t)
  const member = await join(t, room.url, room.token())
  const raw = await openRaw(t, room.url)
  raw.write(frame('{"token":"nonsense"}'), CLOSE_FRAME)
  await raw.closed
  await until(() => room.app.ws.stats().connections === 1)
  await onlySees(t, room, member)
})

t.test('a client that leaves before its token leaves nothing', async t => {
  const room = await createApp(t)
  const client = await open(t, room.url)
  await until(() => room.app.ws.stats().waiting === 1)
  client.socket.terminate()
  await until(() => room.app.ws.stats().connections === 0)
  t.match(room.app.ws.stats(), { waiting: 0, members: 0, rooms: 0, ended: { client: 1 } })
})

t.test('a room that is open to all waits for no token, and takes a token for any other frame', async t => {
  const users: unknown[] = []
  const room = await createApp(t, {
    rooms: { userId: () => 'never asked', expiresAt: () => 1 },
    route: { authenticate: false, onJoin: ({ connection }) => { users.push(connection.user, connection.userId) } }
  })
  const member = await open(t, room.url)
  t.match(await member.next(), { data: { status: 'connected', rooms: { cdr: {} } } })
  t.strictSame(users, [null, undefined])
  member.send({ token: 'nonsense' })
  await until(() => room.app.ws.stats().ignored === 1)
  await onlySees(t, room, member)
})

/** Whatever has happened to others, a member goes on, and has seen nothing of it. */
async function onlySees (t: Test, { app }: TestApp, member: Awaited<ReturnType<typeof join>>): Promise<void> {
  await app.ws.sendToRoom('cdr', { command: 'HELLO', data: 1 })
  t.strictSame(await member.next(), { command: 'HELLO', data: 1 })
  t.equal(member.frames.length, 2)
  t.match(app.ws.stats(), { members: 1 })
}

noStrays()
