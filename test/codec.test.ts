import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import type { Test } from 'tap'
import { defineRoom, MemoryBus } from '../index.js'
import type { ClientCommand, Codec, CommandHandlers, Message, RoomRouteOptions, RoomsOptions } from '../index.js'
import { TestBus } from '../testing/index.js'
import { createApp, until, untilJoined } from './helpers/app.js'
import type { Settings, TestApp } from './helpers/app.js'
import { Gate } from './helpers/gate.js'
import { createProcess } from './helpers/history.js'
import { frame, openRaw } from './helpers/raw.js'
import { startRedis } from './helpers/redis.js'
import { openText } from './helpers/text-client.js'
import type { TextClient } from './helpers/text-client.js'
import { watchForStrays } from './helpers/strays.js'

const noStrays = watchForStrays(t)

/** The codecs of docs/codecs.md, as they are printed there. */
const folder = mkdtempSync(join(tmpdir(), 'fastify-rooms-codecs-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
const page = readFileSync(fileURLToPath(new URL('../docs/codecs.md', import.meta.url)), 'utf8')
async function printed (name: string): Promise<Codec> {
  const code = new RegExp(`^// ${name}\\.mjs\\n(.*?)^\`\`\``, 'ms').exec(page)?.[1] as string
  writeFileSync(join(folder, `${name}.mjs`), code)
  return (await import(pathToFileURL(join(folder, `${name}.mjs`)).href))[name]
}
const [state, text, shared] = [await printed('state'), await printed('text'), await printed('shared')] as [Codec, Codec, Codec]

const HISTORY = { size: 100, ttl: 60_000 }
const OPEN = { authenticate: false } as const

const base = ({ url }: TestApp): string => url.replace('/cdr/users/ws', '')
const object = (text: string): Record<string, unknown> => JSON.parse(text)

/** An application with a room `cdr` that speaks by a codec, open to all unless the route says something else. */
async function speaking (t: Test, codec: Codec, route: RoomRouteOptions = OPEN, settings: Settings = {}): Promise<TestApp> {
  return await createApp(t, { ...settings, route: { codec, ...route } })
}

/** What a socket gets until it is closed, and the code. */
async function ending (client: TextClient): Promise<[texts: string[], code: number]> {
  const code = await client.closed
  return [client.texts, code]
}

function contractFor (codec: Codec) {
  return defineRoom('desk', {
    messages: { said: Type.Object({ text: Type.String() }), save: {}, MESSAGE: Type.String() },
    commands: { ask: { data: Type.Object({ n: Type.Integer() }), reply: Type.Object({ n: Type.Integer() }) }, save: {}, MESSAGE: {} },
    codec
  })
}
type Desk = ReturnType<typeof contractFor>

/** An application with commands, in a room whose contract has the codec. */
async function answering (t: Test, codec: Codec, commands: Partial<CommandHandlers<Desk>> = {}, route: RoomRouteOptions = OPEN, rooms: RoomsOptions = {}): Promise<TestApp & { desk: Desk, path: string }> {
  const desk = contractFor(codec)
  const built = await createApp(t, {
    rooms,
    setup (app) {
      app.get('/desk', { websocket: true }, app.manageWebsocket(desk, {
        commands: { ask: ({ data }) => ({ n: data.n + 1, secret: 7 }), save: () => {}, MESSAGE: () => {}, ...commands }, ...route as object
      }))
    }
  })
  return { ...built, desk, path: `${base(built)}/desk` }
}

t.test('states: a session from its token to its end', async t => {
  const { app, desk, path, token } = await answering(t, state, {
    save: ({ connection }) => {
      connection.send({ command: 'save', data: { saved: true } })
      connection.close()
    }
  }, {})
  const client = await openText(t, path, JSON.stringify({ token: token() }))
  t.equal(await client.next(), '{"state":"initialised","data":{}}')
  client.send('{"state":"ask","data":{"n":1}}')
  t.equal(await client.next(), '{"state":"ask","data":{"n":2}}', 'nobody needs an id, and what the schema does not name does not leave')
  client.send('{"state":"ask","data":{"n":"x"}}')
  t.equal(await client.next(), '{"state":"error","error":"The command cannot be carried out: n must be integer."}')
  client.send('{"state":"ask","__proto__":{"n":1}}')
  t.equal(await client.next(), '{"state":"error","error":"The command cannot be carried out: it has a key that would change what objects are."}')
  client.send('{"state":"WSPing"}') // of no meaning here, and the protocol's answer would have none
  client.send('{"state":"other"}')
  t.match(object(await client.next()), { state: 'error', error: /no command "other"/ })
  await app.ws.sendToRoom(desk(), { command: 'said', data: { text: 'hi', secret: 7 } as never })
  t.equal(await client.next(), '{"state":"said","data":{"text":"hi"}}')
  client.send('{"state":"save"}')
  t.equal(await client.next(), '{"state":"save","data":{"saved":true}}')
  t.equal(await client.closed, 1000)
  t.equal(client.texts.length, 7)
})

t.test('states: who is not let in is told so once, in these words, and closed with the code of the protocol', async t => {
  const { path, token, app } = await answering(t, state, {}, {})
  for (const first of ['{"token":"nonsense"}', '{}', 'no JSON', '{"token":7}']) {
    t.strictSame(await ending(await openText(t, path, first)), [['{"state":"error","error":"Could not validate credentials."}'], 4401])
  }
  t.strictSame(await ending(await openText(t, path, JSON.stringify({ token: token({ sub: 'x', exp: 1 }) }))), [['{"state":"error","error":"Could not validate credentials."}'], 4401])
  const client = await openText(t, path, JSON.stringify({ token: token() }))
  await client.next()
  client.send('no JSON')
  t.strictSame(await ending(client), [['{"state":"initialised","data":{}}'], 4400])
  const last = await openText(t, path, JSON.stringify({ token: token() }))
  await last.next()
  await app.close()
  t.strictSame(await ending(last), [['{"state":"initialised","data":{}}'], 1012], 'what the codec has no words for is not said')
})

t.test('plain text: what is said reaches everyone, and nothing else comes', async t => {
  const { app, desk, path } = await answering(t, text, {
    MESSAGE: async ({ data, connection }) => {
      connection.send({ command: 'MESSAGE', data: `You wrote: ${data}` })
      await app.ws.sendToRoom('desk', { command: 'MESSAGE', data: `Somebody says: ${data}` })
      if (data === 'fail') throw Object.assign(new Error('Not that.'), { statusCode: 400 })
      return data === 'reply' ? 'a reply' : undefined
    }
  }, OPEN, { keepAlive: 40, pongTimeout: 30 })
  const [here, there] = [await openText(t, path), await openText(t, path)]
  await until(async () => await app.ws.count(desk()) === 2)
  here.send('hi')
  t.equal(await here.next(), 'You wrote: hi')
  t.equal(await here.next(), 'Somebody says: hi')
  t.equal(await there.next(), 'Somebody says: hi')
  here.send('reply')
  for (const expected of ['You wrote: reply', 'Somebody says: reply', 'a reply']) t.equal(await here.next(), expected)
  here.send('fail')
  for (const expected of ['You wrote: fail', 'Somebody says: fail', 'Not that.']) t.equal(await here.next(), expected)
  here.send('{"command":"WSPing"}')
  for (const expected of ['You wrote: {"command":"WSPing"}', 'Somebody says: {"command":"WSPing"}']) t.equal(await here.next(), expected)
  for (let pings = 0; pings < 3; pings++) await new Promise(resolve => here.socket.once('ping', resolve))
  t.strictSame(await here.rest(), [])
  here.send(Buffer.from('binary'))
  t.equal(await here.closed, 4400)
})

t.test('who speaks before it can know that it is in, is heard when it is', async t => {
  const gate = new Gate()
  const { app, path } = await answering(t, text, { MESSAGE: ({ data }) => `You wrote: ${data}` }, {
    ...OPEN, authorize: async () => { await gate.pass(); return true }
  }, { maxAuthPayload: 200, maxCommands: 1 })
  const client = await openText(t, path, 'one')
  client.send('two')
  client.send('x'.repeat(200))
  await until(() => app.ws.stats().ignored === 1)
  gate.open()
  t.equal(await client.next(), 'You wrote: one')
  t.equal(await client.next(), 'You wrote: two')
  t.strictSame(await client.rest(), [], 'what is more than a first message may be, is not kept')
})

t.test('a codec that cannot read again what it has read before fails that command, and no other', async t => {
  const gate = new Gate()
  const read = new Set<string>()
  const { path } = await answering(t, {
    ...text,
    command: data => {
      if (data === 'b' && read.has(data)) throw new Error('once is enough')
      read.add(data)
      return { command: 'MESSAGE', data }
    }
  }, { MESSAGE: async ({ data }) => { await gate.pass(); return `You wrote: ${data}` } })
  const client = await openText(t, path, 'a')
  for (const letter of ['b', 'c']) client.send(letter)
  await gate.reached
  gate.open()
  t.equal(await client.next(), 'You wrote: a')
  t.match(await client.next(), /could not be read|failed/)
  t.equal(await client.next(), 'You wrote: c')
})

t.test('what waits does not keep what came with it in memory', async t => {
  for (const early of [true, false]) {
    const gate = new Gate()
    const kept: number[] = []
    const { app, path } = await answering(t, {
      binary: bytes => {
        if (bytes[0] === 1) kept.push(bytes.buffer.byteLength)
        return { command: 'MESSAGE' }
      },
      status: name => name
    }, { MESSAGE: async () => { if (!early) await gate.pass() } }, {
      ...OPEN, authorize: async () => { if (early) await gate.pass(); return true }
    }, { maxAuthPayload: 200 })
    const raw = await openRaw(t, path)
    if (!early) await raw.received('connected')
    const small = frame(Buffer.from([1]), { opcode: 2 })
    const large = frame(Buffer.alloc(40_000), { opcode: 2 })
    raw.write(...early ? [] : [frame(Buffer.from([0]), { opcode: 2 })], small, small, large)
    await until(() => early ? app.ws.stats().ignored === 1 : kept.length === 2)
    kept.length = 0 // what was looked at as it came is not what has waited
    gate.open()
    await until(() => kept.length >= 2)
    t.ok(kept.every(bytes => bytes <= Buffer.poolSize), `${early ? 'a first frame' : 'a command'}: ${kept}`)
  }
})

t.test('what has waited for a client that is refused, or that ends with it, is nothing', async t => {
  const heard: unknown[] = []
  const gate = new Gate()
  const { path } = await answering(t, { ...text, command: data => data === 'bad' ? undefined : { command: 'MESSAGE', data } }, { MESSAGE: ({ data }) => { heard.push(data) } }, {
    ...OPEN, authorize: async () => { await gate.pass(); return true }
  })
  const client = await openText(t, path, 'bad')
  client.send('late')
  await gate.reached
  await client.rest()
  gate.open()
  t.equal(await client.closed, 4400)
  t.strictSame(heard, [])
})

t.test('a message is written once for all members of a process, and once before it is sent', async t => {
  const written: string[] = []
  const codec: Codec = { message: ({ command }) => { written.push(command); return command }, status: () => undefined, ping: false }
  const app = await speaking(t, codec)
  const clients = await Promise.all([1, 2, 3].map(async () => await openText(t, app.url)))
  await until(() => app.app.ws.stats().members === 3)
  await app.app.ws.sendToRoom('cdr', { command: 'HELLO' })
  for (const client of clients) t.equal(await client.next(), 'HELLO')
  t.strictSame(written, ['HELLO', 'HELLO'])
})

t.test('what a codec leaves out is as the protocol has it', async t => {
  const { app, desk, path, token } = await answering(t, {}, {}, { snapshot: () => 'all' })
  const client = await openText(t, path, JSON.stringify({ token: token() }))
  t.match(object(await client.next()), { command: 'WSStatus', data: { status: 'connected', rooms: { desk: {} } } })
  t.equal(await client.next(), '{"command":"WSSnapshot","data":"all"}')
  await app.ws.sendToRoom(desk(), { command: 'said', data: { text: 'a' } })
  t.equal(await client.next(), '{"command":"said","data":{"text":"a"}}')
  client.send('{"command":"ask","data":{"n":1},"id":7}')
  t.equal(await client.next(), '{"command":"ask","data":{"n":2},"id":7}')
  client.send('{"command":"ask","data":{"n":1}}')
  client.send('{"command":"ask","id":8}')
  t.match(object(await client.next()), { command: 'WSError', data: { code: 'FST_ROOMS_INVALID_COMMAND' }, id: 8 })
  client.send('{"command":"WSPing"}')
  t.equal(await client.next(), '{"command":"WSPong"}')
  client.send('[]')
  t.equal(await client.closed, 4400)
  const refused = await openText(t, path, '{"token":""}')
  t.strictSame(await ending(refused), [['{"command":"WSStatus","data":{"status":"invalid_token"}}'], 4401])
})

t.test('a ping is a text of the codec’s own, or the protocol’s', async t => {
  for (const [codec, expected] of [[{ ping: 'still here' }, 'still here'], [{}, '{"command":"WSPing"}']] as Array<[Codec, string]>) {
    const { url } = await speaking(t, { status: () => undefined, ...codec }, OPEN, { rooms: { keepAlive: 40, pongTimeout: 30 } })
    t.equal(await (await openText(t, url, undefined, true)).next(), expected)
  }
})

t.test('the first frame has a token of whatever form, and says where a client stood', async t => {
  const codec: Codec = { first: text => text === 'fail' ? JSON.parse(text) : { token: text.split(' ')[1] as string } }
  const { url, token } = await speaking(t, codec, { authenticate: undefined })
  t.match(object(await (await openText(t, url, `token ${token()}`)).next()), { data: { status: 'connected' } })
  for (const first of ['fail', 'token', 'token nonsense']) t.equal((await ending(await openText(t, url, first)))[1], 4401)
  const binary = await openText(t, url)
  binary.send(Buffer.from(`token ${token()}`))
  t.equal(await binary.closed, 4401)
})

t.test('a codec may take binary frames, and says what they mean', async t => {
  const { path } = await answering(t, { binary: bytes => ({ command: 'ask', data: { n: bytes[0] }, id: 1 }), status: () => undefined }, {})
  const client = await openText(t, path)
  client.send(Buffer.from([6]))
  t.equal(await client.next(), '{"command":"ask","data":{"n":7},"id":1}')
  client.send('{"command":"ask","data":{"n":1},"id":2}')
  t.equal(await client.next(), '{"command":"ask","data":{"n":2},"id":2}')
})

t.test('what a codec makes of a client’s frame is checked like a frame', async t => {
  const answers: Record<string, unknown> = {
    nothing: undefined, text: 'ask', list: [], 'bad id': { command: 'ask', id: {} }, 'long id': { command: 'ask', id: 'x'.repeat(129) }
  }
  const { path } = await answering(t, { command: text => answers[text] as ClientCommand, status: () => undefined })
  for (const frame of Object.keys(answers)) {
    const client = await openText(t, path, frame)
    t.strictSame(await ending(client), [[], 4400], frame)
  }
})

t.test('what a codec throws at a client’s frame is that client’s answer, and its socket stays', async t => {
  const fail = (text: string): never => {
    if (text === 'null') throw null // eslint-disable-line no-throw-literal
    throw Object.assign(new Error(text), { statusCode: Number(text.split(' ')[0]) })
  }
  const codec: Codec = { command: fail, binary: bytes => fail(bytes.toString()), error: ({ code, message }) => `${code} ${message}`, status: () => undefined }
  const { path, url, app } = await answering(t, codec, {}, OPEN, { codec })
  const client = await openText(t, path)
  for (const [frame, words] of [['400 not so', '400 not so'], ['500 secret', 'it could not be read'], ['secret', 'it could not be read'], ['null', 'it could not be read']] as const) {
    client.send(frame)
    t.equal(await client.next(), `FST_ROOMS_INVALID_COMMAND The command cannot be carried out: ${words}.`)
  }
  client.send(Buffer.from('400 binary'))
  t.match(await client.next(), /400 binary/)

  t.not(url, path)
  const { url: silent, app: other } = await speaking(t, codec)
  const nobody = await openText(t, silent, '400 not so')
  await until(() => other.ws.stats().ignored === 1)
  t.strictSame(await nobody.rest(), [], 'where no commands are taken, it is ignored')
  t.equal(app.ws.stats().ignored, 0)
})

t.test('a codec may say that a frame is a new token', async t => {
  const codec: Codec = { command: text => ({ token: text }) as never, status: (status, { id }) => `${status} ${id}` }
  const { url, token } = await speaking(t, codec, {})
  const client = await openText(t, url, JSON.stringify({ token: token() }))
  t.match(await client.next(), /^connected/)
  client.send(token())
  t.match(await client.next(), /^refreshed/)
})

t.test('a codec that reads when it is asked what it has read, and fails then, has failed that frame', async t => {
  const lazy = (text: string): ClientCommand => text === 'bad' ? { get command (): string { throw new Error('half a frame') } } : { command: 'ask', data: { n: 1 }, id: 1 }
  const { path } = await answering(t, { command: lazy, error: ({ code }) => code, reply: () => 'answered', status: () => undefined })
  const client = await openText(t, path)
  client.send('bad')
  t.equal(await client.next(), 'FST_ROOMS_INVALID_COMMAND')
  client.send('good')
  t.equal(await client.next(), 'answered')
})

t.test('a codec that cannot write a message fails the send, and nothing is published', async t => {
  const broker = (encode: (message: Message) => unknown, decode: (text: string) => unknown = () => ({ command: 'A' })): Codec => ({ broker: { encode: encode as () => string, decode: decode as () => Message } })
  const cases: Array<[what: string, codec: Codec, message: RegExp, code?: string]> = [
    ['throws', { message: () => { throw new Error('too odd') } }, /cannot write it: too odd/],
    ['throws nonsense', { message: () => { throw undefined } }, /cannot write it: undefined/], // eslint-disable-line no-throw-literal
    ['no string', { message: () => 7 as never }, /`message` returned no string/],
    ['a promise', { message: (async () => 'late') as never }, /`message` returned no string/],
    ['too long', { message: () => 'x'.repeat(1_001) }, /1001 bytes/, 'FST_ROOMS_MESSAGE_TOO_LARGE'],
    ['encode throws', broker(() => { throw new Error('too odd') }), /too odd/],
    ['encode: no string', broker(() => undefined), /`broker.encode` returned no string/],
    ['encode: too long', broker(() => 'x'.repeat(1_001)), /1001 bytes/, 'FST_ROOMS_MESSAGE_TOO_LARGE'],
    ['encode: volatile', broker(() => '!volatile\nx'), /the plugin’s own word/],
    ['encode: a position', broker(() => '!seq 1 2 x\nx'), /the plugin’s own word/],
    ['encode: resync', broker(() => '{"command":"WSStatus","data":{"status":"resync"}}'), /the plugin’s own word/],
    ['decode throws', broker(() => 'a', () => { throw new Error('too odd') }), /does not read what/],
    ['decode: nothing', broker(() => 'a', () => undefined), /does not read what/],
    ['decode: no command', broker(() => 'a', () => ({})), /does not read what/],
    ['decode: a reserved one', broker(() => 'a', () => ({ command: 'WSStatus' })), /does not read what/]
  ]
  for (const [what, codec, message, code = 'FST_ROOMS_INVALID_MESSAGE'] of cases) {
    const { app } = await speaking(t, codec, OPEN, { rooms: { maxMessage: 1_000 } })
    await t.rejects(app.ws.sendToRoom('cdr', { command: 'A', data: 'x' }), { code, message }, what)
    t.match(app.ws.stats(), { sent: 1, failed: 1, received: 0 }, what)
  }
})

t.test('a codec that cannot write to one socket throws where it is called', async t => {
  const thrown: unknown[] = []
  const { url } = await speaking(t, { message: () => { throw new Error('too odd') }, status: status => status }, {
    ...OPEN,
    onJoin: ({ connection }) => {
      try { connection.send({ command: 'A' }) } catch (error) { thrown.push((error as { code: string }).code) }
    }
  })
  const client = await openText(t, url)
  t.equal(await client.next(), 'connected')
  await until(() => thrown.length > 0)
  t.strictSame(thrown, ['FST_ROOMS_INVALID_MESSAGE'])
})

t.test('what comes from a broker and cannot be shown is skipped and counted', async t => {
  const bus = new TestBus()
  const codec: Codec = {
    message: ({ data }) => data === 'odd' ? 7 as never : data as string,
    status: () => undefined,
    broker: { encode: ({ data }) => data as string, decode: data => data === 'none' ? undefined : { command: 'SAID', data } }
  }
  const { app, url, logs } = await speaking(t, codec, OPEN, { rooms: { broker: bus.broker(), maxMessage: 1_000 } })
  const client = await openText(t, url)
  await until(() => app.ws.stats().members === 1)
  for (const payload of ['odd', 'none', Buffer.from([0xff]), 'x'.repeat(1_001)]) bus.publish('cdr', payload)
  bus.publish('cdr', 'good')
  bus.publish('cdr', '!volatile\nlate')
  bus.publish('cdr', Buffer.from('bytes'))
  for (const expected of ['good', 'late', 'bytes']) t.equal(await client.next(), expected)
  t.match(app.ws.stats(), { received: 7, malformed: 4 })
  t.ok(logs.some(({ msg }) => msg === 'skipped a broker payload that is no message'))
  await app.ws.sendToRoom('cdr', { command: 'SAID', data: 'volatile' }, { volatile: true })
  t.equal(await client.next(), 'volatile')
})

t.test('a codec that fails at a status or an error is logged, and nothing is said', async t => {
  const { path, logs } = await answering(t, {
    status: status => { throw new Error(`no words for ${status}`) },
    error: () => 7 as never
  }, {})
  const client = await openText(t, path)
  client.send('{"command":"other","id":1}')
  client.send('{"command":"ask","data":{"n":1},"id":2}')
  t.equal(await client.next(), '{"command":"ask","data":{"n":2},"id":2}')
  client.send('no JSON')
  t.strictSame(await ending(client), [['{"command":"ask","data":{"n":2},"id":2}'], 4400])
  t.match(logs.find(({ msg }) => msg.startsWith('codec failed')), { err: { message: 'no words for connected' } })
})

t.test('a codec that fails at a reply has failed the command', async t => {
  const { path, logs } = await answering(t, { reply: () => 7 as never, error: ({ code, id }) => `${code} ${id}`, status: () => undefined }, {})
  const client = await openText(t, path)
  client.send('{"command":"ask","data":{"n":1},"id":3}')
  t.equal(await client.next(), 'FST_ROOMS_COMMAND_FAILED 3')
  t.ok(logs.some(({ msg }) => msg === 'command failed'))
})

t.test('a snapshot is said in the codec’s words, or not at all', async t => {
  const snapshot = (): unknown => ({ users: 2 })
  const codec: Codec = { status: () => undefined, message: ({ command }) => command }
  const cases: Array<[snapshot: NonNullable<Codec['snapshot']>, texts: string[], code: number]> = [
    [data => `all ${JSON.stringify(data)}`, ['all {"users":2}'], 1000],
    [() => undefined, [], 1000],
    [() => { throw new Error('too odd') }, [], 1011],
    [() => 7 as never, [], 1011],
    [() => 'x'.repeat(101), [], 1011]
  ]
  for (const [said, texts, code] of cases) {
    const { url } = await speaking(t, { ...codec, snapshot: said }, { ...OPEN, snapshot, onJoin: ({ connection }) => connection.close() }, { rooms: { maxSnapshot: 100 } })
    t.strictSame(await ending(await openText(t, url)), [texts, code])
  }
})

t.test('other programs and this one are the same on a channel of Redis', async t => {
  const redis = await startRedis(t)
  const outside = redis.client()
  const listening = redis.client()
  t.teardown(() => { outside.disconnect(); listening.disconnect() })
  const create = async (): Promise<TestApp> => await createApp(t, {
    rooms: { redis: redis.url, prefix: '' },
    setup (app) { app.get('/chat', { websocket: true }, app.manageWebsocket('chat', { ...OPEN, codec: { ...shared, status: () => 'in' } })) }
  })
  const [here, there] = [await create(), await create()]
  await untilJoined(here, there)
  const clients = [await openText(t, `${base(here)}/chat`), await openText(t, `${base(there)}/chat`)]
  for (const client of clients) t.equal(await client.next(), 'in')
  await listening.subscribe('chat')
  const heard: string[] = []
  listening.on('message', (_channel, text) => heard.push(text))

  t.equal(await outside.publish('chat', '{"user":"ada","message":"from outside"}'), 3)
  for (const client of clients) t.equal(await client.next(), '{"user":"ada","message":"from outside"}')
  t.match(await here.app.ws.sendToRoom('chat', { command: 'SAID', data: { user: 'bob', message: 'from here' } }), { subscribers: 3 })
  for (const client of clients) t.equal(await client.next(), '{"user":"bob","message":"from here"}')
  for (const nonsense of ['hello', '{"user":"ada"}', '{"user":1,"message":2}', '[1]', '']) await outside.publish('chat', nonsense)
  await outside.publish('chat', '{"user":"ada","message":"after"}')
  for (const client of clients) t.equal(await client.next(), '{"user":"ada","message":"after"}')
  t.match(here.app.ws.stats(), { received: 8, malformed: 5 })
  t.strictSame([heard[0], heard[1]], ['{"user":"ada","message":"from outside"}', '{"user":"bob","message":"from here"}'])
})

const numbered: Codec = {
  first: (text, json) => json(text) as { token: string },
  message: ({ data }, { position }) => `${position?.seq ?? '-'} ${data}`,
  status: (status, details) => {
    const { seq } = (details.rooms as Record<string, { seq: number }> | undefined)?.cdr ?? details
    return status === 'resync' && seq === undefined ? undefined : `${status} ${seq}`
  },
  broker: { encode: ({ data }) => JSON.stringify({ text: data }) + '\n', decode: (text, json) => ({ command: 'SAID', data: (json(text) as { text: string }).text }) }
}

async function withHistory (t: Test, brokers: () => RoomsOptions): Promise<void> {
  const create = async (): Promise<TestApp> => await createApp(t, { rooms: brokers(), route: { codec: numbered, history: HISTORY } })
  const [here, there] = [await create(), await create()]
  await untilJoined(here, there)
  const say = async (data: string, { app }: TestApp = here): Promise<unknown> => await app.ws.sendToRoom('cdr', { command: 'SAID', data })
  const client = await openText(t, here.url, JSON.stringify({ token: here.token() }))
  t.equal(await client.next(), 'connected 0')
  t.match(await say('one'), { seq: 1 })
  t.match(await say('two', there), { seq: 2 })
  t.equal(await client.next(), '1 one')
  t.equal(await client.next(), '2 two')
  await say('whatever it is}')
  t.equal(await client.next(), '3 whatever it is}')
  const { messages, position } = await there.app.ws.history('cdr')
  t.strictSame(messages.map(({ seq, command, data }) => [seq, command, data]), [[1, 'SAID', 'one'], [2, 'SAID', 'two'], [3, 'SAID', 'whatever it is}']])
  t.equal(position?.seq, 3)
  const [, from] = messages
  const back = await openText(t, there.url, JSON.stringify({ token: here.token(), recover: { cdr: { epoch: from?.epoch, seq: from?.seq, mid: from?.mid } } }))
  t.equal(await back.next(), 'connected 2')
  t.equal(await back.next(), '3 whatever it is}')
  await here.app.ws.sendToRoom('cdr', { command: 'SAID', data: 'unkept' }, { volatile: true })
  t.equal(await back.next(), '- unkept')
}

t.test('a room with history numbers what a codec writes, in memory', async t => {
  const bus = new TestBus()
  await withHistory(t, () => ({ broker: bus.broker() }))
})

t.test('a room with history numbers what a codec writes, on Redis', async t => {
  const redis = await startRedis(t)
  await withHistory(t, () => ({ redis: redis.url }))
})

t.test('what a room with history cannot number is not sent', async t => {
  const codec: Codec = { broker: { encode: ({ data }) => data as string, decode: () => ({ command: 'A' }) } }
  const { app } = await speaking(t, codec, { ...OPEN, history: HISTORY })
  for (const data of ['plain', '[1]', '{', '1}']) {
    await t.rejects(app.ws.sendToRoom('cdr', { command: 'A', data }), { code: 'FST_ROOMS_INVALID_MESSAGE', message: /must return a JSON object/ })
  }
})

t.test('what is missed is read, what it began anew with is said, and what is nothing is passed over', async t => {
  const bus = new TestBus()
  const { app, url, token } = await speaking(t, numbered, { authenticate: undefined, history: HISTORY }, { rooms: { broker: bus.broker() } })
  const other = await speaking(t, { ...numbered, broker: { encode: ({ data }) => data as string, decode: () => ({ command: 'A' }) }, message: () => 'x' }, { ...OPEN, history: HISTORY }, { rooms: { broker: bus.broker() } })
  const client = await openText(t, url, JSON.stringify({ token: token() }))
  t.equal(await client.next(), 'connected 0')
  const say = async (data: string): Promise<unknown> => await app.ws.sendToRoom('cdr', { command: 'SAID', data })
  const lost = bus.drop(1)
  await say('one')
  await lost.reached(1)
  await say('two')
  t.equal(await client.next(), '1 one')
  t.equal(await client.next(), '2 two')
  await other.app.ws.sendToRoom('cdr', { command: 'A', data: '{"text":1}' })
  t.equal(await client.next(), '3 1')
  bus.rollBack('cdr', 2)
  bus.missed('cdr')
  t.equal(await client.next(), 'epoch 0')
  await say('three')
  t.equal(await client.next(), '1 three')
  bus.forget()
})

t.test('what others have written into a history, or handed over with a number, and is no message, is skipped', async t => {
  const bus = new MemoryBus()
  const codec: Codec = { broker: { encode: ({ data }) => JSON.stringify({ data }), decode: (text, json) => ({ command: 'A', ...json(text) as { data: unknown } }) } }
  const { app, url, token, broker } = await createProcess(t, bus, { route: { codec } }, HISTORY)
  const client = await openText(t, url, JSON.stringify({ token: token() }))
  await client.next()
  await app.ws.sendToRoom('cdr', { command: 'A', data: 1 })
  t.match(object(await client.next()), { command: 'A', data: 1, seq: 1, mid: /./ }, 'numbered as the protocol has it')
  bus.histories.append('rooms:cdr', '{"command":"WSStatus"}', 'foreign', HISTORY)
  await app.ws.sendToRoom('cdr', { command: 'A', data: 2 })
  t.match(object(await client.next()), { command: 'A', data: 2, seq: 3 })
  t.equal(app.ws.stats().malformed, 1)
  const { position } = await app.ws.history('cdr')
  broker.events.message('rooms:cdr', '{"data":3}', { ...position as never as { epoch: string, mid: string }, seq: 4 })
  t.equal(app.ws.stats().malformed, 2, 'the number that it has on it is another')
  t.strictSame(await client.rest(), [])
})

t.test('without a broker, members of this process are served in the codec’s words, and told to look again', async t => {
  const bus = new TestBus()
  let fails = false
  const codec: Codec = {
    message: ({ data }) => {
      if (fails) throw new Error('too odd')
      if (data === 'odd') fails = true // it can be written when it is sent, and not when it is shown
      return `${data}`
    },
    status: status => status,
    broker: { encode: ({ data }) => data as string, decode: data => ({ command: 'A', data }) }
  }
  const { app, url } = await speaking(t, codec, OPEN, { rooms: { broker: bus.broker() } })
  const client = await openText(t, url)
  t.equal(await client.next(), 'connected')
  bus.outage()
  t.match(await app.ws.sendToRoom('cdr', { command: 'A', data: 'hi' }), { degraded: true })
  t.match(await app.ws.sendToRoom('cdr', { command: 'A', data: 'odd' }), { degraded: true })
  bus.restore()
  t.equal(await client.next(), 'hi')
  t.equal(await client.next(), 'resync')
})

t.test('in a room with history, the word to look again is said with its number, or not at all', async t => {
  for (const [codec, expected] of [[numbered, ['connected 0', 'resync 1', '2 two']], [{ ...numbered, status: () => undefined }, ['2 two']]] as Array<[Codec, string[]]>) {
    const bus = new TestBus()
    const { app, url, token } = await speaking(t, codec, { authenticate: undefined, history: HISTORY }, {
      rooms: { broker: bus.broker() },
      setup (app) { app.get('/tell', async (_request, reply) => { reply.sendToRoom('cdr', { command: 'SAID', data: 'one' }) }) }
    })
    const client = await openText(t, url, JSON.stringify({ token: token() }))
    await until(() => app.ws.stats().members === 1)
    bus.refuse('send', 1)
    await app.inject('/tell')
    await until(() => app.ws.stats().received === 1)
    await app.ws.sendToRoom('cdr', { command: 'SAID', data: 'two' })
    for (const text of expected) t.equal(await client.next(), text)
    t.strictSame((await app.ws.history('cdr')).messages.map(({ data }) => data), ['two'])
  }
})

t.test('the codec of the plugin is that of all rooms, unless a route or a contract has its own', async t => {
  const said = (name: string): Codec => ({ status: () => name })
  const contract = defineRoom('rooms/:id', { messages: { A: {} }, codec: said('contract') })
  const app = await createApp(t, {
    rooms: { codec: said('plugin'), ...OPEN },
    setup (app) {
      app.get('/plugin', { websocket: true }, app.manageWebsocket('plugin'))
      app.get('/function', { websocket: true }, app.manageWebsocket(() => 'function'))
      app.get('/before', { websocket: true }, app.manageWebsocket('route'))
      app.get('/route', { websocket: true }, app.manageWebsocket('route', { codec: said('route') }))
      app.get('/contract/:id', { websocket: true }, app.manageWebsocket(contract))
      app.get('/name', { websocket: true }, app.manageWebsocket('rooms/7'))
      app.get('/led', { websocket: true }, app.manageWebsocket(() => contract({ id: '7' })))
    }
  })
  for (const [path, expected] of [['plugin', 'plugin'], ['function', 'plugin'], ['before', 'route'], ['route', 'route'], ['contract/7', 'contract'], ['name', 'contract']]) {
    t.equal(await (await openText(t, `${base(app)}/${path}`)).next(), expected)
  }
  t.strictSame(await ending(await openText(t, `${base(app)}/led`)), [['plugin'], 1011], 'a socket that began in one codec cannot go on in another')
  t.match(app.logs.find(({ msg }) => msg === 'socket could not be served'), { err: { code: 'FST_ROOMS_OTHER_CODEC' } })
})

t.test('a function may lead to the room of a contract that nobody has met', async t => {
  const contract = defineRoom('rooms/:id', { messages: { A: {} }, history: HISTORY })
  const app = await createApp(t, { setup (app) { app.get('/led', { websocket: true }, app.manageWebsocket(() => contract({ id: '7' }), OPEN)) } })
  t.match(object(await (await openText(t, `${base(app)}/led`)).next()), { data: { rooms: { 'rooms/7': { seq: 0 } } } })
})

t.test('what is no codec is found at boot', async t => {
  const fails = async (codec: unknown, message: RegExp): Promise<void> => {
    await t.rejects(createApp(t, { rooms: { codec: codec as Codec } }), { code: 'FST_ROOMS_INVALID_OPTION', message })
  }
  await fails('text', /'codec' must be a codec: see docs\/codecs.md/)
  await fails({ mesage: () => '' }, /'codec.mesage' is not known/)
  await fails({ message: 'text' }, /'codec.message' must be a function/)
  await fails({ ping: true }, /'codec.ping' must be a text, or false/)
  await fails({ broker: { encode: () => '' } }, /'codec.broker.decode' must be a function/)
  const contract = defineRoom('rooms', { messages: { A: {} }, codec: { ping: 7 as never } })
  const boot = (mistake: (app: TestApp['app']) => unknown): Promise<unknown> => createApp(t, { setup (app) { mistake(app) } })
  await t.rejects(boot(app => app.manageWebsocket(contract)), { message: /'codec.ping' of the contract 'rooms' must be a text, or false/ })
  await t.rejects(boot(app => app.manageWebsocket(() => 'a', { codec: {} })), { message: /'codec' of a route needs a room with a fixed name/ })
  await t.rejects(boot(app => [app.manageWebsocket('a', { codec: {} }), app.manageWebsocket('a', { codec: {} })]), { message: /'codec' of the room 'a' differs between two routes/ })
  for (const rooms of [['a'], ['a', 'b']]) {
    await t.rejects(createApp(t, { rooms: { codec: text }, setup (app) { app.manageWebsocket(rooms) } }), { message: /'codec' is for sockets in one room/ })
  }
  const other = defineRoom('other', { messages: { A: {} }, codec: text })
  await t.rejects(boot(app => app.manageWebsocket(['a'], { contracts: [other] })), { message: /'codec' is for sockets in one room/ })
  await t.resolves(boot(app => [app.manageWebsocket('a', { codec: text }), app.manageWebsocket('a', { codec: text })]))
})

noStrays()
