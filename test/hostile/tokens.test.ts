import { createHmac, generateKeyPairSync, randomBytes } from 'node:crypto'
import t from 'tap'
import type { Test } from 'tap'
import { createApp } from '../helpers/app.js'
import type { TestApp } from '../helpers/app.js'
import { INVALID_TOKEN, join, refusalOf } from '../helpers/client.js'
import { watchForStrays } from '../helpers/strays.js'
import { handmadeToken } from '../helpers/token.js'

const noStrays = watchForStrays(t)

const SECRET = 'a secret of the tests'
const HS256 = { alg: 'HS256', typ: 'JWT' }
const now = Math.floor(Date.now() / 1_000)
const GOOD = { sub: 'mallory', aud: 'rooms', iss: 'https://id.example', iat: now, exp: now + 3_600 }

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048, publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs8', format: 'pem' } })

const good = (claims: object = {}, header: object = HS256): string => handmadeToken(header, { ...GOOD, ...claims }, SECRET)

/** Strict, as docs and the warnings at boot ask for. */
const STRICT = { verify: { algorithms: ['HS256'], allowedAud: 'rooms', allowedIss: 'https://id.example', requiredClaims: ['exp', 'sub', 'aud', 'iss'] } }

const TOKENS: Array<[what: string, token: string]> = [
  ['has expired', good({ exp: now - 1 })],
  ['expired in 1970', good({ exp: 0 })],
  ['has an `exp` that is no number', good({ exp: 'never' })],
  ['has an `exp` that is an object', good({ exp: { valueOf: 1e12 } })],
  ['is not valid yet', good({ nbf: now + 86_400 })],
  ['has no `exp`', good({ exp: undefined })],
  ['has no `sub`', good({ sub: undefined })],
  ['is for another audience', good({ aud: 'payments' })],
  ['is for nobody', good({ aud: undefined })],
  ['is of another issuer', good({ iss: 'https://evil.example' })],
  ['is of an issuer that only begins like ours', good({ iss: 'https://id.example.evil.example' })],
  ['has no signature, and says so', `${handmadeToken({ alg: 'none' }, GOOD).split('.').slice(0, 2).join('.')}.`],
  ['says `None`', handmadeToken({ alg: 'None' }, GOOD, SECRET)],
  ['names no algorithm', handmadeToken({ typ: 'JWT' }, GOOD, SECRET)],
  ['is of HS512', good({}, { alg: 'HS512' })],
  ['says that it is of RS256', good({}, { alg: 'RS256' })],
  ['is signed with no secret', handmadeToken(HS256, GOOD, '')],
  ['is signed with another tenant’s secret', handmadeToken(HS256, GOOD, 'the secret of another tenant')],
  ['is signed with the public key of somebody', handmadeToken(HS256, GOOD, publicKey)],
  ['has an array for claims', handmadeToken(HS256, [GOOD], SECRET)],
  ['has null for claims', handmadeToken(HS256, null, SECRET)],
  ['has a string for claims', handmadeToken(HS256, '"mallory"', SECRET)],
  ['has claims that are no JSON', handmadeToken(HS256, '{"sub":', SECRET)],
  ['has claims in its prototype', handmadeToken(HS256, `{"__proto__":${JSON.stringify(GOOD)}}`, SECRET)],
  ['has a header that is critical', good({}, { ...HS256, crit: ['exp'], exp: 1 })],
  ['has three dots', `${good()}.x`],
  ['has lost its signature', good().split('.').slice(0, 2).join('.')],
  ['has lost the end of its signature', good().slice(0, -2)],
  ['has a signature in another alphabet', good().replaceAll('-', '+').replaceAll('_', '/') + '=='],
  ['has a line break', `${good()}\n`],
  ['has a space before it', ` ${good()}`],
  ['says Bearer', `Bearer ${good()}`],
  ['has a zero byte', `${good()}\0`],
  ['is 7 KB of nothing', randomBytes(5_000).toString('base64url')],
  ['is 2,000 dots', '.'.repeat(2_000)]
]

t.test('C3: a token of whatever bad kind is refused with 4401, in the same words', async t => {
  const room = await createApp(t, { jwt: STRICT })
  for (const [what, token] of TOKENS) t.strictSame(await refusalOf(t, room.url, { token }), INVALID_TOKEN, what)
  await control(t, room, good())
  t.notOk(room.logs.some(({ level }) => level as number > 30), 'and is nobody’s fault on our side')
})

t.test('C3: a key id that leads elsewhere leads nowhere', async t => {
  const room = await createApp(t, { jwt: STRICT })
  for (const kid of ['../../../../dev/null', '/proc/self/environ', 'http://127.0.0.1:1/keys', '\'; DROP TABLE keys; --', '__proto__', 'x'.repeat(4_000)]) {
    t.strictSame(await refusalOf(t, room.url, { token: handmadeToken({ ...HS256, kid }, GOOD, '') }), INVALID_TOKEN, kid.slice(0, 40))
  }
  await control(t, room, good({}, { ...HS256, kid: '../../../../dev/null' }))
})

t.test('C3: where tokens are signed with RS256, its public key is nobody’s secret', async t => {
  const room = await createApp(t, { jwt: { secret: { private: privateKey, public: publicKey }, sign: { algorithm: 'RS256' }, verify: { algorithms: ['RS256'], requiredClaims: ['exp', 'sub'] } } })
  for (const key of [publicKey, publicKey.trim(), ` ${publicKey}`, `\n\n${publicKey}`, `x${publicKey}`, publicKey.replaceAll('\n', '\r\n'), publicKey.replaceAll(/-----.*-----|\n/g, '')]) {
    const [head, claims] = handmadeToken(HS256, GOOD).split('.') as [string, string]
    const signature = createHmac('sha256', key).update(`${head}.${claims}`).digest('base64url')
    t.strictSame(await refusalOf(t, room.url, { token: `${head}.${claims}.${signature}` }), INVALID_TOKEN)
  }
  t.strictSame(await refusalOf(t, room.url, { token: good() }), INVALID_TOKEN, 'nor is the secret of others')
  await control(t, room, room.token(GOOD))
})

t.test('C3: a key that begins like none known is not taken for a secret', async t => {
  // CVE-2026-34950 and CVE-2026-107722: a prefix before the PEM made older ones take a public key for an HMAC's secret.
  for (const prefix of [' ', '\n', 'x', '# a comment\n']) {
    const boot = createApp(t, { jwt: { secret: { public: prefix + publicKey, private: privateKey }, verify: { algorithms: ['RS256'] } } })
    const refused = await boot.then(async room => {
      const [head, claims] = handmadeToken(HS256, GOOD).split('.') as [string, string]
      const signature = createHmac('sha256', prefix + publicKey).update(`${head}.${claims}`).digest('base64url')
      return (await refusalOf(t, room.url, { token: `${head}.${claims}.${signature}` })).code
    }, () => 'not started')
    t.match(String(refused), /^(4401|1011|not started)$/, JSON.stringify(prefix))
  }
})

t.test('C3: a token of 100 KB is closed with 1009, and no word', async t => {
  const room = await createApp(t, { jwt: STRICT })
  t.strictSame(await refusalOf(t, room.url, { token: good({ more: 'x'.repeat(100 * 1_024) }) }), { frames: [], code: 1009, reason: '' })
  await control(t, room, good({ more: 'x'.repeat(5_000) }))
})

/** A suite that refuses everything proves nothing. */
async function control (t: Test, { url }: TestApp, token: string): Promise<void> {
  await t.resolves(join(t, url, token), 'a good one is let in')
}

noStrays()
