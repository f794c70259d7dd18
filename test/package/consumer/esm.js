import assert from 'node:assert/strict'
import Fastify from 'fastify'
import fastifyRooms, { fastifyRooms as named, MemoryBroker } from 'fastify-rooms'
import fastifyRoomsAsyncapi from 'fastify-rooms/asyncapi'
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

// Neither yaml nor the React component is installed here.
const described = Fastify()
await described.register(fastifyRooms)
await described.register(fastifyRoomsAsyncapi, { asyncapi: { info: { title: 'Consumer', version: '1.0.0' } } })
described.get('/cdr', { websocket: true }, described.manageWebsocket('cdr', { authenticate: false }))
assert.match((await described.inject('/asyncapi')).body, /npm install @asyncapi\/react-component/)
assert.equal((await described.inject('/asyncapi/json')).json().channels.cdr.address, '/cdr')
assert.equal((await described.inject('/asyncapi/yaml')).statusCode, 501)
await described.close()

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
