import t from 'tap'
import { WebSocket } from 'ws'
import { createApp, until } from './helpers/app.js'
import { join } from './helpers/client.js'

interface User { id: string, nickname: string | null }

/**
 * What a web client of Hyperion does, as its wire has it: the token first, then three commands and nothing else. It
 * parses every frame, ignores what has no command or one that it does not know, and opens a new socket after each
 * change of its list.
 */
class HyperionClient {
  readonly #url: string
  readonly #token: string
  readonly users = new Map<string, User>()
  readonly statuses: string[] = []
  readonly errors: unknown[] = []
  sockets = 0
  #socket: WebSocket | undefined

  constructor (url: string, token: string) {
    this.#url = url
    this.#token = token
  }

  open (): void {
    const socket = new WebSocket(this.#url)
    this.sockets++
    this.#socket = socket
    socket.onerror = event => { this.errors.push(event.error) }
    socket.onopen = () => socket.send(JSON.stringify({ token: this.#token }))
    socket.onmessage = event => {
      try {
        const message = JSON.parse(event.data as string)
        if (!message.command) return
        switch (message.command) {
          case 'NEW_USER':
          case 'UPDATE_USER':
            this.users.set(message.data.id, message.data)
            socket.close()
            this.open()
            break
          case 'WSStatus':
            this.statuses.push(message.data.status)
        }
      } catch (error) {
        this.errors.push(error)
      }
    }
  }

  send (text: string): void {
    this.#socket?.send(text)
  }

  get state (): number | undefined {
    return this.#socket?.readyState
  }

  close (): void {
    this.#socket?.close()
  }
}

t.test('a web client of Hyperion is served with no change on its side', async t => {
  const { app, url, token } = await createApp(t, { rooms: { keepAlive: 200, pongTimeout: 100 } })
  const client = new HyperionClient(url, token())
  t.teardown(() => client.close())
  client.open()
  await until(() => client.statuses.length === 1)
  await app.ws.sendToRoom('cdr', { command: 'NEW_USER', data: { id: '1', nickname: null } })
  await until(() => client.statuses.length === 2)
  await app.ws.sendToRoom('cdr', { command: 'UPDATE_USER', data: { id: '1', nickname: 'Ada' } })
  await until(() => client.statuses.length === 3)
  t.strictSame(client.users.get('1'), { id: '1', nickname: 'Ada' })
  t.strictSame(client.statuses, ['connected', 'connected', 'connected'])
  await app.ws.sendToRoom('cdr', { command: 'SOMETHING_NEW', data: 1 })
  t.equal(client.sockets, 3)
  t.strictSame(client.errors, [])
})

t.test('frames that it sends later are read and ignored', async t => {
  const { app, url, token } = await createApp(t)
  const client = new HyperionClient(url, token())
  t.teardown(() => client.close())
  client.open()
  await until(() => client.statuses.length === 1)
  client.send('{"command":"HELLO","data":{}}')
  client.send('{"anything":["at","all"]}')
  await until(() => app.ws.stats().ignored === 2)
  t.equal(client.state, WebSocket.OPEN)
})

t.test('a token that is no good gets the status that it knows', async t => {
  const { url, token } = await createApp(t)
  const client = new HyperionClient(url, `${token()}x`)
  client.open()
  await until(() => client.state === WebSocket.CLOSED)
  t.strictSame(client.statuses, ['invalid_token'])
})

t.test('its habit of opening a new socket after each change costs the broker nothing', async t => {
  const { app, url, token } = await createApp(t)
  await join(t, url, token())
  const clients = Array.from({ length: 20 }, () => new HyperionClient(url, token()))
  t.teardown(() => clients.forEach(client => client.close()))
  for (const client of clients) client.open()
  for (let i = 1; i <= 5; i++) {
    await until(() => clients.every(({ statuses }) => statuses.length === i))
    await app.ws.sendToRoom('cdr', { command: 'UPDATE_USER', data: { id: String(i), nickname: null } })
  }
  await until(() => clients.every(({ statuses }) => statuses.length === 6))
  t.ok(clients.every(({ users }) => users.size === 5))
  await until(() => app.ws.stats().members === 21)
})
