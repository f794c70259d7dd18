import type { EventEmitter } from 'node:events'
import { finished } from 'node:stream'
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import { turn, within } from './clock.js'
import { ExpectationError, RefusedError } from './failure.js'

const CONNECTING = 0

/** What `connect` needs of an application: every Fastify application with fastify-rooms has it. */
export interface ConnectableApp {
  readonly server: EventEmitter
  ready (): PromiseLike<unknown>
  injectWS (path?: string, upgradeContext?: { headers?: Record<string, string> }, options?: { onInit?: (socket: WebSocket) => void }): Promise<WebSocket>
}

const HINTS: Readonly<Record<number, string>> = {
  400: 'Fastify cannot read this path.',
  401: 'The token is missing or no good: a route with `authenticate: \'upgrade\'` wants it in `headers.authorization`.',
  403: 'Its `origins` do not have the one in `headers.origin`, or a hook of the application has refused.',
  404: 'There is no such WebSocket route: compare the path, and the prefix of its plugin.',
  503: 'The application is closing, or was closed; or one of its limits on connections is reached.'
}

/**
 * Opens a WebSocket of an application without a port.
 * @param opening is given the socket ahead of the upgrade, to listen: the first frame may come with it
 * @throws RefusedError, ExpectationError
 */
export async function inject (
  app: ConnectableApp, path: string, headers: Record<string, string>, timeout: number, opening: (socket: WebSocket) => void
): Promise<WebSocket> {
  let stream: Duplex | undefined
  let socket: WebSocket | undefined
  const onUpgrade = (request: { socket?: unknown }, its: Duplex): void => {
    stream = its
    behaveLikeTcp(request, its, () => socket)
  }
  app.server.prependListener('upgrade', onUpgrade)
  const upgrading = app.injectWS(path, { headers: { host: 'localhost', ...headers } }, {
    onInit (its) {
      socket = its
      its.on('error', () => {}) // 'close' follows, and says what there is to say
      its.on('ping', data => its.pong(data)) // a client that is injected does not do it by itself
      opening(its)
    }
  })
  app.server.off('upgrade', onUpgrade)

  const cutOff = new Promise<never>((_resolve, reject) => {
    stream?.once('close', async () => {
      await turn() // an answer may have gone ahead
      reject(new RefusedError(`The upgrade of ${path} was cut off without an answer: a hook took longer than \`authTimeout\`, or the application was closed.`, {}))
    })
  })
  try {
    const opened = await within(timeout, Promise.race([upgrading, cutOff]))
    if (opened !== undefined) return opened
  } catch (error) {
    stream?.destroy() // whoever refuses leaves it open
    throw refusal(path, error as Error)
  }
  stream?.destroy()
  throw new ExpectationError(`The upgrade of ${path} was not answered within ${timeout} ms: is a hook of the application waiting for something? If it only needs longer, give { timeout }.`)
}

/**
 * An injected stream has no address, is not closed when both sides have ended it, and does not look closed when it is. An
 * application would see requests without an `ip`, and in the end wait for sockets that are gone.
 */
function behaveLikeTcp (request: { socket?: unknown }, stream: Duplex, clientSocket: () => WebSocket | undefined): void {
  request.socket = Object.assign(stream, { remoteAddress: '127.0.0.1' })
  finished(stream, () => stream.destroy())
  stream.once('close', () => {
    Object.assign(stream, { readable: false, writable: false })
    const socket = clientSocket()
    if (socket !== undefined && socket.readyState !== CONNECTING) socket.terminate()
  })
}

function refusal (path: string, error: Error): Error {
  const [, digits] = /^Unexpected server response: (\d+)$/.exec(error.message) ?? []
  if (digits === undefined) return error
  const statusCode = Number(digits)
  const hint = HINTS[statusCode] ?? 'A hook of the application has answered the upgrade request.'
  return new RefusedError(`The upgrade of ${path} was refused with ${statusCode}. ${hint}`, { statusCode })
}
