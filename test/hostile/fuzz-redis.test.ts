import t from 'tap'
import fc from 'fast-check'
import { createApp, until, untilJoined } from '../helpers/app.js'
import { join } from '../helpers/client.js'
import type { Client, Frame } from '../helpers/client.js'
import { startRedis } from '../helpers/redis.js'
import { watchForStrays } from '../helpers/strays.js'
import { bytes, fuzz, nastyJson, nastyText, SEED } from './fuzzing.js'

const noStrays = watchForStrays(t)
t.setTimeout(3_600_000)

const numberish = fc.oneof(fc.nat(100).map(String), fc.constantFrom('', '-1', '0', '1e9', '99999999999999999999', 'NaN', '0-1', '1795201534021000'), fc.string({ maxLength: 5 }))
const message = fc.tuple(fc.oneof(nastyJson, fc.constantFrom('"X"', '"toString"', '"\\u0057SStatus"')), nastyJson).map(([command, data]) => `{"command":${command},"data":${data}}`)
const body = fc.oneof(message, nastyText)

/** What is published by who has Redis, and is no friend. */
const payload: fc.Arbitrary<Buffer> = fc.oneof(
  { arbitrary: bytes, weight: 100 },
  { arbitrary: body.map(text => Buffer.from(text)), weight: 200 },
  { arbitrary: fc.tuple(numberish, numberish, numberish, body).map(([epoch, seq, mid, text]) => Buffer.from(`!seq ${epoch} ${seq} ${mid}\n${text}`)), weight: 200 },
  { arbitrary: fc.tuple(fc.constantFrom('!seq', '!seq ', '!volatile', '!volatile\n', '!revoked', '!revoked ', '!except', '!', '!!', '!\n'), body).map(parts => Buffer.from(parts.join(''))), weight: 150 },
  { arbitrary: fc.tuple(nastyJson, nastyJson).map(([user, at]) => Buffer.from(`!revoked\n{"user":${user},"at":${at}}`)), weight: 50 },
  { arbitrary: message.map(text => Buffer.concat([Buffer.from(text.slice(0, -1)), Buffer.from([0xff, 0xc1]), Buffer.from('}')])), weight: 50 },
  { arbitrary: fc.constantFrom('x', '[', '{"a":', '\0').map(part => Buffer.from(part.repeat(1_048_576 / part.length))), weight: 1 },
  { arbitrary: fc.constant(Buffer.from(`{"command":"BIG","data":"${'x'.repeat(1_048_576)}"}`)), weight: 1 }
)

const field = fc.oneof(fc.constantFrom('m', 'p', 'e', 'x', ''), bytes)
const misdeed = fc.oneof(
  { arbitrary: fc.record({ kind: fc.constant('publish' as const), room: fc.constantFrom('plain', 'kept'), payload }), weight: 100 },
  { arbitrary: fc.record({ kind: fc.constant('add' as const), id: fc.constantFrom('behind', '*'), fields: fc.array(fc.tuple(field, fc.oneof(payload, numberish)), { minLength: 1, maxLength: 4 }) }), weight: 40 },
  { arbitrary: fc.constant({ kind: 'delete' as const }), weight: 5 }
)

/** A member of whose frames none is kept: in a long run they are too many. */
class Ear {
  readonly #frames: Frame[] = []
  #wake = (): void => {}

  constructor ({ socket }: Client) {
    socket.removeAllListeners('message')
    socket.on('message', data => {
      this.#frames.push(JSON.parse(data.toString()))
      this.#wake()
    })
  }

  async next (): Promise<Frame> {
    while (this.#frames.length === 0) await new Promise<void>(resolve => { this.#wake = resolve })
    return this.#frames.shift() as Frame
  }
}

const OWN = new Set(['connected', 'resync', 'epoch'])

t.test(`A19, C15: whatever comes from Redis is shown to members as a message, or counted, and what follows arrives; FUZZ_SEED=${SEED}`, async t => {
  const redis = await startRedis(t)
  const admin = redis.client()
  t.teardown(() => admin.disconnect())
  const running = await createApp(t, {
    rooms: { redis: redis.url, keepAlive: 600_000, history: room => room === 'kept' ? { size: 50, ttl: 60_000 } : undefined },
    fastify: { logger: false },
    setup: app => { for (const room of ['plain', 'kept']) app.get(`/${room}`, { websocket: true }, app.manageWebsocket(room)) }
  })
  const { app, http, token } = running
  await untilJoined(running)
  const [plain, kept] = await Promise.all(['plain', 'kept'].map(async room => new Ear(await join(t, `${http.replace('http', 'ws')}/${room}`, token())))) as [Ear, Ear]
  let number = 0
  let [delivered, resyncs] = [0, 0]

  /** All that a member hears until it hears of this, or that it has missed something. */
  const hear = async (ear: Ear, number: number): Promise<void> => {
    for (;;) {
      const frame = await ear.next()
      const { command, data } = frame
      if (typeof command !== 'string' || command === '' || /^WS(Error|Snapshot|Presence|Pong)$/.test(command)) throw new Error(`heard ${JSON.stringify(frame).slice(0, 200)}`)
      if (command === 'WSStatus' && !OWN.has(data?.status as string)) throw new Error(`heard ${JSON.stringify(frame).slice(0, 200)}`)
      if (command === 'GOOD' && data as unknown === number) return
      if (data?.status === 'resync') {
        resyncs++
        return
      }
      if (!/^(WSStatus|WSPing|GOOD)$/.test(command)) delivered++
    }
  }

  await fuzz(t, misdeed, async deed => {
    if (deed.kind === 'publish') {
      await admin.publish(`rooms:${deed.room}`, deed.payload)
    } else if (deed.kind === 'delete') {
      await admin.del('{rooms:kept}:s')
    } else {
      const stream = '{rooms:kept}:s'
      const last = (await admin.xrevrange(stream, '+', '-', 'COUNT', 1))[0]?.[0]
      const id = deed.id === '*' || last === undefined ? '*' : `${last.split('-')[0]}-*`
      await admin.xadd(stream, id, ...deed.fields.flat()).catch(() => {}) // Redis takes nothing that is not behind the last
    }
    const good = ++number
    await app.ws.sendToRoom('plain', { command: 'GOOD', data: good })
    await hear(plain, good)
    await app.ws.sendToRoom('kept', { command: 'GOOD', data: good })
    await hear(kept, good)
    if ('polluted' in {}) throw new Error('what objects are has been changed')
  })
  const { malformed, members: count } = app.ws.stats()
  t.equal(count, 2, 'nobody was cut off')
  t.ok(malformed > 50, `${malformed} were counted`)
  t.ok(delivered > 10, `${delivered} were messages`)
  t.ok(resyncs < number / 4, `${resyncs} times a member was told to look again`)
  await until(() => app.ws.stats().broker === 'up')
})

noStrays()
