import { randomBytes } from 'node:crypto'
import { mock } from 'node:test'
import t from 'tap'
import type { WebSocket } from 'ws'
import type { Connection } from '../index.js'
import { createApp, until, untilJoined } from './helpers/app.js'
import type { TestApp } from './helpers/app.js'
import { join, open } from './helpers/client.js'
import type { Client } from './helpers/client.js'
import { joinRaw } from './helpers/raw.js'
import { startRedis } from './helpers/redis.js'

interface Inside { _socket: { write: (...args: unknown[]) => boolean }, _sender: { _state: number, dequeue (): void } }

/** Where writes are counted, in milliseconds: a ping is one, too, and a second member's comes after a fiftieth of the interval. */
const NEVER = 2_147_483_647

/** The server's side of the sockets, and what is inside them. */
function insides ({ app }: Pick<TestApp, 'app'>): Inside[] {
  return [...app.websocketServer.clients] as unknown as Inside[]
}

async function dataOf (client: Client, count: number): Promise<unknown[]> {
  const data: unknown[] = []
  while (data.length < count) data.push((await client.next()).data)
  return data
}

const send = ({ app }: Pick<TestApp, 'app'>, data: unknown, volatile = false): unknown => app.ws.sendToRoom('cdr', { command: 'M', data }, { volatile })

t.test('the messages of one turn are one write for each member, in the order of the calls', async t => {
  const room = await createApp(t, { rooms: { keepAlive: NEVER } })
  const members = [await join(t, room.url, room.token()), await join(t, room.url, room.token())]
  const writes = insides(room).map(({ _socket }) => mock.method(_socket, 'write'))
  for (let i = 0; i < 100; i++) send(room, i)
  for (const member of members) t.strictSame(await dataOf(member, 100), Array.from({ length: 100 }, (_, i) => i))
  t.strictSame(writes.map(({ mock }) => mock.callCount()), [1, 1])
  t.equal(writes[0]?.mock.calls[0]?.arguments[0], writes[1]?.mock.calls[0]?.arguments[0], 'and they share its bytes')
  t.equal(room.app.ws.stats().delivered, 200)
})

t.test('what is sent to one socket, its status and its end keep their place among the messages of its room', async t => {
  let connection: Connection | undefined
  const room = await createApp(t, { route: { onJoin: event => { connection = event.connection } } })
  const member = await join(t, room.url, room.token())
  const other = await join(t, room.url, room.token())
  const first = room.app.ws.stats().members === 2 && connection !== undefined
  t.ok(first)
  send(room, 1)
  connection?.send({ command: 'M', data: 2 })
  send(room, 3)
  connection?.close(4410)
  send(room, 4)
  t.strictSame(await dataOf(member, 3), [1, 3, 4])
  t.strictSame(await dataOf(other, 3), [1, 2, 3])
  t.match(await other.next(), { data: { status: 'disconnected' } })
  t.equal((await other.closed).code, 4410)

  const last = await join(t, room.url, room.token())
  send(room, 5)
  connection?.close(3000)
  t.strictSame(await dataOf(last, 1), [5])
  t.equal((await last.closed).code, 3000)
})

t.test('who becomes a member in the middle of a turn sees only what comes after', async t => {
  const room = await createApp(t, {
    route: {
      authorize: ({ user }) => {
        if ((user as { sub: string }).sub === 'late') send(room, 'before')
        return true
      },
      onJoin: ({ connection }) => { if (connection.userId === 'late') send(room, 'after') }
    }
  })
  const early = await join(t, room.url, room.token())
  const late = await join(t, room.url, room.token({ sub: 'late' }))
  t.strictSame(await dataOf(early, 2), ['before', 'after'])
  t.strictSame(await dataOf(late, 1), ['after'])
})

t.test('messages of every length arrive whole', async t => {
  const room = await createApp(t)
  const member = await join(t, room.url, room.token())
  const around = (frame: number): number[] => [-1, 0, 1].map(off => frame - Buffer.byteLength('{"command":"M","data":""}') + off)
  const lengths = [0, ...around(125), ...around(126), ...around(65_535), ...around(65_536), 200_000]
  for (const length of lengths) {
    send(room, 'x'.repeat(length))
    t.equal((await member.next()).data?.length, length)
  }
  for (const length of lengths) send(room, 'x'.repeat(length))
  for (const length of lengths) t.equal((await member.next()).data?.length, length, 'and in one turn')
})

