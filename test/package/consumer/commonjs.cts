import Fastify = require('fastify')
import fastifyRooms = require('fastify-rooms')
import client = require('fastify-rooms/client')
import testing = require('fastify-rooms/testing')

const app = Fastify()
app.register(fastifyRooms, { prefix: 'rooms:' })
app.get('/cdr', { websocket: true }, app.manageWebsocket('cdr', { authenticate: async request => { request.log.info('in') } }))
app.ws.sendToRoom('cdr', { command: 'UPDATE_USER' }).then(({ subscribers }) => subscribers.toFixed())
testing.connect(app, '/cdr').then(client => client.expectMessage<{ id: string }>('UPDATE_USER')).then(({ data }) => data.id.trim())

// @ts-expect-error
app.register(fastifyRooms, { keepAlive: '25s' })

client.connect('cdr', { url: 'wss://example.org', token: () => 'a token' }).close()
