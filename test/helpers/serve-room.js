// An application in a process of its own, of what was built: it can be killed, stopped, or told to end.
import Fastify from 'fastify'
import fastifyJwt from '@fastify/jwt'
import fastifyRooms from '../../dist/index.js'

const { REDIS_URL, PORT = '0', ROOMS = '{}' } = process.env

const app = Fastify()
await app.register(fastifyJwt, { secret: 'a secret of the tests', verify: { algorithms: ['HS256'] } })
await app.register(fastifyRooms, { redis: REDIS_URL, history: { size: 1_000, ttl: 60_000 }, ...JSON.parse(ROOMS) })
app.get('/cdr/users/ws', { websocket: true }, app.manageWebsocket('cdr'))
app.post('/send', async request => await app.ws.sendToRoom('cdr', request.body))
app.get('/count', async () => await app.ws.count('cdr'))
app.get('/stats', async () => app.ws.stats())

process.once('SIGTERM', () => app.close())
console.log(await app.listen({ port: Number(PORT), host: '127.0.0.1' }))
