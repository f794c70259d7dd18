import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { connect } from '../../client/index.js'
import type { ConnectOptions, RoomClient, RoomLike, State, StateDetails } from '../../client/index.js'

/** So that nobody waits for what chance would spread over a second. */
export const QUICK = { firstDelay: 20, maxDelay: 100 } as const

/** A client of `fastify-rooms/client`, and all that it was told, in order. It is closed when the test ends. */
export class Follower<R extends RoomLike | readonly RoomLike[] = string> {
  readonly room: RoomClient<R>
  /** Events with what they brought, and `[command, data]` of messages. */
  readonly told: unknown[][] = []
  #wakes: Array<() => void> = []
  /** How much of it has been waited for. */
  #seen = 0

  constructor (room: RoomClient<R>) {
    this.room = room
    for (const event of ['state', 'snapshot', 'resync', 'recovered', 'joined', 'left', 'error'] as const) {
      room.on(event, (...args: unknown[]) => this.#note([event, ...args]))
    }
    room.on('message', ({ command, data }) => this.#note([command, data]))
  }

  /** Waits for what may have been told already. */
  readonly until = async <T>(found: () => T | undefined | false): Promise<T> => {
    for (;;) {
      const what = found()
      if (what !== undefined && what !== false) return what
      await new Promise<void>(resolve => { this.#wakes.push(resolve) })
    }
  }

  /** The details of the next change to a state that nobody has waited for. */
  readonly reaches = async (state: State): Promise<StateDetails> => {
    return await this.until(() => {
      const index = this.told.findIndex(([event, name], index) => event === 'state' && name === state && index >= this.#seen)
      if (index === -1) return undefined
      this.#seen = index + 1
      return (this.told[index] as unknown[])[2] as StateDetails
    })
  }

  /** The data of messages that have this command. */
  dataOf (command: string): unknown[] {
    return this.told.filter(([name]) => name === command).map(([, data]) => data)
  }

  /** Without changes of state. */
  get news (): unknown[][] {
    return this.told.filter(([event]) => event !== 'state')
  }

  #note (what: unknown[]): void {
    this.told.push(what)
    for (const wake of this.#wakes.splice(0)) wake()
  }
}

export function follow<const R extends RoomLike | readonly RoomLike[] = string> (t: Test, room: R | string, options: ConnectOptions): Follower<R> {
  const follower = new Follower<R>(connect(room, { WebSocket, ...QUICK, ...options }))
  t.teardown(() => follower.room.close())
  return follower
}
