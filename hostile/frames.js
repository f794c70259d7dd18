/** What a client may send and should not: frames by hand, with any bit that a frame has. RFC 6455 §5.2 is their shape. */

export const CONTINUATION = 0x0
export const TEXT = 0x1
export const BINARY = 0x2
export const CLOSE = 0x8
export const PING = 0x9
export const PONG = 0xa

/**
 * One frame. The mask is zero, which is a mask too.
 * @param claim the length that it says it has, where that is not the truth
 * @param wide writes the length in 64 bits, however small it is
 */
export function frame (payload, { opcode = TEXT, fin = true, rsv = 0, masked = true, claim, wide = false } = {}) {
  const data = Buffer.from(payload)
  return Buffer.concat([head({ opcode, fin, rsv, masked, length: BigInt(claim ?? data.length), wide }), data])
}

function head ({ opcode, fin, rsv, masked, length, wide }) {
  const first = (fin ? 0x80 : 0) | rsv << 4 | opcode
  const mask = masked ? 0x80 : 0
  const key = Buffer.alloc(masked ? 4 : 0)
  if (wide || length > 0xffffn) {
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64BE(length)
    return Buffer.concat([Buffer.from([first, mask | 127]), bytes, key])
  }
  if (length > 125n) return Buffer.concat([Buffer.from([first, mask | 126, Number(length >> 8n), Number(length & 0xffn)]), key])
  return Buffer.concat([Buffer.from([first, mask | Number(length)]), key])
}

export function closeFrame (code, reason = '') {
  return frame(Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)]), { opcode: CLOSE })
}

/** Many small fragments of one message that never ends. */
export function fragments (count, payload = 'x') {
  return Buffer.concat(Array.from({ length: count }, (_, number) => frame(payload, { opcode: number === 0 ? TEXT : CONTINUATION, fin: false })))
}

/** The frames in what a server has sent. @returns them, and what is left over of one that is not complete */
export function framesIn (bytes) {
  const frames = []
  let at = 0
  for (;;) {
    if (bytes.length < at + 2) break
    let length = bytes[at + 1] & 127
    let start = at + 2
    if (length === 126) {
      if (bytes.length < at + 4) break
      length = bytes.readUInt16BE(at + 2)
      start = at + 4
    } else if (length === 127) {
      if (bytes.length < at + 10) break
      length = Number(bytes.readBigUInt64BE(at + 2))
      start = at + 10
    }
    if (bytes.length < start + length) break
    frames.push({ opcode: bytes[at] & 15, payload: bytes.subarray(start, start + length) })
    at = start + length
  }
  return { frames, rest: bytes.subarray(at) }
}
