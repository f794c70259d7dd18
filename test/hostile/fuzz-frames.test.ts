import type { AddressInfo } from 'node:net'
import t from 'tap'
import fc from 'fast-check'
import Fastify from 'fastify'
import fastifyJwt from '@fastify/jwt'
import { Attacker, closeFrame, frame } from '../../hostile/shared.js'
import fastifyRooms, { defineRoom } from '../../index.js'
import { errors } from '../../lib/errors.js'
import { CAUSES } from '../../lib/protocol.js'
import { until } from '../helpers/app.js'
import { Client } from '../helpers/client.js'
import { watchForStrays } from '../helpers/strays.js'
import { bytes, fuzz, nastyJson, nastyText, SEED } from './fuzzing.js'
import { INNARDS } from './siege.js'

const noStrays = watchForStrays(t)
t.setTimeout(3_600_000)

const desk = defineRoom('desk', { messages: { CALLED: {} }, commands: { ECHO: {}, SAY: {} } })

/** One thing that a client sends. */
const sent = fc.oneof(
  { arbitrary: nastyText.map(text => frame(text)), weight: 4 },
  { arbitrary: fc.tuple(fc.constantFrom('ECHO', 'SAY', 'WSPing'), nastyJson, nastyJson).map(([command, data, id]) => frame(`{"command":"${command}","data":${data},"id":${id}}`)), weight: 4 },
  { arbitrary: fc.tuple(fc.constantFrom('ECHO', 'SAY'), nastyJson).map(([command, data]) => frame(`{"command":"${command}","data":${data},"id":1}`)), weight: 4 },
  { arbitrary: nastyJson.map(recover => frame(`{"token":"x","recover":${recover}}`)), weight: 1 },
  { arbitrary: fc.tuple(bytes, fc.record({ opcode: fc.nat(15), fin: fc.boolean(), rsv: fc.nat(7), masked: fc.boolean(), wide: fc.boolean() })).map(([payload, bits]) => frame(payload, bits)), weight: 2 },
  { arbitrary: fc.tuple(bytes, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })).map(([payload, claim]) => frame(payload, { claim })), weight: 1 },
  { arbitrary: fc.tuple(fc.nat(65_535), bytes).map(([code, reason]) => closeFrame(code, reason.subarray(0, 123))), weight: 1 },
  { arbitrary: bytes.map(payload => frame(payload)), weight: 1 },
  { arbitrary: bytes, weight: 1 }
)

const visit = fc.record({
  /** Whether there is a good token before all that. */
  member: fc.boolean(),
  path: fc.constantFrom('/desk', '/open', '/kept'),
  frames: fc.array(sent, { minLength: 1, maxLength: 8 }),
  /** Where the bytes are cut, so that they arrive in pieces. */
  cuts: fc.array(fc.nat(2_000), { maxLength: 3 })
})

/** All that a server may close with by itself: by its own word, or as `ws` does for frames that are none. */
const CODES = new Set<unknown>([...Object.values(CAUSES).map(({ code }) => code), 1002, 1007, 1008, 1009, 'cut'])
const COMMANDS = new Set(['WSStatus', 'WSError', 'WSPing', 'WSPong', 'ECHO', 'SAY', 'N'])

t.test(`C2, C11, C15: whatever frames a client sends, it hears what is documented, and others are served; FUZZ_SEED=${SEED}`, async t => {
  const app = Fastify({ logger: false })
  t.teardown(() => app.close())
  await app.register(fastifyJwt, { secret: 'a secret of the tests', verify: { algorithms: ['HS256'] } })
  await app.register(fastifyRooms, { messageRate: 1_000_000, keepAlive: 600_000, history: room => room === 'kept' ? { size: 10, ttl: 60_000 } : undefined })
  app.get('/desk', { websocket: true }, app.manageWebsocket(desk, { commands: { ECHO: ({ data }) => data, SAY: ({ data }) => [data] } }))
  app.get('/open', { websocket: true }, app.manageWebsocket('open', { authenticate: false }))
  app.get('/kept', { websocket: true }, app.manageWebsocket('kept'))
  app.get('/member', { websocket: true }, app.manageWebsocket('open', { authenticate: false }))
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const token = JSON.stringify({ token: app.jwt.sign({ sub: 'mallory' }) })

  const member = new Client(`ws://127.0.0.1:${port}/member`)
  t.teardown(() => member.socket.terminate())
  await member.next('WSStatus')
  let cases = 0
  const seen = new Map<unknown, number>()

  await fuzz(t, visit, async ({ member: isMember, path, frames, cuts }) => {
    const attacker = await Attacker.upgrade(port, { path, address: `127.0.0.${2 + cases % 50}` })
    try {
      if (isMember) attacker.text(token)
      const all = Buffer.concat(frames)
      const ends = [...cuts.map(cut => cut % (all.length + 1)), all.length].sort((a, b) => a - b)
      let start = 0
      for (const end of ends) {
        attacker.write(all.subarray(start, end))
        start = end
        if (end < all.length) await new Promise(resolve => setImmediate(resolve))
      }
      attacker.socket.end() // a server that has read to the end lets go of it
      await attacker.until(() => false)
    } finally {
      attacker.leave()
    }
    const { ended } = attacker
    seen.set(ended, (seen.get(ended) ?? 0) + 1)
    // A close frame is answered with its own code, if that may be sent.
    if (!CODES.has(ended) && !(typeof ended === 'number' && frames.some(sent => sent.includes(Buffer.from([ended >> 8, ended & 255])))) && ended !== 1005) throw new Error(`ended with ${ended}`)
    for (const text of attacker.heard) {
      const { command, data } = JSON.parse(text)
      if (!COMMANDS.has(command)) throw new Error(`heard ${text}`)
      if (command === 'WSError' && !(data.code in errors)) throw new Error(`heard ${text}`)
      if ((command === 'WSError' || command === 'WSStatus') && INNARDS.test(text)) throw new Error(`heard ${text}`)
    }
    if ('polluted' in {}) throw new Error('what objects are has been changed')
    const number = ++cases
    await app.ws.sendToRoom('open', { command: 'N', data: number })
    const { data } = await member.next()
    if (data as unknown !== number) throw new Error(`the member heard ${JSON.stringify(data)}`)
  })
  await until(() => app.ws.stats().connections === 1)
  for (const code of [1002, 4400, 4401]) t.ok((seen.get(code) ?? 0) > 5, `${code} is met often enough to mean something`)
})

noStrays()
