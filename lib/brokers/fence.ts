import type { Redis } from 'ioredis'

/** Which connection Redis takes one for, and which life of which Redis it was. */
export interface Session {
  readonly id: number
  readonly run: string
}

/**
 * Between a lost connection and what is sent again. What the old one still carries, in some buffer on the way, may be
 * carried out long after; unless Redis has ended it by then.
 */
export class Fence {
  readonly #client: Redis
  #session: Session | undefined
  #ending = new Map<number, Promise<boolean>>()

  constructor (client: Redis) {
    this.#client = client
  }

  /** The connection that there is now, unless Redis does not say. */
  get session (): Session | undefined {
    return this.#session
  }

  /** Called when there is a new connection, before it is used. */
  async prepare (): Promise<void> {
    this.#session = undefined
    this.#ending = new Map()
    const [id, info] = await Promise.allSettled([this.#client.client('ID'), this.#client.info('server')])
    const run = info.status === 'fulfilled' ? /^run_id:(\w+)/m.exec(info.value)?.[1] : undefined
    if (id.status === 'fulfilled' && run !== undefined) this.#session = { id: id.value, run }
  }

  /** Whether it is certain that nothing of an earlier connection can be carried out any more. */
  async ends (session: Session | undefined): Promise<boolean> {
    if (session === undefined || session.run !== this.#session?.run) return false
    let ending = this.#ending.get(session.id)
    if (ending === undefined) {
      ending = this.#client.client('KILL', 'ID', session.id).then(() => true)
      this.#ending.set(session.id, ending)
    }
    return await ending
  }
}