t.test('while `ws` holds something back, or looks different inside, it is left to write by itself', async t => {
  const room = await createApp(t)
  const member = await join(t, room.url, room.token())
  const [inside] = insides(room) as [Inside]
  inside._sender._state = 1 // what it says while it compresses
  send(room, 1)
  send(room, 2)
  await new Promise(resolve => setImmediate(resolve))
  t.equal(member.frames.length, 1, 'nothing overtakes what is held back')
  inside._sender._state = 0
  inside._sender.dequeue()
  t.strictSame(await dataOf(member, 2), [1, 2])

  const sender = inside._sender
  const { send: sendOf } = inside as unknown as WebSocket
  const direct = mock.method(inside as unknown as WebSocket, 'send', sendOf)
  Object.assign(sender, { _state: undefined })
  send(room, 3)
  await until(() => direct.mock.callCount() === 1)
  t.equal(room.app.ws.stats().delivered, 3)

  const stream = inside._socket
  Object.assign(sender, { _state: 0 })
  sender.dequeue()
  Object.defineProperties(inside, { _socket: { value: null }, bufferedAmount: { value: 0, configurable: true } })
  send(room, 4)
  await until(() => direct.mock.callCount() === 2)
  Reflect.deleteProperty(inside, 'bufferedAmount')
  Object.assign(inside, { _socket: stream })
  t.strictSame(await dataOf(member, 2), [3, 4])
})

t.test('what is sent to one socket waits for what `ws` holds back, too', async t => {
  let greet: (() => void) | undefined
  const room = await createApp(t, { route: { onJoin ({ connection }) { greet = () => connection.send({ command: 'M', data: 1 }) } } })
  const member = await join(t, room.url, room.token())
  const [inside] = insides(room) as [Inside]
  await until(() => greet !== undefined)
  inside._sender._state = 1
  greet?.()
  send(room, 2)
  await new Promise(resolve => setImmediate(resolve))
  t.equal(member.frames.length, 1)
  inside._sender._state = 0
  inside._sender.dequeue()
  t.strictSame(await dataOf(member, 2), [1, 2])
})

t.test('where writing to one room fails, the others get what they are due', async t => {
  let connection: Connection | undefined
  const room = await createApp(t, {
    rooms: { keepAlive: NEVER },
    setup: app => {
      app.get('/last', { websocket: true }, app.manageWebsocket('last'))
      app.get('/first', { websocket: true }, app.manageWebsocket('first', { onJoin: event => { connection = event.connection } }))
    }
  })
  const to = (path: string): string => room.url.replace('/cdr/users/ws', path)
  await join(t, room.url, room.token())
  const write = mock.method((insides(room)[0] as Inside)._socket, 'write', () => { throw new Error('not written') })
  const [first, last] = [await join(t, to('/first'), room.token()), await join(t, to('/last'), room.token())]
  await until(() => connection !== undefined)
  for (const name of ['first', 'cdr', 'last']) room.app.ws.sendToRoom(name, { command: 'M', data: name })
  t.throws(() => connection?.send({ command: 'M', data: 'alone' }), /not written/)
  write.mock.restore()
  t.strictSame(await dataOf(first, 1), ['first'])
  t.strictSame(await dataOf(last, 1), ['last'])
})

t.test('compression', async t => {
  const text = 'one and the same sentence, again and again. '.repeat(200)

  t.test('a long message is compressed for those who have agreed to it', async t => {
    const room = await createApp(t, { rooms: { perMessageDeflate: true, keepAlive: NEVER } })
    const compressed = [await join(t, room.url, room.token()), await join(t, room.url, room.token())]
    const plain = await open(t, room.url, { perMessageDeflate: false })
    plain.send({ token: room.token() })
    await plain.next()
    t.match(compressed[0]?.socket.extensions, 'permessage-deflate')
    t.equal(plain.socket.extensions, '')
    const writes = insides(room).map(({ _socket }) => mock.method(_socket, 'write'))
    send(room, text)
    send(room, 'short')
    for (const member of [...compressed, plain]) t.strictSame(await dataOf(member, 2), [text, 'short'])
    const bytes = writes.map(({ mock }) => mock.calls[0]?.arguments[0] as Buffer)
    t.equal(bytes[0], bytes[1], 'and compressed once')
    t.ok((bytes[0] as Buffer).length < 300)
    t.ok((bytes[2] as Buffer).length > text.length)
  })

  t.test('what would become longer by it is sent as it is', async t => {
    const room = await createApp(t, { rooms: { perMessageDeflate: { threshold: 10 } } })
    const member = await join(t, room.url, room.token())
    const noise = randomBytes(12).toString('base64')
    send(room, noise)
    send(room, text)
    t.strictSame(await dataOf(member, 2), [noise, text])
  })

  t.test('the threshold can be left to the default', async t => {
    const room = await createApp(t, { rooms: { perMessageDeflate: {} } })
    const member = await join(t, room.url, room.token())
    send(room, text)
    t.strictSame(await dataOf(member, 1), [text])
  })

  t.test('it is off by default', async t => {
    const room = await createApp(t)
    const member = await join(t, room.url, room.token())
    t.equal(member.socket.extensions, '')
  })
})

