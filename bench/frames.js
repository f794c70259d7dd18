/** A client's frame. A mask of zeros is a mask, and changes nothing. */
export function masked (opcode, payload) {
  const { length } = payload
  if (length > 0xffff) throw new RangeError('no frame of the bench is that long')
  const head = length < 126 ? [0x80 | opcode, 0x80 | length] : [0x80 | opcode, 0x80 | 126, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from(head), Buffer.alloc(4), payload])
}

/** A server's frame. */
export function framed (payload) {
  const { length } = payload
  const head = length < 126 ? [0x81, length] : [0x81, 126, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from(head), payload])
}

/** Messages of the bench are longer; what is shorter is the servers' own, such as their pings. */
const SHORTEST = 64

/**
 * Goes from frame header to frame header and looks at no payload, since the client must not be what limits the servers.
 * Only control frames, short messages and what is asked for are taken out.
 */
export class FrameWalker {
  /** Whether each message is taken out, and not only counted. */
  showAll
  #onFrame
  #skip = 0
  #rest

  /** @param onFrame told of a frame's opcode, its payload, and its first byte */
  constructor (onFrame, { showAll }) {
    this.#onFrame = onFrame
    this.showAll = showAll
  }

  /** @returns how many messages began in this chunk */
  walk (chunk, end) {
    if (this.#rest !== undefined) {
      chunk = Buffer.concat([this.#rest, chunk.subarray(0, end)])
      end = chunk.length
      this.#rest = undefined
    }
    let count = 0
    let at = this.#skip
    while (at < end) {
      let head = 2
      let length = at + 2 > end ? -1 : chunk[at + 1]
      if (length === 126) {
        head = 4
        length = at + 4 > end ? -1 : chunk[at + 2] << 8 | chunk[at + 3]
      } else if (length === 127) {
        head = 10
        length = at + 10 > end ? -1 : Number(chunk.readBigUInt64BE(at + 2))
      }
      const next = at + head + length
      const own = length < SHORTEST
      if (length === -1 || (next > end && (own || this.showAll))) {
        this.#rest = Buffer.from(chunk.subarray(at, end))
        this.#skip = 0
        return count
      }
      if (own || this.showAll) this.#onFrame(chunk[at] & 0x0f, chunk.subarray(at + head, next), chunk[at])
      if (!own) count++
      at = next
    }
    this.#skip = at - end
    return count
  }
}
