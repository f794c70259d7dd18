/** Milliseconds. The delay before an attempt is anything between nothing and a bound that doubles up to the last one. */
const FIRST_BOUND = 1_000
const LAST_BOUND = 10_000

/** Close codes after which trying again would not help. After all others it may. */
const FINAL = new Set([1000, 1002, 1007, 1008, 1009, 4400, 4401, 4403, 4410])

/**
 * A WebSocket that comes back by itself. It knows nothing of what goes over it.
 * @param {string} path
 * @param {object} on
 * @param {(text: string) => void} [on.text]
 * @param {(name: 'connecting' | 'live' | 'lost' | 'over') => void} [on.state]
 */
export function keepOpen (path, { text = () => {}, state = () => {} } = {}) {
  const url = new URL(path, window.location.href)
  url.protocol = url.protocol.replace('http', 'ws')
  let attempt = 0
  /** @type {WebSocket} */
  let socket
  open()

  function open () {
    state('connecting')
    socket = new WebSocket(url)
    socket.addEventListener('open', () => {
      attempt = 0
      state('live')
    })
    socket.addEventListener('message', ({ data }) => text(data))
    socket.addEventListener('close', ({ code }) => {
      if (FINAL.has(code)) return state('over')
      state('lost')
      // All pages lose a server that restarts in the same instant. Chance spreads their return, from the first attempt on.
      setTimeout(open, Math.random() * Math.min(FIRST_BOUND * 2 ** attempt++, LAST_BOUND))
    })
  }

  return {
    /**
     * @param {string} text
     * @returns whether the link is open; what is sent otherwise is lost
     */
    send (text) {
      if (socket.readyState !== WebSocket.OPEN) return false
      socket.send(text)
      return true
    }
  }
}

/** What people are told of the link. */
const WORDS = { connecting: 'Connecting…', live: 'Live', lost: 'Reconnecting…', over: 'Closed' }

/**
 * Shows on the page how the link is.
 * @param {HTMLElement} pill
 * @returns {(name: keyof typeof WORDS) => void}
 */
export function shownIn (pill) {
  let before = ''
  return name => {
    // Between two attempts nothing has changed for who reads it, or hears it read out.
    if (name === 'connecting' && before === 'lost') return
    before = name
    pill.dataset.state = name
    pill.textContent = WORDS[name]
  }
}