t.test('volatile messages', async t => {
  t.test('are missed by a member who is behind, who still gets all others in order', async t => {
    const room = await createApp(t, { rooms: { maxBuffered: 64 * 1024 * 1024 } })
    const fast = await join(t, room.url, room.token())
    const slow = await joinRaw(t, room.url, room.token({ sub: 'slow' }))
    slow.socket.pause()
    const filler = 'x'.repeat(200_000)
    const behind = (): boolean => [...room.app.websocketServer.clients].some(({ bufferedAmount }) => bufferedAmount > 1_000_000)
    let fillers = 0
    while (!behind()) {
      send(room, filler)
      fillers++
      await new Promise(resolve => setImmediate(resolve))
    }
    send(room, 'VOLATILE-1', true)
    send(room, 'LASTING', false)
    send(room, 'VOLATILE-2', true)
    await new Promise(resolve => setImmediate(resolve))
    send(room, 'VOLATILE-3', true)
    const seen = await dataOf(fast, fillers + 4)
    t.strictSame(seen.slice(-4), ['VOLATILE-1', 'LASTING', 'VOLATILE-2', 'VOLATILE-3'])
    slow.socket.resume()
    await slow.received('LASTING')
    send(room, 'LAST')
    await slow.received('LAST"')
    t.notOk(slow.text().includes('VOLATILE'))
  })

  t.test('are missed by a member who is behind and has agreed to compression, too', async t => {
    const room = await createApp(t, { rooms: { maxBuffered: 64 * 1024 * 1024, perMessageDeflate: true } })
    const slow = await join(t, room.url, room.token())
    slow.socket.pause()
    let fillers = 0
    while (![...room.app.websocketServer.clients].some(({ bufferedAmount }) => bufferedAmount > 1_000_000)) {
      send(room, randomBytes(100_000).toString('base64'))
      fillers++
      await new Promise(resolve => setImmediate(resolve))
    }
    send(room, 'VOLATILE', true)
    send(room, 'LASTING')
    await new Promise(resolve => setImmediate(resolve))
    slow.socket.resume()
    t.equal((await dataOf(slow, fillers + 1)).at(-1), 'LASTING')
  })

  t.test('go through Redis behind a line that members never see', async t => {
    const redis = await startRedis(t)
    const a = await createApp(t, { rooms: { redis: redis.url } })
    const b = await createApp(t, {
      rooms: { redis: redis.url },
      setup: app => { app.post('/v', async (_request, reply) => { reply.sendToRoom('cdr', { command: 'M', data: 2 }, { volatile: true }) }) }
    })
    const member = await join(t, a.url, a.token())
    const stranger = redis.client()
    t.teardown(() => stranger.disconnect())
    const heard: string[] = []
    stranger.on('message', (_channel, payload) => heard.push(payload))
    await stranger.subscribe('rooms:cdr')
    await untilJoined(b)
    await b.app.ws.sendToRoom('cdr', { command: 'M', data: 1 }, { volatile: true })
    await fetch(`${b.http}/v`, { method: 'POST' })
    t.strictSame(await dataOf(member, 2), [1, 2])
    await until(() => heard.length === 2)
    t.equal(heard[0], '!volatile\n{"command":"M","data":1}')
  })

  t.test('a line before the message that is not known is no message of ours', async t => {
    const redis = await startRedis(t)
    const a = await createApp(t, { rooms: { redis: redis.url } })
    const member = await join(t, a.url, a.token())
    const stranger = redis.client()
    t.teardown(() => stranger.disconnect())
    for (const payload of ['!', '!volatile', '!volatilé\n{"command":"M"}', '!other\n{"command":"M","data":1}', '!volatile\n!volatile\n{"command":"M"}', '!volatile\nx']) {
      await stranger.publish('rooms:cdr', payload)
    }
    await stranger.publish('rooms:cdr', '!volatile\n{"command":"M","data":"good"}')
    t.strictSame(await dataOf(member, 1), ['good'])
    t.equal(a.app.ws.stats().malformed, 6)
  })
})
