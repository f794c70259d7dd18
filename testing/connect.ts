import type { Position } from '../types/index.js'
import { Client } from './client.js'
import { Caller, ExpectationError, RefusedError, TIMEOUT } from './failure.js'
import { statusOf } from './frame.js'
import type { Connected } from './frame.js'
import { Inbox } from './inbox.js'
import { inject } from './injection.js'
import type { ConnectableApp } from './injection.js'

export interface ConnectOptions {
  /** Headers of the upgrade request, such as `cookie` or `origin`. */
  headers?: Readonly<Record<string, string>> | undefined
  /** What stands in the URL after the question mark. */
  query?: Readonly<Record<string, string>> | undefined
  /** How far the client had come in each room: `positions` of the one that was there before. */
  recover?: Readonly<Record<string, Position>> | undefined
  /** How long to wait for `connected`, and later for everything that is expected of this client, in milliseconds. @default 3000 */
  timeout?: number | undefined
}

/** Why a client may not have been let in, by the code of its close. */
const HINTS: Readonly<Record<number, string>> = {
  1006: 'The server has cut off the socket.',
  1009: 'The token is longer than `maxAuthPayload`.',
  1011: 'A hook of the application failed or took too long: its log has the error.',
  1012: 'The application is closing.',
  1013: 'More than `maxWaiting` sockets are at the door, or the history cannot be served now.',
  4401: 'The token is missing, malformed or was not accepted: the log of the application says why.',
  4403: '`authorize` or the room function said no.',
  4408: 'No token came within `authTimeout`: give one to connect().',
  4419: 'The token has expired.',
  4429: 'A hook of the application has refused with 429.'
}

/**
 * Opens a WebSocket of an application that needs no port, and sends the token.
 * @param path of the route, such as `/cdr/users/ws`
 * @param token without `Bearer`; leave it out where the room is open to all
 * @returns the client, as soon as it is told `connected`
 * @throws RefusedError with `code` and `status` when the client is not let in, or `statusCode` when it was refused
 * before the upgrade; ExpectationError when nothing was said in time
 */
export async function connect (app: ConnectableApp, path: string, token?: string, options: ConnectOptions = {}): Promise<Client> {
  const caller = new Caller(connect)
  if (typeof app.injectWS !== 'function') throw new TypeError('The application has no `injectWS`: register fastify-rooms, and await that, before you connect.')
  await app.ready()
  try {
    return await enter(app, path, token, options)
  } catch (error) {
    throw error instanceof RefusedError || error instanceof ExpectationError ? caller.blame(error) : error
  }
}

async function enter (app: ConnectableApp, path: string, token: string | undefined, { headers, query, recover, timeout = TIMEOUT }: ConnectOptions): Promise<Client> {
  const url = query === undefined ? path : `${path}${path.includes('?') ? '&' : '?'}${new URLSearchParams(query)}`
  let inbox!: Inbox
  const socket = await inject(app, url, { ...headers }, timeout, socket => { inbox = new Inbox(socket) })
  if (token !== undefined || recover !== undefined) socket.send(JSON.stringify({ token, recover }))
  try {
    return new Client(socket, inbox, await verdict(inbox, token, timeout), timeout)
  } catch (error) {
    socket.terminate()
    throw error
  }
}

/** @throws RefusedError, ExpectationError */
async function verdict (inbox: Inbox, token: string | undefined, timeout: number): Promise<Connected> {
  const first = await inbox.statuses.take(() => true, timeout)
  const status = first && statusOf(first)
  if (status?.status === 'connected') return status as Connected
  const ending = await inbox.end(first === undefined ? 0 : timeout)
  if (ending !== undefined) {
    const { code } = ending
    throw new RefusedError(`The client was not let in: ${status?.status ?? 'no status'}, closed with ${code}. ${HINTS[code] ?? 'The log of the application may say more.'}`, { code, status: status?.status })
  }
  const why = token === undefined ? 'No token was sent: give one to connect(), unless the room is open to all.' : 'Is a hook of the application waiting for something?'
  throw inbox.error(`The client was told neither that it may enter nor that it may not, within ${timeout} ms. ${why} If it only needs longer, give { timeout }.`)
}
