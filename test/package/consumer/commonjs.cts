import Fastify = require('fastify')
import fastifyRooms = require('fastify-rooms')

const app = Fastify()
app.register(fastifyRooms, { prefix: 'rooms:' })
app.get('/cdr', { websocket: true }, app.manageWebsocket('cdr', { authenticate: async request => { request.log.info('in') } }))
app.ws.sendToRoom('cdr', { command: 'UPDATE_USER' }).then(({ subscribers }) => subscribers.toFixed())

// @ts-expect-error
app.register(fastifyRooms, { keepAlive: '25s' })
