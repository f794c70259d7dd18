import { once } from 'node:events'
import net from 'node:net'

/** How a connection that hears others can be told from one that sends commands: by what it asks for. */
const LISTENS = /\r\n(p?subscribe|ssubscribe|xread)\r\n/i

/** One connection through the proxy. */
class Link {
  /** `subscriber` as soon as it has asked to listen. */
  kind = 'commands'
  mode
  /** How much of what comes back it passes, in bytes per second. */
  rate = Infinity
  #client
  #upstream
  #held = []

  constructor (client, target, mode, closed) {
    this.mode = mode
    this.#client = client
    this.#upstream = net.connect(target, '127.0.0.1')
    client.on('data', bytes => {
      if (LISTENS.test(bytes.toString('latin1'))) this.kind = 'subscriber'
      this.#pass(bytes, 'request')
    })
    this.#upstream.on('data', bytes => this.#pass(bytes, 'reply'))
    client.on('error', () => {})
    this.#upstream.on('error', () => {})
    client.on('close', () => {
      // What is held back may still reach the server after the one who sent it has gone, and of a black hole the server hears
      // nothing at all, not even the end.
      if (this.mode === 'hold' || this.mode === 'blackhole') return
      this.#upstream.destroy()
      closed()
    })
    this.#upstream.on('close', () => { if (this.mode !== 'blackhole') client.end() })
  }

  /** Lets through what was held back, and ends the connection if the other side has gone meanwhile. */
  release () {
    this.mode = 'pass'
    for (const bytes of this.#held.splice(0)) this.#upstream.write(bytes)
    if (this.#client.destroyed) this.#upstream.end()
  }

  /** Ends it for the one who sent, while the server hears nothing of that. */
  desert () {
    this.#client.resetAndDestroy()
  }

  /** Resets it, at both ends. */
  cut () {
    this.#client.resetAndDestroy()
    this.#upstream.resetAndDestroy()
  }

  #pass (bytes, what) {
    if (this.mode === 'blackhole') return
    if (this.mode === 'drop-replies' && what === 'reply') return
    if (this.mode === 'hold' && what === 'request') {
      this.#held.push(bytes)
      return
    }
    if (what === 'request') {
      this.#upstream.write(bytes)
      return
    }
    this.#client.write(bytes)
    if (this.rate === Infinity) return
    this.#upstream.pause()
    setTimeout(() => this.#upstream.resume(), 1_000 * bytes.length / this.rate)
  }
}

/**
 * A TCP proxy that does what networks do: it passes, falls silent in both directions, loses what comes back, holds back,
 * is slow, cuts, refuses, and leads elsewhere.
 */
export class FaultProxy {
  /** Where new connections go. */
  target
  /** What becomes of new connections: a mode of a link, or `refuse`. */
  arriving = 'pass'
  /** How much new connections pass of what comes back, in bytes per second. */
  rate = Infinity
  #links = new Set()
  #server
  #next

  constructor (target) {
    this.target = target
    this.#server = net.createServer(client => {
      if (this.arriving === 'refuse') {
        client.resetAndDestroy()
        return
      }
      const to = this.#next ?? this.target
      this.#next = undefined
      const link = new Link(client, to, this.arriving, () => this.#links.delete(link))
      link.rate = this.rate
      this.#links.add(link)
    })
  }

  static async start (target) {
    const proxy = new FaultProxy(target)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port () {
    return this.#server.address().port
  }

  /** Those that are there now, of one kind or all. */
  links (kind) {
    return [...this.#links].filter(link => kind === undefined || link.kind === kind)
  }

  set (mode, kind) {
    for (const link of this.links(kind)) link.mode = mode
  }

  /** Everything falls silent, also for those who try again. */
  partition () {
    this.set('blackhole')
    this.arriving = 'blackhole'
  }

  /** Those who came meanwhile find out by themselves that they are connected to nothing. */
  heal () {
    this.arriving = 'pass'
    this.cut()
  }

  cut (kind) {
    for (const link of this.links(kind)) link.cut()
  }

  /** The very next connection goes there, and no other. */
  redirectNext (port) {
    this.#next = port
  }

  close () {
    this.arriving = 'refuse'
    this.cut()
    this.#server.close()
  }
}
