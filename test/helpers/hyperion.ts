import { WebSocket } from 'ws'

interface User { id: string, [key: string]: unknown }

/**
 * What the web client of Hyperion does, step by step: the list by a request, then the token first, three commands and
 * nothing else. It parses every frame and ignores what has no command, or one that it does not know. `NEW_USER` adds or
 * replaces, `UPDATE_USER` replaces, and whatever came of it, the list is a new one, for which it opens a new socket. It
 * sends no ping, and never comes back by itself.
 */
export class HyperionClient {
  readonly #backend: string
  readonly #token: string
  readonly users = new Map<string, User>()
  readonly statuses: string[] = []
  readonly errors: unknown[] = []
  /** The codes with which the server has closed a socket. */
  readonly codes: number[] = []
  sockets = 0
  #socket: WebSocket | undefined

  /** @param backend where the API is, such as `http://127.0.0.1:3000` */
  constructor (backend: string, token: string) {
    this.#backend = backend
    this.#token = token
  }

  show (users: User[]): void {
    for (const user of users) this.users.set(user.id, user)
  }

  open (): void {
    const socket = new WebSocket(`${this.#backend.replace('http', 'ws')}/cdr/users/ws`)
    this.sockets++
    this.#socket = socket
    socket.onerror = event => { this.errors.push(event.error) }
    socket.onopen = () => socket.send(JSON.stringify({ token: this.#token }))
    socket.onclose = ({ code }) => { if (socket === this.#socket) this.codes.push(code) }
    socket.onmessage = event => {
      try {
        const message = JSON.parse(event.data as string)
        if (!message.command) return
        switch (message.command) {
          case 'NEW_USER':
            this.#change(socket, message.data)
            break
          case 'UPDATE_USER':
            this.#change(socket, this.users.has(message.data.id) ? message.data : undefined)
            break
          case 'WSStatus':
            this.statuses.push(message.data.status)
        }
      } catch (error) {
        this.errors.push(error)
      }
    }
  }

  #change (socket: WebSocket, user: User | undefined): void {
    if (user !== undefined) this.users.set(user.id, user)
    socket.close()
    this.open()
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
