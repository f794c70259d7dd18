import { once } from 'node:events'
import net from 'node:net'
import type { Test } from 'tap'

/** A TCP proxy that can behave as networks do: let through, fall silent, drop what comes back, be deaf to what is published, deliver late, cut. */
export class FaultProxy {
  readonly #server: net.Server
  readonly #links = new Set<{ client: net.Socket, upstream: net.Socket }>()
  mode: 'pass' | 'blackhole' | 'drop-replies' | 'deafen' | 'hold' = 'pass'
  /** Where new connections lead. */
  target: number
  /** What clients have sent into the black hole. */
  swallowed = ''
  /** How many connections Redis has answered in vain. */
  unanswered = 0
  /** What clients have sent and the network has not delivered, though the client may be gone. */
  #held: Array<{ upstream: net.Socket, chunk: Buffer }> = []

  constructor (target: number) {
    this.target = target
    this.#server = net.createServer(client => {
      const upstream = net.connect(this.target, '127.0.0.1')
      const link = { client, upstream }
      this.#links.add(link)
      let subscribed = false
      let unanswered = false
      client.on('data', chunk => {
        subscribed ||= /subscribe/i.test(chunk.toString('latin1'))
        if (this.mode === 'blackhole') this.swallowed += chunk.toString('latin1')
        else if (this.mode === 'hold') this.#held.push({ upstream, chunk })
        else upstream.write(chunk)
      })
      upstream.on('data', chunk => {
        if (this.mode === 'pass' || (this.mode === 'deafen' && !subscribed)) client.write(chunk)
        else if (!unanswered && !client.destroyed) {
          unanswered = true
          this.unanswered++
        }
      })
      for (const [one, other] of [[client, upstream], [upstream, client]] as const) {
        one.on('error', () => {})
        one.on('close', () => {
          this.#links.delete(link)
          if (!this.#held.some(({ upstream }) => upstream === other)) other.destroy()
        })
      }
    })
  }

  async listen (): Promise<this> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return this
  }

  get port (): number {
    return (this.#server.address() as net.AddressInfo).port
  }

  /** How many chunks are held. */
  get held (): number {
    return this.#held.length
  }

  /** Resets every connection. The other side of one that has something to deliver stays for that. */
  cut (): void {
    for (const { client } of this.#links) client.resetAndDestroy()
  }

  /** Delivers what was held, late, where there is still somebody to take it. */
  async release (): Promise<void> {
    const held = this.#held.splice(0)
    for (const { upstream, chunk } of held) if (upstream.writable) upstream.write(chunk)
    for (const upstream of new Set(held.map(({ upstream }) => upstream))) {
      upstream.end()
      if (!upstream.closed) await once(upstream, 'close')
    }
  }

  async close (): Promise<void> {
    for (const { upstream } of this.#held.splice(0)) upstream.destroy()
    this.cut()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

export async function startProxy (t: Test, target: number): Promise<FaultProxy> {
  const proxy = await new FaultProxy(target).listen()
  t.teardown(() => proxy.close())
  return proxy
}
