const assert = require('node:assert/strict')
const Fastify = require('fastify')
const fastifyRooms = require('fastify-rooms')
const fastifyRoomsAsyncapi = require('fastify-rooms/asyncapi')
const { connect, TestBus } = require('fastify-rooms/testing')

assert.equal(typeof fastifyRooms, 'function')
assert.equal(fastifyRooms.default, fastifyRooms)
assert.equal(fastifyRooms.fastifyRooms, fastifyRooms)
assert.equal(typeof fastifyRoomsAsyncapi, 'function')
assert.equal(require('fastify-rooms/package.json').name, 'fastify-rooms')

async function main () {
  assert.equal((await import('fastify-rooms')).default, fastifyRooms)
  const app = Fastify()
  app.register(fastifyRooms, { broker: new TestBus().broker() })
  app.register(async app => {
    app.get('/cdr', { websocket: true }, app.manageWebsocket('cdr', { authenticate: false }))
  })
  await app.ready()
  assert.equal(await app.ws.count('cdr'), 0)
  const client = await connect(app, '/cdr')
  assert.equal(await app.ws.count('cdr'), 1)
  await client.expectNothing()
  await app.close()
}

main()
