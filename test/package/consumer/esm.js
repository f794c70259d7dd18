import assert from 'node:assert/strict'
import Fastify from 'fastify'
import fastifyRooms, { fastifyRooms as named, MemoryBroker } from 'fastify-rooms'
import { connect, RefusedError, TestBus } from 'fastify-rooms/testing'

assert.equal(typeof fastifyRooms, 'function')
assert.equal(named, fastifyRooms)

const app = Fastify()
await app.register(fastifyRooms, { broker: new MemoryBroker() })
app.get('/cdr', { websocket: true }, app.manageWebsocket('cdr', { authenticate: false }))
await app.ready()

const heard = await new Promise((resolve, reject) => {
  const onInit = socket => socket.on('message', data => {
    const frame = JSON.parse(data)
    if (frame.command === 'WSStatus') app.ws.sendToRoom('cdr', { command: 'HELLO' }).catch(reject)
    else resolve(frame)
  })
  app.injectWS('/cdr', {}, { onInit }).catch(reject)
})
assert.deepEqual(heard, { command: 'HELLO' })

await app.close()

const bus = new TestBus()
const [one, other] = await Promise.all(['one', 'other'].map(async name => {
  const app = Fastify()
  await app.register(fastifyRooms, { broker: bus.broker({ name }) })
  app.get('/cdr', { websocket: true }, app.manageWebsocket('cdr', { authenticate: false }))
  return app
}))
const client = await connect(one, '/cdr')
await other.ready()
await other.ws.sendToRoom('cdr', { command: 'HELLO' })
assert.deepEqual(await client.expectMessage(), { command: 'HELLO' })
await assert.rejects(connect(other, '/nowhere'), RefusedError)
await Promise.all([one.close(), other.close()])
await client.expectClose(1012)
