// Our server in a process that has many rooms already. Their members are sockets that are none, since no machine of the
// bench could open 100,000: the plugin's handler is called as @fastify/websocket would call it.
import { EventEmitter } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import fastifyJwt from '@fastify/jwt'
import Fastify from 'fastify'
import fastifyRooms from '../../dist/index.js'
import { cpu, serve, wanted } from '../server.js'
import { SECRET } from '../token.js'

const BATCH = 500

class Socket extends EventEmitter {
  readyState = 1
  bufferedAmount = 0
  extensions = ''
  send () { onAnswer() }
  close () { this.readyState = 2 }
  terminate () {}
  ping () {}
}

const app = Fastify()
await app.register(fastifyJwt, { secret: SECRET, verify: { algorithms: ['HS256'] } })
await app.register(fastifyRooms, { redis: wanted.redis, keepAlive: 3_600_000, pongTimeout: 3_500_000, ...wanted.options }) // nobody there answers a ping
let upgrade
app.addHook('onRequest', async request => { upgrade ??= request })
app.get('/rooms/:room', { websocket: true }, app.manageWebsocket(request => request.params.room))
const handler = app.manageWebsocket(request => `room-${request.params.number}`, { authenticate: false })
await app.listen({ port: 0, host: '127.0.0.1' })
;(await app.injectWS('/rooms/any')).terminate()
// The plugin has let go of that reply. The others have one that holds no socket.
const kReply = Object.getOwnPropertySymbols(upgrade).find(({ description }) => description === 'fastify-rooms.reply')
const reply = { raw: { socket: null } }

let onAnswer
let next = 0

await serve({
  port: app.server.address().port,
  async fill () {
    for (let done = 0; done < wanted.members; done += BATCH) await join(Math.min(BATCH, wanted.members - done))
    return {}
  },
  /** Another member for some of the rooms, all over the table, who leaves again. */
  async bare ({ count }) {
    const before = cpu()
    for (let done = 0; done < count; done += BATCH) {
      for (const socket of await join(BATCH, 7_919)) {
        socket.readyState = 3
        socket.emit('close', 1_000, Buffer.alloc(0))
      }
    }
    return { bare: (cpu() - before) / count }
  },
  /** Resolves when those who came over the network have left. */
  async left () {
    while (app.ws.stats().members > wanted.members) await turn()
    if (app.ws.stats().members < wanted.members) throw new Error('members are missing')
    return {}
  }
})

async function join (count, step = 1) {
  const sockets = []
  const answered = new Promise(resolve => {
    let left = count
    onAnswer = () => { if (--left === 0) resolve() }
  })
  for (let number = 0; number < count; number++) {
    const socket = new Socket()
    sockets.push(socket)
    next = (next + step) % wanted.rooms
    handler.call(app, socket, Object.create(upgrade, { params: { value: { number: next } }, [kReply]: { value: reply, writable: true } }))
  }
  await answered
  return sockets
}
