import { once } from 'node:events'
import net from 'node:net'
import type { Test } from 'tap'

/** A TCP proxy that can behave as networks do: let through, fall silent, drop what comes back, cut. */
export class FaultProxy {
  readonly #server: net.Server
  readonly #links = new Set<{ client: net.Socket, upstream: net.Socket }>()
  mode: 'pass' | 'blackhole' | 'drop-replies' = 'pass'
  /** What clients have sent into the black hole. */
  swallowed = ''

  constructor (target: number) {
    this.#server = net.createServer(client => {
      const upstream = net.connect(target, '127.0.0.1')
      const link = { client, upstream }
      this.#links.add(link)
      client.on('data', chunk => {
        if (this.mode === 'blackhole') this.swallowed += chunk.toString('latin1')
        else upstream.write(chunk)
      })
      upstream.on('data', chunk => { if (this.mode === 'pass') client.write(chunk) })
      for (const [one, other] of [[client, upstream], [upstream, client]] as const) {
        one.on('error', () => {})
        one.on('close', () => {
          this.#links.delete(link)
          other.destroy()
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

  /** Resets every connection. */
  cut (): void {
    for (const { client, upstream } of this.#links) {
      client.resetAndDestroy()
      upstream.destroy()
    }
  }

  async close (): Promise<void> {
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
