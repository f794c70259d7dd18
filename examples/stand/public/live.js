/** Milliseconds. The delay before an attempt is anything between nothing and a bound that doubles up to the last one. */
const FIRST_BOUND = 1_000
const LAST_BOUND = 10_000
const CONNECT_TIMEOUT = 10_000

/** Close codes of the protocol after which trying again would not help. After all others it may. */
const NEEDS_SIGN_IN = new Set([4401, 4419])
const FINAL = new Set([1000, 1002, 1007, 1008, 1009, 4400, 4403, 4410])

/**
 * @typedef {{ epoch: string, seq: number, mid: string }} Position
 * @typedef {'connecting' | 'live' | 'waiting' | 'signed-out' | 'refused'} StateName
 * @typedef {{ name: StateName, delay?: number, code?: number | undefined }} State
 * @typedef {{ command: string, data?: any }} Message
 */

/**
 * The WebSocket of a room that comes back by itself. After a short absence it says where it stood, and the server sends
 * what it has missed. Otherwise the server sends a snapshot first. Nothing falls between that and the messages, so
 * nothing is ever fetched.
 */
export class LiveRoom {
  #url
  #token
  #onMessage
  #onState
  /** @type {WebSocket | undefined} */
  #socket
  #attempt = 0
  /**
   * Where it stands in the history of its room.
   * @type {Record<string, Position> | undefined}
   */
  #standing
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #refreshing
  /** The name of this connection. */
  id = ''

  /**
   * @param {object} settings
   * @param {string | URL} settings.url
   * @param {string} settings.token
   * @param {(message: Message) => void} settings.onMessage is told the messages of the room, and snapshots, as `WSSnapshot`
   * @param {(state: State) => void} settings.onState `waiting` has a delay, `signed-out` and `refused` have a close code
   */
  constructor ({ url, token, onMessage, onState }) {
    this.#url = url
    this.#token = token
    this.#onMessage = onMessage
    this.#onState = onState
  }

  open () {
    this.#onState({ name: 'connecting' })
    const socket = new WebSocket(this.#url)
    this.#socket = socket
    this.#giveUpAfter(CONNECT_TIMEOUT)
    let silence = CONNECT_TIMEOUT
    // A socket that was given up may still have something to say.
    socket.addEventListener('open', () => {
      if (socket === this.#socket) socket.send(JSON.stringify({ token: this.#token, recover: this.#standing }))
    })
    socket.addEventListener('message', event => {
      if (socket !== this.#socket) return
      const message = JSON.parse(event.data)
      if (message.command === 'WSStatus' && message.data.status === 'connected') silence = message.data.keepAlive + CONNECT_TIMEOUT
      this.#giveUpAfter(silence)
      this.#receive(message)
    })
    socket.addEventListener('close', ({ code }) => {
      if (socket === this.#socket) this.#lost(code)
    })
  }

  /**
   * A command that wants no answer, and is worth nothing late.
   * @param {Message} message
   */
  send (message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message))
  }

  /**
   * Comes in anew, and is sent a snapshot.
   * @param {number} [within] where all members do this in the same moment, each waits for a time of its own
   */
  refresh (within) {
    this.#standing = undefined
    clearTimeout(this.#refreshing)
    if (within === undefined) return this.#reopen()
    this.#refreshing = setTimeout(() => this.#reopen(), Math.random() * within)
  }

  #reopen () {
    this.close()
    this.open()
  }

  close () {
    clearTimeout(this.#timer)
    clearTimeout(this.#refreshing)
    const socket = this.#socket
    this.#socket = undefined
    socket?.close()
  }

  /** @param {Message & Partial<Position>} message */
  #receive ({ command, data, seq, mid }) {
    if (command !== 'WSStatus') {
      if (seq !== undefined) for (const room in this.#standing) Object.assign(this.#standing[room] ?? {}, { seq, mid }) // there is but one
      this.#onMessage({ command, data })
      if (command === 'WSSnapshot') this.#live()
      return
    }
    if (data.rooms !== undefined) this.#standing = data.rooms
    switch (data.status) {
      case 'connected':
        this.id = data.connection
        // What was missed follows; else it is a snapshot that does.
        if (Object.values(data.rooms).every(room => room.recovered)) this.#live()
        return
      case 'resync': // the server has told each at a time of its own
        this.refresh()
    }
  }

  #live () {
    this.#attempt = 0
    this.#onState({ name: 'live' })
  }

  /**
   * A link that broke without a word, as radio links do, looks like one on which nothing happens; only the time tells.
   * @param {number} ms
   */
  #giveUpAfter (ms) {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#lost(), ms)
  }

  /** @param {number} [code] */
  #lost (code) {
    this.close()
    if (code !== undefined && NEEDS_SIGN_IN.has(code)) {
      this.#onState({ name: 'signed-out', code })
    } else if (code !== undefined && FINAL.has(code)) {
      this.#onState({ name: 'refused', code })
    } else {
      // All tablets lose a server that restarts in the same instant. Chance spreads their return, from the first attempt on.
      const delay = Math.random() * Math.min(FIRST_BOUND * 2 ** this.#attempt++, LAST_BOUND)
      this.#onState({ name: 'waiting', delay })
      this.#timer = setTimeout(() => this.open(), delay)
    }
  }
}
