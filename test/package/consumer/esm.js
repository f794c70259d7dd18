import assert from 'node:assert/strict'
import Fastify from 'fastify'
import fastifyRooms, { fastifyRooms as named, MemoryBroker } from 'fastify-rooms'

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
