import t from 'tap'
import type { Test } from 'tap'
import Fastify from 'fastify'
import fastifyRooms from '../index.js'
import type { RoomsOptions } from '../index.js'
import { createApp, until } from './helpers/app.js'
import type { TestApp } from './helpers/app.js'
import { endingOf, join, open, status } from './helpers/client.js'
import type { Client } from './helpers/client.js'
import { frame, joinRaw, openRaw } from './helpers/raw.js'
import { watchForStrays } from './helpers/strays.js'

const noStrays = watchForStrays(t)

const PING = frame('', { opcode: 9 })
const PONG = frame('', { opcode: 10 })

async function joined (t: Test, rooms: RoomsOptions): Promise<TestApp & { client: Client }> {
  const running = await createApp(t, { rooms })
  return { ...running, client: await join(t, running.url, running.token()) }
}

t.test('a client that sends too many bytes is ended with 4429, after its burst', async t => {
  const { app, client } = await joined(t, { maxPayload: 10_000, byteRate: 10_000 })
  const large = JSON.stringify({ command: 'WSPing', data: 'x'.repeat(9_900) })
  for (let i = 0; i < 20; i++) client.send(large)
  const { frames, code } = await endingOf(client)
  t.equal(code, 4429)
  t.strictSame(frames.pop(), status('rate_limited'))
  t.equal(frames.filter(({ command }) => command === 'WSPong').length, 5)
  t.match(app.ws.stats().ended, { rate_limited: 1 })
})

t.test('what a client has sent is forgotten with time', async t => {
  const { client } = await joined(t, { maxPayload: 10_000, byteRate: 100_000 })
  const large = JSON.stringify({ command: 'WSPing', data: 'x'.repeat(9_000) })
  for (let i = 0; i < 55; i++) client.send(large)
  for (let i = 0; i < 55; i++) t.equal((await client.next()).command, 'WSPong')
  const start = performance.now()
  await until(() => performance.now() - start > 200)
  for (let i = 0; i < 2; i++) client.send(large)
  for (let i = 0; i < 2; i++) t.equal((await client.next()).command, 'WSPong')
})

t.test('pings and pongs are messages too, whether or not anybody knows whose', async t => {
  for (const control of [PING, PONG]) {
    const { app, url, token } = await createApp(t, { rooms: { messageRate: 2, closeTimeout: 100 } })
    for (const raw of [await openRaw(t, url), await joinRaw(t, url, token())]) {
      raw.write(...Array.from({ length: 11 }, () => control))
      t.equal(await raw.closeCode(), 4429)
      await raw.closed
    }
    await until(() => app.ws.stats().connections === 0)
    t.match(app.ws.stats(), { ended: { rate_limited: 2 }, waiting: 0, members: 0 })
  }
})

t.test('and so are their bytes', async t => {
  const { url } = await createApp(t, { rooms: { maxPayload: 200, maxAuthPayload: 200, byteRate: 50, closeTimeout: 100 } })
  const raw = await openRaw(t, url)
  raw.write(...Array.from({ length: 4 }, () => frame('x'.repeat(100), { opcode: 10 })))
  t.equal(await raw.closeCode(), 4429)
})

t.test('a few of them do no harm', async t => {
  const { url, token } = await createApp(t, { rooms: { messageRate: 2 } })
  const raw = await openRaw(t, url)
  raw.write(PING, PONG, PING, PONG, frame(JSON.stringify({ token: token() })))
  await raw.received('connected')
  raw.write(PING, PONG, frame('{"command":"WSPing"}'))
  await raw.received('WSPong')
})

t.test('what comes after the end is not counted any more', async t => {
  const { app, url } = await createApp(t, { rooms: { messageRate: 1, closeTimeout: 200 } })
  const raw = await openRaw(t, url)
  raw.write(frame('no token'))
  t.equal(await raw.closeCode(), 4401)
  raw.write(...Array.from({ length: 100 }, () => PONG))
  await raw.closed
  t.strictSame(app.ws.stats().ended, { invalid_token: 1 })
})

t.test('a client that pings and does not read the pongs is cut off', async t => {
  const { app, url, token } = await createApp(t, { rooms: { messageRate: 100_000, byteRate: 100_000_000 } })
  const raw = await joinRaw(t, url, token())
  raw.closed.catch(() => {}) // it is reset
  raw.socket.pause()
  const pings = Buffer.concat(Array.from({ length: 1_000 }, () => frame('x'.repeat(125), { opcode: 9 })))
  // More than the buffers of the kernel take in both directions.
  const write = (): void => { if (raw.socket.writable) raw.socket.write(pings, write) }
  write()
  await until(() => app.ws.stats().connections === 0)
  t.match(app.ws.stats().ended, { client: 1 })
  raw.socket.destroy()
})

t.test('a message that is cut into many pieces on the way is refused, and the number of pieces can be set', async t => {
  const { url, token } = await createApp(t, { rooms: { websocket: { options: { maxBufferedChunks: 4 } }, closeTimeout: 100 } })
  const raw = await joinRaw(t, url, token())
  raw.socket.setNoDelay(true)
  const bytes = frame(JSON.stringify({ command: 'WSPing', data: 'x'.repeat(500) }))
  for (let at = 0; at < 20 && !raw.socket.destroyed; at++) {
    raw.write(bytes.subarray(at, at + 1))
    await new Promise(resolve => setTimeout(resolve, 5)) // so that each is a chunk of its own
  }
  t.equal(await raw.closeCode(), 1008)
})

t.test('one message of maxPayload must fit into the burst', async t => {
  const boot = async (rooms: RoomsOptions): Promise<void> => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(fastifyRooms, rooms)
  }
  await t.rejects(boot({ byteRate: 13_107 }), {
    code: 'FST_ROOMS_INVALID_OPTION',
    message: "fastify-rooms: option 'byteRate' (13107) is too little for maxPayload (65536): 5 seconds' worth must be enough for one message"
  })
  await t.resolves(boot({ byteRate: 13_108 }))
  const { client } = await joined(t, { maxPayload: 10_000, byteRate: 2_000 })
  client.send(JSON.stringify({ command: 'WSPing', data: 'x'.repeat(9_963) }))
  t.strictSame(await client.next(), { command: 'WSPong' })
})

t.test('who has not been let in yet may be told so too', async t => {
  const { app, url } = await createApp(t, { rooms: { messageRate: 1 } })
  const client = await open(t, url)
  for (let i = 0; i < 6; i++) client.socket.ping()
  t.strictSame(await endingOf(client), { frames: [status('rate_limited')], code: 4429, reason: '' })
  t.match(app.ws.stats(), { waiting: 0 })
})

noStrays()
