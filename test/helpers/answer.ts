import { once } from 'node:events'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { WebSocket } from 'ws'
import type { ClientOptions } from 'ws'
import type { Test } from 'tap'

/** What an upgrade was answered that became no WebSocket. */
export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: { statusCode?: number, code?: string, error?: string, message?: string }
}

/** Asks for a WebSocket, and waits for the answer and for the end of the connection. */
export async function answerTo (t: Test, url: string, options: ClientOptions = {}, protocols: string[] = []): Promise<Answer> {
  const socket = new WebSocket(url, protocols, options)
  t.teardown(() => socket.terminate())
  const opened = once(socket, 'open').then(() => { throw new Error('was let in') })
  opened.catch(() => {})
  const [request, response] = await Promise.race([once(socket, 'unexpected-response'), opened]) as [unknown, IncomingMessage]
  const gone = once((request as { socket: NodeJS.EventEmitter }).socket, 'close')
  let text = ''
  for await (const chunk of response) text += chunk
  await gone
  return { status: response.statusCode as number, headers: response.headers, body: text === '' ? {} : JSON.parse(text) }
}
