// Run by Bun: its publish is uWebSockets, in C++.
import { serve } from '../server.js'

const server = globalThis.Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  fetch (request, server) {
    const room = new URL(request.url).pathname.slice('/rooms/'.length)
    return server.upgrade(request, { data: { room } }) ? undefined : new Response('no upgrade', { status: 400 })
  },
  websocket: {
    perMessageDeflate: false,
    open (socket) {
      socket.subscribe(socket.data.room)
      socket.send('ready')
    },
    message () {}
  }
})

await serve({
  port: server.port,
  publish: (room, message) => server.publish(room, JSON.stringify(message))
})
