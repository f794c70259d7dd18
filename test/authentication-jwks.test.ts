import { generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { join as joinPath } from 'node:path'
import { pathToFileURL } from 'node:url'
import fastifyJwt from '@fastify/jwt'
import t from 'tap'
import type { Test } from 'tap'
import { answerTo } from './helpers/answer.js'
import { createApp } from './helpers/app.js'
import type { Settings, TestApp } from './helpers/app.js'
import { INVALID_TOKEN, join, refusalOf, status } from './helpers/client.js'
import type { Ending } from './helpers/client.js'
import { blocks } from './helpers/docs.js'
import { watchForStrays } from './helpers/strays.js'
import { handmadeToken } from './helpers/token.js'

const noStrays = watchForStrays(t)
const UNAVAILABLE: Ending = { frames: [status('unavailable')], code: 1011, reason: '' }
const ISSUER = "'https://login.example/'"
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })

/** An identity provider: whoever asks is given these keys, until it goes away. */
class Provider {
  /** All are the same key; only the first says what it is for, as providers may or may not. */
  readonly keys = [{ kid: 'one', alg: 'RS256', use: 'sig' }, { kid: 'two' }, { kid: 'three' }].map(own => ({ ...publicKey.export({ format: 'jwk' }), ...own }))
  /** The paths that were asked for. */
  readonly asked: string[] = []
  readonly #server = http.createServer((request, response) => {
    this.asked.push(request.url as string)
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: this.keys }))
  })

  #port = 0

  get issuer (): string {
    return `http://127.0.0.1:${this.#port}/`
  }

  async come (): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
  }

  async go (): Promise<void> {
    if (!this.#server.listening) return
    const gone = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await gone
  }

  /** A token as this provider signs it, but for what is said otherwise. */
  token (header: object = {}, claims: object = {}, key: string | KeyObject = privateKey): string {
    const exp = Math.floor(Date.now() / 1_000) + 300
    return handmadeToken({ alg: 'RS256', typ: 'JWT', kid: 'one', ...header }, { iss: this.issuer, aud: 'stands', sub: 'jeanne', exp, ...claims }, key)
  }
}

/** What the example in the documentation gives to @fastify/jwt, with the provider's address in the place of its own. */
async function documentedOptions (t: Test, { issuer }: Provider): Promise<object> {
  const code = blocks('docs/authentication.md').find(({ code }) => code.includes("from 'get-jwks'"))?.code ?? ''
  t.equal(code.split(ISSUER).length, 2, 'the example names its issuer once')
  const [, imports, rest] = /^((?:import [^\n]*\n)+)(.*)$/s.exec(code.replace(ISSUER, `'${issuer}'`)) as unknown as [string, string, string]
  const file = joinPath(t.testdir(), 'example.mjs')
  writeFileSync(file, `${imports}\nexport default async (app, fastifyJwt) => {\n${rest}\n}\n`)
  const { default: example } = await import(pathToFileURL(file).href)
  const registered: unknown[][] = []
  await example({ register: async (...args: unknown[]) => { registered.push(args) } }, fastifyJwt)
  t.match(registered, [[fastifyJwt, {}]])
  return registered[0]?.[1] as object
}

async function start (t: Test, settings: Settings = {}): Promise<TestApp & { provider: Provider }> {
  const provider = new Provider()
  t.teardown(() => provider.go())
  await provider.come()
  return Object.assign(await createApp(t, { jwt: await documentedOptions(t, provider), ...settings }), { provider })
}

t.test('a token that is signed with a key of the provider is let in, and the key is fetched once', async t => {
  const { url, provider } = await start(t)
  await join(t, url, provider.token())
  await join(t, url, provider.token({}, { sub: 'ada' }))
  t.strictSame(provider.asked, ['/.well-known/jwks.json'])
  await join(t, url, provider.token({ kid: 'two' }))
  t.equal(provider.asked.length, 2)
})

t.test('a token that is no good is refused in one word, and is no fault on our side', async t => {
  const { url, logs, provider } = await start(t)
  const pem = publicKey.export({ format: 'pem', type: 'spki' }) as string
  const tokens: Array<[what: string, token: string]> = [
    ['its key is not in the set', provider.token({ kid: 'another' })],
    ['it names no key', provider.token({ kid: undefined })],
    ['its name of a key is none', provider.token({ kid: { a: 1 } })],
    ['its name of a key is half a character', provider.token({ kid: '\ud800' })],
    ['it is of another issuer', provider.token({}, { iss: 'https://evil.example/' })],
    ['it is of no issuer', provider.token({}, { iss: undefined })],
    ['it is for another service', provider.token({}, { aud: 'payments' })],
    ['it is for no service', provider.token({}, { aud: undefined })],
    ['it is of nobody', provider.token({}, { sub: undefined })],
    ['it has expired', provider.token({}, { exp: 1 })],
    ['it does not expire', provider.token({}, { exp: undefined })],
    ['it is signed with a key that is not the one it names', provider.token({}, {}, generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey)],
    ...['one', 'two'].flatMap((kid): typeof tokens => [
      [`the public key ${kid} is its secret`, provider.token({ alg: 'HS256', kid }, {}, pem)],
      [`the public key ${kid} is its secret, without the end of its last line`, provider.token({ alg: 'HS256', kid }, {}, pem.trimEnd())],
      [`the public key ${kid} is its secret, and it says otherwise`, provider.token({ kid }, {}, pem)],
      [`it has no signature and says so, with the key ${kid}`, provider.token({ alg: 'none', kid }).replace(/[^.]*$/, '')]
    ])
  ]
  for (const [what, token] of tokens) t.strictSame(await refusalOf(t, url, { token }), INVALID_TOKEN, what)
  t.strictSame(logs.filter(({ level }) => level as number > 30), [])
})

t.test('while the provider is away, keys that are not known are unavailable, and those that are in stay in', async t => {
  const { app, url, logs, provider } = await start(t)
  const member = await join(t, url, provider.token())
  await provider.go()
  t.strictSame(await refusalOf(t, url, { token: provider.token({ kid: 'two' }) }), UNAVAILABLE)
  t.match(logs.filter(({ level }) => level as number > 30), [{ msg: 'socket could not be served' }])
  await join(t, url, provider.token({}, { sub: 'ada' })) // by the key that was fetched before
  await app.ws.sendToRoom('cdr', { command: 'HELLO' })
  t.strictSame(await member.next(), { command: 'HELLO' })
  await provider.come()
  await join(t, url, provider.token({ kid: 'two' }))
})

t.test('with the upgrade, that is 401 and 503', async t => {
  const { url, provider } = await start(t, { route: { authenticate: 'upgrade' } })
  const answer = async (kid: string): Promise<number> => (await answerTo(t, url, { headers: { authorization: `Bearer ${provider.token({ kid })}` } })).status
  t.equal(await answer('another'), 401)
  await provider.go()
  t.equal(await answer('one'), 503)
})

noStrays()
