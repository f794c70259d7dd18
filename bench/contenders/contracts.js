// What a contract costs where it stands in the way, without sockets: all that is done to a message before it is published,
// and to a frame of a client before its handler is called, beside what JSON alone costs.
import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import fastifyRooms, { defineRoom } from '../../dist/index.js'
import { Addresses } from '../../dist/lib/address.js'
import { untrustedJson } from '../../dist/lib/json.js'
import { objectIn } from '../../dist/lib/protocol.js'
import { Sender } from '../../dist/lib/sender.js'
import { Serializers } from '../../dist/lib/serializers.js'
import { validated } from '../../dist/lib/validate.js'
import { serve, wanted } from '../server.js'

const User = Type.Object({
  id: Type.String(),
  name: Type.String(),
  firstname: Type.String(),
  email: Type.String(),
  promotion: Type.Integer({ minimum: 1_900 }),
  paid: Type.Boolean(),
  amount: Type.Number({ minimum: 0 }),
  size: Type.String({ enum: ['S', 'M', 'L'] }),
  updated: Type.String(),
  note: Type.Union([Type.Null(), Type.String()])
})
const stand = defineRoom('stand/:standId', { messages: { UPDATE_USER: User }, commands: { EDIT: { data: User }, CALL_NEXT: { data: Type.Object({ desk: Type.Integer({ minimum: 1 }) }) } } })

const user = {
  id: '3fa85f64-5717-4562-b3fc-2c963f66afa6',
  name: 'Lefèvre',
  firstname: 'Jeanne',
  email: 'jeanne.lefevre@example.org',
  promotion: 2024,
  paid: true,
  amount: 42.5,
  size: 'M',
  updated: '2026-09-01T12:00:00.000Z',
  note: null
}

const app = Fastify()
await app.register(fastifyRooms, { redis: wanted.redis })
let request
app.get('/', async given => { request = given })
await app.inject('/')

const settings = { broker: {}, whenBrokerDown: 'local', maxMessage: 256 * 1_024, addresses: new Addresses('rooms:', () => undefined, true), serializers: new Serializers(app, { validateMessages: false }) }
const sender = new Sender(settings, {}, app.log, () => undefined)
const room = stand({ standId: '7' })
const message = { command: 'UPDATE_USER', data: user }
const bytes = Buffer.alloc(1_024)

const parse = untrustedJson(app)
const edit = Buffer.from(JSON.stringify({ command: 'EDIT', data: user, id: 7 }))
const call = Buffer.from(JSON.stringify({ command: 'CALL_NEXT', data: { desk: 4 }, id: 7 }))

function decode (frame) {
  const { command, data } = objectIn(parse(frame))
  return validated(request, stand.definition.commands[command].data, data)
}

const works = {
  out: [() => sender.encode(room, message), () => JSON.stringify(message)],
  // A string that has only been put together from parts is not one yet.
  bytes: [() => bytes.write(sender.encode(room, message)), () => bytes.write(JSON.stringify(message))],
  in: [() => decode(edit), () => JSON.parse(edit.toString()).data],
  small: [() => decode(call), () => JSON.parse(call.toString()).data]
}
for (const [what, [ours, theirs]] of Object.entries(works)) {
  const [one, other] = [ours(), theirs()].map(made => typeof made === 'string' ? JSON.parse(made) : made)
  if (JSON.stringify(one) !== JSON.stringify(other)) throw new Error(`${what}: ${JSON.stringify(one)} is not ${JSON.stringify(other)}`)
}

await serve({
  port: 0,
  /** @returns microseconds for each */
  async run ({ what, by, times }) {
    const work = works[what][by === 'contract' ? 0 : 1]
    let last
    const start = performance.now()
    for (let time = 0; time < times; time++) last = work()
    const taken = performance.now() - start
    if (last === undefined) throw new Error('It did nothing.')
    return { work: taken * 1_000 / times }
  }
})
