import assert from 'node:assert/strict'
import Fastify from 'fastify'
import fastifyRooms, { fastifyRooms as named, MemoryBroker } from 'fastify-rooms'
import fastifyRoomsAsyncapi from 'fastify-rooms/asyncapi'
import { connect as connectRoom } from 'fastify-rooms/client'
import { defineRoom } from 'fastify-rooms/contract'
import { connect, RefusedError, TestBus } from 'fastify-rooms/testing'
import { WebSocket } from 'ws'

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

const stand = defineRoom('stand/:standId', { messages: { CALLED: {} }, commands: { ADD: {} } })
const served = Fastify()
const { port } = await listening()
const room = connectRoom(stand({ standId: '7' }), { url: `http://127.0.0.1:${port}/stands/7`, token: false, WebSocket, whileAway: 'queue' })
assert.deepEqual(await room.send('ADD', [1, 2]), 3)
room.close()
await served.close()

async function listening () {
  await served.register(fastifyRooms)
  served.get('/stands/:standId', { websocket: true }, served.manageWebsocket(stand, { authenticate: false, commands: { ADD: ({ data: [one, two] }) => one + two } }))
  await served.listen({ port: 0, host: '127.0.0.1' })
  return served.server.address()
}
