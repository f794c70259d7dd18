import { Bounded } from './bounded.js'
import type { RoomConnection } from './connection.js'
import { errors } from './errors.js'

export interface SnapshotLimits {
  snapshotTimeout: number
  maxSnapshot: number
  maxSnapshots: number
}

/**
 * What a room looks like, for those who enter it. When a process restarts, all its clients come at once, and each asks
 * for the same again: only a number of them at a time, the others in the order in which they came.
 */
export class Snapshots {
  readonly #limits: SnapshotLimits
  readonly #running: Bounded
  readonly #queue: Array<() => void> = []

  constructor (limits: SnapshotLimits) {
    this.#limits = limits
    this.#running = new Bounded(limits.snapshotTimeout, () => new errors.FST_ROOMS_SNAPSHOT_TIMEOUT(limits.snapshotTimeout))
  }

  /**
   * @returns the frame, or undefined where it is not to be said
   * @throws GONE; FST_ROOMS_SNAPSHOT_TIMEOUT, FST_ROOMS_SNAPSHOT_TOO_LARGE, FST_ROOMS_INVALID_MESSAGE; what the work throws, or the codec
   */
  async take (connection: RoomConnection, work: () => unknown): Promise<string | undefined> {
    const data = await new Promise((resolve, reject) => {
      this.#queue.push(() => { this.#run(connection, work).then(resolve, reject) })
      this.#next()
    })
    return this.#encode(data, connection)
  }

  close (): void {
    this.#running.close()
  }

  #next (): void {
    if (this.#running.size < this.#limits.maxSnapshots) this.#queue.shift()?.()
  }

  async #run (connection: RoomConnection, work: () => unknown): Promise<unknown> {
    try {
      return await this.#running.run(() => connection.until(work))
    } finally {
      this.#next()
    }
  }

  #encode (data: unknown, { dialect }: RoomConnection): string | undefined {
    let text: string
    try {
      text = JSON.stringify({ command: 'WSSnapshot', data })
    } catch (cause) {
      throw Object.assign(new errors.FST_ROOMS_INVALID_MESSAGE('what `snapshot` returned cannot be written as JSON.'), { cause })
    }
    const frame = dialect === undefined ? text : dialect.snapshot(text)
    const bytes = Buffer.byteLength(frame ?? '')
    if (bytes > this.#limits.maxSnapshot) throw new errors.FST_ROOMS_SNAPSHOT_TOO_LARGE(bytes, this.#limits.maxSnapshot)
    return frame
  }
}
