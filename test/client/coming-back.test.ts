import { readFileSync } from 'node:fs'
import t from 'tap'
import { codeOf, delayFor, verdictOn } from '../../client/verdict.js'
import { CAUSES } from '../../lib/protocol.js'
import { createApp } from '../helpers/app.js'
import { startCounterpart } from '../helpers/counterpart.js'
import type { Counterpart } from '../helpers/counterpart.js'
import { follow } from '../helpers/room-client.js'
import type { Follower } from '../helpers/room-client.js'

const DELAYS = { firstDelay: 1_000, maxDelay: 30_000 }

t.test('after each close code, the client does what docs/protocol.md says', async t => {
  const verdicts = new Map<number, string>()
  for (const [, codes = '', again = ''] of readFileSync('docs/protocol.md', 'utf8').matchAll(/^\| `\w+` \| .* \| ([^|]+) \| ([^|]+) \|$/gm)) {
    for (const code of codes.match(/\b\d{4}\b/g) ?? []) verdicts.set(Number(code), again)
  }
  const words = { final: /^no$/, token: /^not with this token$/, now: /^yes, with a fresh token$/, later: /^yes, with back-off$/, soon: /^yes(, with jitter)?$/ }
  t.ok(Object.values(CAUSES).every(({ code }) => verdicts.has(code)))
  for (const [code, again] of verdicts) t.match(again, words[verdictOn(code)], String(code))
  for (const code of [1001, 1005, 1014, 1015]) t.equal(verdictOn(code), 'soon', String(code))
  for (const code of [3000, 4000, 4999]) t.equal(verdictOn(code), 'final', 'the application’s own')
})

t.test('a status says what a broken link could not', async t => {
  for (const { code, status } of Object.values(CAUSES)) {
    t.equal(codeOf(code, status), code)
    if (status !== undefined) for (const broken of [1005, 1006]) t.equal(verdictOn(codeOf(broken, status)), verdictOn(code), status)
  }
  t.equal(codeOf(1006, 'connected'), 1006)
  t.equal(codeOf(1006, undefined), 1006)
})

t.test('the wait is random from the first attempt on, grows, and ends; a server that asks for time gets some', async t => {
  const draws = (verdict: 'soon' | 'later' | 'now', attempts: number): number[] => Array.from({ length: 1_000 }, () => delayFor(verdict, attempts, DELAYS)).sort((a, b) => a - b)
  const within = (delays: number[], from: number, to: number): void => {
    t.ok(delays.every(delay => delay >= from && delay < to))
    t.ok((delays[0] as number) < from + (to - from) / 20 && (delays.at(-1) as number) > to - (to - from) / 20, `all of ${from} to ${to}`)
  }
  within(draws('soon', 0), 0, 1_000)
  within(draws('soon', 3), 0, 8_000)
  within(draws('soon', 1_000), 0, 30_000)
  within(draws('later', 0), 2_000, 4_000)
  within(draws('later', 1_000), 15_000, 30_000)
  t.equal(delayFor('now', 0, DELAYS), 0)
  within(draws('now', 1), 0, 2_000)
})

t.test('attempts are counted until a connection has lasted', async t => {
  const server = await startCounterpart(t)
  t.intercept(Math, 'random', { value: () => 0.5 })
  for (const [stableAfter, delays] of [[60_000, [2, 4, 8, 8]], [0, [2, 2, 2, 2]]] as const) {
    const follower = follow(t, 'cdr', { url: server.url, token: () => 'abc', firstDelay: 4, maxDelay: 16, stableAfter })
    for (const delay of delays) {
      const { peer } = await server.admitted()
      await follower.reaches('connected')
      peer.socket.close(1012)
      t.strictSame(await follower.reaches('waiting'), { code: 1012, delay })
    }
    t.strictSame(follower.room.state, 'waiting')
    follower.room.close()
  }
})

