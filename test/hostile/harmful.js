// A server that does to its members what none should, each thing once: whoever looks for harm has to find it.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'
import { serve } from '../../faults/server.js'

const http = createServer().listen(0, '127.0.0.1')
await once(http, 'listening')
const { clients } = new WebSocketServer({ server: http }).on('connection', socket => {
  socket.on('message', () => say(socket, 'WSStatus', { status: 'connected', rooms: { room: {} } }))
})

const say = (socket, command, data) => socket.send(JSON.stringify({ command, data }))
const tell = data => { for (const socket of clients) say(socket, 'N', data) }

/** What becomes of the first message, the second, and so on, and what is said of it. */
const FATES = [
  () => 'accepted',
  data => { tell(data); tell(data); return 'accepted' },
  () => 'unknown',
  data => { tell(data); for (const socket of clients) socket.close(1011); return 'accepted' }
]

serve({
  port: http.address().port,
  publish: async (_room, data) => FATES.shift()(data),
  polluted: () => true
})
