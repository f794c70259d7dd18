import type { Server as HttpServer } from 'node:http'
import type { Socket } from 'node:net'
import type { WebSocketServer } from 'ws'
import type { Requests } from './reply.js'
import type { RoomTable } from './rooms.js'
import type { Sockets } from './route.js'

export interface DrainSettings {
  drainTimeout: number
  closeTimeout: number
}

/**
 * The end of the sockets when the application closes. Handlers that are still at work come first, with what they send;
 * then everyone is told to come back, elsewhere; whoever does not answer is cut off when the time is over. `onLeave` has the rest of the time. Only then
 * may the server close: it waits for every connection, and would wait for a frozen client for ever.
 */
export async function drain (
  { drainTimeout, closeTimeout }: DrainSettings, sockets: Sockets, requests: Requests, rooms: RoomTable
): Promise<void> {
  const end = performance.now() + drainTimeout
  sockets.drain()
  await within(Math.max(0, drainTimeout - closeTimeout), requests.settled().then(() => rooms.settled()))
  for (const connection of sockets.connections) connection.end('restarting')
  await within(end - performance.now(), sockets.empty())
  for (const connection of sockets.connections) connection.terminate()
}

/**
 * Frees the sockets of upgrades that were refused. What Fastify answers before any hook runs, to a bad URL or while it
 * closes, leaves the raw socket open: anyone could collect them, and the server would wait for each of them when it
 * closes. Once @fastify/websocket has stopped listening, nobody answers at all.
 */
export function freeRefusedUpgrades (websockets: WebSocketServer, server: HttpServer, draining: () => boolean): void {
  const written = new WeakMap<object, number>()
  const upgraded = new WeakSet<object>()
  server.prependListener('upgrade', (_request, socket: Socket) => { written.set(socket, socket.bytesWritten) })
  websockets.on('connection', (_socket, request) => { upgraded.add(request) })
  server.on('upgrade', (request, socket: Socket) => {
    if (upgraded.has(request)) return
    const answered = socket.bytesWritten > (written.get(socket) as number)
    if (!answered && draining()) socket.write('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
    if (answered || draining()) socket.end(() => socket.destroy())
  })
}

async function within (ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  await Promise.race([work, new Promise<void>(resolve => { timer = setTimeout(resolve, ms) })])
  clearTimeout(timer)
}