t.test('the states of a client that comes back', async t => {
  const server = await startCounterpart(t)
  const follower = follow(t, 'cdr', { url: server.url, token: () => 'abc' })
  const first = await server.peer()
  first.socket.terminate()
  await follower.reaches('waiting')
  const { peer } = await server.admitted()
  await follower.reaches('connected')
  peer.socket.terminate()
  await server.admitted()
  await follower.until(() => follower.news.length === 2)
  t.strictSame(follower.told.map(([event, name]) => event === 'state' ? name : event), ['waiting', 'connecting', 'connected', 'resync', 'waiting', 'recovering', 'connected', 'resync'])
})

t.test('one that is refused for good does not come again, and says with which code', async t => {
  const server = await startCounterpart(t)
  for (const code of [1002, 1007, 1008, 1009, 4400, 4403, 4410, 4999]) {
    const follower = follow(t, 'cdr', { url: server.url, token: () => 'abc' })
    const { peer } = await server.admitted()
    peer.socket.close(code)
    t.match(await follower.reaches('closed'), { code, error: { name: 'RoomsError', code: 'ENDED', closeCode: code } })
  }
  const follower = follow(t, 'cdr', { url: server.url, token: () => 'abc' })
  const { peer } = await server.admitted()
  peer.socket.close(1000)
  t.strictSame(await follower.reaches('closed'), { code: 1000 }, 'an end that was meant is no error')
  t.equal(server.count, 9)
})

t.test('a user who may not enter is told so, by the real server', async t => {
  const { url, token } = await createApp(t, { route: { authorize: () => false } })
  t.match(await follow(t, 'cdr', { url, token: () => token() }).reaches('closed'), { code: 4403 })
})

t.test('a token that was refused is not sent again, and a second one is the last', async t => {
  const { app, url, token } = await createApp(t)
  let asked = 0
  const same = follow(t, 'cdr', { url, token: () => { asked++; return 'nonsense' } })
  t.match(await same.reaches('closed'), { code: 4401 })
  t.equal(asked, 2)
  t.match(app.ws.stats().ended, { invalid_token: 1 })

  const tokens = ['nonsense', 'more of it', 'still more']
  const other = follow(t, 'cdr', { url, token: () => tokens.shift() as string })
  t.match(await other.reaches('closed'), { code: 4401 })
  t.strictSame(tokens, ['still more'])

  const better = ['nonsense', token()]
  const lucky = follow(t, 'cdr', { url, token: () => better.shift() as string })
  await lucky.reaches('connected')
})

t.test('a token that the server has taken makes good for one that it has refused', async t => {
  const server = await startCounterpart(t)
  const tokens = ['a', 'b', 'c', 'd']
  const follower = follow(t, 'cdr', { url: server.url, token: () => tokens.shift() as string })
  const refuse = async (code: number): Promise<void> => {
    const peer = await server.peer()
    await peer.next()
    peer.socket.close(code)
  }
  await refuse(4401)
  const { peer } = await server.admitted()
  await follower.reaches('connected')
  peer.socket.close(4401)
  await server.admitted()
  await follower.reaches('connected')
  t.strictSame(tokens, ['d'])
})

t.test('whoever may come again gets a fresh token each time', async t => {
  const { url, token, app } = await createApp(t, { route: { onJoin: ({ connection }) => connection.close([1011, 1012, 1013, 4408, 4419, 4429][joined++] ?? 4403) } })
  let joined = 0
  let asked = 0
  const follower = follow(t, 'cdr', { url, token: () => token({ sub: 'jeanne', n: asked++ }) })
  t.match(await follower.reaches('closed'), { code: 4403 })
  t.equal(asked, 7)
  t.match(app.ws.stats().ended, { unavailable: 1, restarting: 1, overloaded: 1, auth_timeout: 1, expired_token: 1, rate_limited: 1, forbidden: 1 })
})

t.test('a token that expires on the open socket is replaced at once', async t => {
  const { url, token, app } = await createApp(t)
  const lives = [2, 3_600]
  const follower: Follower = follow(t, 'cdr', {
    url,
    token: () => {
      if (follower.room.state === 'connected') throw new Error('none for the open socket')
      return token({ sub: 'jeanne' }, { expiresIn: lives.shift() })
    }
  })
  await follower.reaches('connected')
  t.strictSame(await follower.reaches('waiting'), { code: 4419, delay: 0 })
  await follower.reaches('connected')
  t.match(app.ws.stats().ended, { expired_token: 1 })
})

