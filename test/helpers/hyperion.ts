import { WebSocket } from 'ws'

interface User { id: string, [key: string]: unknown }

/**
 * What a web client of Hyperion does, as its wire has it: the token first, then three commands and nothing else. It
 * parses every frame, ignores what has no command or one that it does not know, and opens a new socket after each
 * change of its list.
 */
export class HyperionClient {
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
