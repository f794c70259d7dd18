import type { FastifyReply } from 'fastify'
import type { RawData, WebSocket } from 'ws'
import type { RoomConnection } from './connection.js'

const kConnection = Symbol('fastify-rooms.connection')
type OwnSocket = WebSocket & { [kConnection]: RoomConnection }

/** Has a connection hear what comes over its socket. */
export function listen (socket: WebSocket, connection: RoomConnection): void {
  (socket as OwnSocket)[kConnection] = connection
  // @fastify/websocket's listener keeps request and reply for as long as the socket lives. If others listen, it stays.
  if (socket.listenerCount('error') === 1) socket.removeAllListeners('error').on('error', onError)
  socket.on('message', onMessage)
  socket.on('ping', onSign)
  socket.on('pong', onSign)
  socket.on('close', onClose)
}

/** A socket's connection, if it is one of ours. */
export function connectionOf (socket: WebSocket): RoomConnection | undefined {
  return (socket as Partial<OwnSocket>)[kConnection]
}

/**
 * A socket lives for hours, and needs nothing of its upgrade any more. Node's response holds on to both, and would only
 * say that it is closed when the socket is; whoever counts requests by that is told now.
 */
export function release ({ raw }: FastifyReply): void {
  if (raw.socket === null) return
  raw.detachSocket(raw.socket)
  raw.emit('close')
}

/** Shared by all sockets: a listener of its own for each would be four closures more per member. */
function onMessage (this: WebSocket, data: RawData, isBinary: boolean): void {
  connectionOf(this)?.receive(data as Buffer, isBinary)
}

function onSign (this: WebSocket, data: Buffer): void {
  connectionOf(this)?.receiveSign(data)
}

/** `ws` has answered a bad frame with the right code already; to terminate, as @fastify/websocket does, would hide it. */
export function onError (this: WebSocket, error: Error & { code?: unknown }): void {
  connectionOf(this)?.log.info({ code: error.code }, 'socket sent a bad frame')
}

function onClose (this: WebSocket, code: number): void {
  connectionOf(this)?.closed(code)
}