t.test('a token that cannot be fetched is asked for again, and the application hears of it', async t => {
  const { url, token } = await createApp(t)
  const failures = [new Error('no network'), new Error('still none')]
  const follower = follow(t, 'cdr', {
    url,
    token: async () => {
      const failure = failures.shift()
      if (failure !== undefined) throw failure
      return token()
    }
  })
  await follower.reaches('connected')
  t.match(follower.news.slice(0, 2), [['error', { message: 'no network' }], ['error', { message: 'still none' }]])
})

t.test('so is an address, and a socket that cannot even be made', async t => {
  const server = await startCounterpart(t)
  const addresses = ['no address', 'ftp://127.0.0.1', server.url]
  const follower = follow(t, 'cdr', { url: () => addresses.shift() as string, token: () => 'abc' })
  await server.admitted()
  await follower.reaches('connected')
  t.match(follower.news.slice(0, 2), [['error', { name: 'TypeError' }], ['error', { name: 'SyntaxError' }]])
})

t.test('an attempt that takes too long is given up: a token that does not come, a server that does not answer', async t => {
  const server = await startCounterpart(t)
  let asked = 0
  const follower = follow(t, 'cdr', { url: server.url, token: () => asked++ === 0 ? new Promise<string>(() => {}) : 'abc', connectTimeout: 100 })
  t.match(await follower.reaches('waiting'), { code: 1006 })
  const silent = await server.peer()
  t.match(await follower.reaches('waiting'), { code: 1006 })
  await silent.closed
  await server.admitted()
  await follower.reaches('connected')
})

t.test('what comes late from an attempt that was given up is nobody’s', async t => {
  const server = await startCounterpart(t)
  let late!: (token: string) => void
  const tokens = [new Promise<string>(resolve => { late = resolve }), Promise.resolve('abc')]
  const follower = follow(t, 'cdr', { url: server.url, token: () => tokens.shift() as Promise<string>, connectTimeout: 100 })
  await follower.reaches('waiting')
  late('too late')
  const { hello } = await server.admitted()
  t.match(hello, { token: 'abc' })
  await follower.reaches('connected')
  t.equal(server.count, 1)
})

t.test('a frame that cannot be read is passed over, and so is what is said too early', async t => {
  const server = await startCounterpart(t)
  const follower = follow(t, 'cdr', { url: server.url, token: () => 'abc' })
  const peer = await server.peer()
  await peer.next()
  for (const early of [{ command: 'EARLY' }, { command: 'WSSnapshot', data: 1 }, { command: 'WSError', data: {} }, { command: 'WSStatus', data: { status: 'resync' } }]) peer.send(early)
  peer.admit()
  const nonsense = ['', '{', 'null', '7', '"x"', '[]', '{}', '{"command":7}', Buffer.from([1, 2, 3]), '{"command":"WSStatus"}', '{"command":"WSStatus","data":null}',
    '{"command":"WSStatus","data":{"status":"unheard_of","rooms":{"cdr":{"seq":1}}}}', '{"command":"WSStatus","data":{"status":"epoch"}}', '{"command":"WSPing"}', '{"command":"WSPong"}', '{"command":"WSPresence","data":1}']
  for (const frame of nonsense) peer.send(frame)
  peer.send({ command: 'WSError' })
  peer.send({ command: 'GOOD', seq: 'x' })
  await follower.until(() => follower.dataOf('GOOD').length === 1)
  t.match(follower.told, [['state', 'connected'], ['resync'], ['error', { code: 'FAILED' }], ['GOOD']])
  t.equal(follower.told.length, 4)
})

t.test('a `connected` that lacks everything is one all the same', async t => {
  const server = await startCounterpart(t)
  const follower: Follower<readonly []> = follow(t, [], { url: server.url, token: () => 'abc' })
  const peer = await refuseOnce(server)
  await peer.next()
  peer.status('connected')
  t.strictSame(await follower.reaches('connected'), { connection: 'undefined' })
})

async function refuseOnce (server: Counterpart) {
  const first = await server.peer()
  first.socket.close(1013)
  return await server.peer()
}
