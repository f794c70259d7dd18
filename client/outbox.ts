import { RoomsError } from './errors.js'
import type { SendOptions, Settings } from './options.js'

/** What a server lets wait of one socket (`maxCommands`); what is beyond it waits here. */
const IN_FLIGHT = 32

interface Call {
  readonly text: string
  /** Whether it waits for the next connection. */
  readonly waits: boolean
  readonly resolve: (reply: unknown) => void
  readonly reject: (error: unknown) => void
}

/** Commands on their way: those that wait to be sent, in order, and those that wait for their reply. */
export interface Outbox {
  send (command: string, data?: unknown, options?: SendOptions): Promise<unknown>
  /** There is a connection. */
  open (write: (text: string) => void): void
  /**
   * There is none any more. What was sent is not sent again, since nobody knows how far it came.
   * @param closed and there will be none
   */
  away (closed?: boolean): void
  /** @returns whether it was the answer to a command */
  settle (id: unknown, answer: unknown): boolean
}

export function createOutbox (settings: Settings): Outbox {
  const queue = new Map<string, Call>()
  const sent = new Map<string, Call>()
  /** Ids that nobody guesses, so that no message can pass for a reply. */
  const prefix = Math.random().toString(36)
  let count = 0
  let write: ((text: string) => void) | undefined
  let closed = false

  const absence = (): RoomsError => closed ? new RoomsError('CLOSED', 'The room is closed') : new RoomsError('AWAY', 'Not connected, so not sent')
  const isFree = (): boolean => write !== undefined && sent.size < IN_FLIGHT
  const pump = (): void => {
    for (const [id, call] of queue) {
      if (!isFree()) return
      queue.delete(id)
      sent.set(id, call)
      write?.(call.text)
    }
  }

  return {
    async send (command, data, { timeout = settings.timeout, whileAway = settings.whileAway, signal, room } = {}) {
      const waits = whileAway === 'queue'
      const id = prefix + count++
      const text = JSON.stringify({ command, data, id, room: typeof room === 'object' ? room.name : room })
      if (closed || (write === undefined && !waits)) throw absence()
      if (new TextEncoder().encode(text).length > settings.maxPayload) throw new RoomsError('TOO_LARGE', `Longer than ${settings.maxPayload} bytes`)
      if (!isFree() && queue.size >= settings.maxQueued) throw new RoomsError('QUEUE_FULL', `${settings.maxQueued} commands wait already`)
      signal?.throwIfAborted()
      let timer: ReturnType<typeof setTimeout> | undefined
      let abort: () => void
      try {
        return await new Promise((resolve, reject) => {
          abort = () => reject(signal?.reason)
          signal?.addEventListener('abort', abort)
          timer = setTimeout(() => reject(new RoomsError('TIMEOUT', `No reply within ${timeout} ms`, sent.has(id))), Math.min(timeout, 2 ** 31 - 1))
          queue.set(id, { text, waits, resolve, reject })
          pump()
        })
      } finally {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort!)
        queue.delete(id)
        sent.delete(id)
        pump()
      }
    },

    open (to) {
      write = to
      pump()
    },

    away (forGood = false) {
      closed = forGood
      write = undefined
      for (const call of sent.values()) call.reject(new RoomsError('LOST', 'The connection ended before the reply', true))
      for (const call of queue.values()) if (closed || !call.waits) call.reject(absence())
    },

    settle (id, answer) {
      const call = sent.get(id as string)
      if (answer instanceof RoomsError) call?.reject(answer)
      else call?.resolve(answer)
      return call !== undefined
    }
  }
}
