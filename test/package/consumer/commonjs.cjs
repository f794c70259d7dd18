const assert = require('node:assert/strict')
const Fastify = require('fastify')
const fastifyRooms = require('fastify-rooms')

assert.equal(typeof fastifyRooms, 'function')
assert.equal(fastifyRooms.default, fastifyRooms)
assert.equal(fastifyRooms.fastifyRooms, fastifyRooms)
assert.equal(require('fastify-rooms/package.json').name, 'fastify-rooms')

async function main () {
  assert.equal((await import('fastify-rooms')).default, fastifyRooms)
  const app = Fastify()
  app.register(fastifyRooms)
  await app.ready()
  assert.equal(await app.ws.count('cdr'), 0)
  await app.close()
}

main()
