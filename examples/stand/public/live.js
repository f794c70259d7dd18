/** Milliseconds. The delay before an attempt is anything between nothing and a bound that doubles up to the last one. */
const FIRST_BOUND = 1_000
const LAST_BOUND = 10_000
const CONNECT_TIMEOUT = 10_000

/** Close codes of the protocol after which trying again would not help. After all others it may. */
const NEEDS_SIGN_IN = new Set([4401, 4419])
const FINAL = new Set([1000, 1002, 1007, 1009, 4400, 4403, 4410])

/**
 * The WebSocket of a room that comes back by itself. Each time, it is opened first and `load` is called once the
 * server has said `connected`: what changes while the list is on its way arrives as a message, so nothing is missed.
 * After a short absence nothing need be loaded: it says where it stood, and the server sends what it has missed.
 */
export class LiveRoom {
  #url
  #token
  #load
  #onMessage
  #onState
  #socket
  #attempt = 0
  /** Where it stands in the history of its room. */
  #standing
  #timer

  /**
   * @param load fetches everything anew; when it rejects, that is an attempt that failed
   * @param onState is told `connecting`, `live`, `waiting` with a delay, `signed-out` or `refused` with a close code
   */
  constructor ({ url, token, load, onMessage, onState }) {
    this.#url = url
    this.#token = token
    this.#load = load
    this.#onMessage = onMessage
    this.#onState = onState
  }

  open () {
    this.#onState({ name: 'connecting' })
    const socket = new WebSocket(this.#url)
    this.#socket = socket
    this.#giveUpAfter(CONNECT_TIMEOUT)
    // A socket that was given up may still have something to say.
    const listen = (event, listener) => socket.addEventListener(event, data => { if (socket === this.#socket) listener(data) })
    let silence = CONNECT_TIMEOUT
    listen('open', () => socket.send(JSON.stringify({ token: this.#token, recover: this.#standing })))
    listen('message', ({ data }) => {
      const message = JSON.parse(data)
      if (message.command === 'WSStatus' && message.data.status === 'connected') silence = message.data.keepAlive * 2
      this.#giveUpAfter(silence)
      this.#receive(message)
    })
    listen('close', ({ code }) => this.#lost(code))
  }

  close () {
    clearTimeout(this.#timer)
    const socket = this.#socket
    this.#socket = undefined
    socket?.close()
  }

  #receive ({ command, data, seq, mid }) {
    if (command !== 'WSStatus') {
      if (seq !== undefined) for (const room in this.#standing) Object.assign(this.#standing[room], { seq, mid }) // there is but one
      this.#onMessage({ command, data })
      return
    }
    if (data.rooms !== undefined) this.#standing = data.rooms
    const recovered = data.status === 'connected' && Object.values(data.rooms).every(room => room.recovered)
    if (recovered) this.#live()
    else if (data.status === 'connected' || data.status === 'resync') this.#reload()
  }

  async #reload () {
    const socket = this.#socket
    try {
      await this.#load()
    } catch {
      if (socket === this.#socket) this.#lost()
      return
    }
    if (socket === this.#socket) this.#live()
  }

  #live () {
    this.#attempt = 0
    this.#onState({ name: 'live' })
  }

  /** A link that broke without a word, as radio links do, looks like one on which nothing happens; only the time tells. */
  #giveUpAfter (ms) {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#lost(), ms)
  }

  #lost (code) {
    this.close()
    if (NEEDS_SIGN_IN.has(code)) {
      this.#onState({ name: 'signed-out', code })
    } else if (FINAL.has(code)) {
      this.#onState({ name: 'refused', code })
    } else {
      // All tablets lose a server that restarts in the same instant. Chance spreads their return, from the first attempt on.
      const delay = Math.random() * Math.min(FIRST_BOUND * 2 ** this.#attempt++, LAST_BOUND)
      this.#onState({ name: 'waiting', delay })
      this.#timer = setTimeout(() => this.open(), delay)
    }
  }
}
