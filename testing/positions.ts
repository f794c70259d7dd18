import type { Position } from '../types/index.js'
import { isObject } from './frame.js'
import type { Frame } from './frame.js'

/** How far a client has come in rooms with history, as one would note it that wants to come back. */
export class Positions {
  readonly #rooms = new Map<string, Position>()
  /** The names of all rooms that the client is in, with history or without. */
  #names: readonly string[] = []

  get all (): Readonly<Record<string, Position>> {
    return Object.fromEntries(this.#rooms)
  }

  /** Of the first room that has one: most sockets are in one room. */
  get first (): Position | undefined {
    const [first] = this.#rooms.values()
    return first
  }

  /** @param frame `connected`, `joined`, `left`, `epoch`, or a message; others say nothing about it */
  follow ({ command, data, room, seq, mid }: Frame): void {
    if (command === 'WSStatus') {
      if (!isObject(data) || !isObject(data.rooms)) return
      if (data.status === 'connected') this.#names = Object.keys(data.rooms)
      if (data.status === 'left') for (const name of Object.keys(data.rooms)) this.#rooms.delete(name)
      for (const [name, position] of Object.entries(data.rooms)) this.#set(name, position)
      return
    }
    const name = room ?? this.#names[0] ?? ''
    const known = this.#rooms.get(name)
    // What comes a second time, or late, does not lead back.
    if (known !== undefined && seq !== undefined && seq > known.seq) this.#set(name, { epoch: known.epoch, seq, mid })
  }

  #set (name: string, position: unknown): void {
    if (!isObject(position)) return
    const { epoch, seq, mid } = position
    if (typeof epoch === 'string' && typeof seq === 'number' && typeof mid === 'string') this.#rooms.set(name, { epoch, seq, mid })
  }
}
