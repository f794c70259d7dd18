import type { Writable } from 'node:stream'
import { constants, deflateRawSync } from 'node:zlib'
import type { WebSocket } from 'ws'

/**
 * Frames made once for any number of sockets, and the one place that reaches into `ws` to write them. `ws` itself
 * frames a message anew for every socket, and writes head and payload of each frame apart.
 */

/** What `ws` calls its state when nothing is being compressed or read before it can be written. */
const IDLE = 0

interface Internals {
  readonly _socket?: Writable | null
  readonly _sender?: { readonly _state?: number, readonly _bufferedBytes?: number } | null
}

/**
 * The stream under a socket, if frames may be written to it now without overtaking any that `ws` still holds back.
 * Otherwise, and should a later `ws` look different inside, undefined: then `socket.send()` it is.
 */
export function streamOf (socket: WebSocket): Writable | undefined {
  const { _socket: stream, _sender: sender } = socket as unknown as Internals
  return sender?._state === IDLE && sender._bufferedBytes === 0 ? stream ?? undefined : undefined
}

const TEXT = 0x81 // the last fragment of a text message, RFC 6455 §5.2
const COMPRESSED_TEXT = 0xc1 // the same with RSV1, RFC 7692 §6

/** One buffer with a frame for each payload. @param compressFrom payloads of at least so many bytes, if that makes them smaller */
export function frames (payloads: readonly Buffer[], compressFrom = Infinity): Buffer {
  const bodies = compressFrom === Infinity ? payloads : payloads.map(payload => payload.length >= compressFrom ? deflated(payload) : payload)
  let size = 0
  for (const { length } of bodies) size += headSize(length) + length
  const buffer = Buffer.allocUnsafe(size)
  let offset = 0
  for (let index = 0; index < bodies.length; index++) {
    const body = bodies[index] as Buffer
    buffer[offset] = body === payloads[index] ? TEXT : COMPRESSED_TEXT
    offset = writeLength(buffer, offset + 1, body.length)
    buffer.set(body, offset)
    offset += body.length
  }
  return buffer
}

/** Without context takeover (RFC 7692 §7.1.1.1) the result is the same for every socket, so all can share it. */
function deflated (payload: Buffer): Buffer {
  const stream = deflateRawSync(payload, { flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH })
  const body = stream.subarray(0, -4) // the empty block that ends it is not sent, RFC 7692 §7.2.1
  return body.length < payload.length ? body : payload
}

function headSize (length: number): number {
  return length < 126 ? 2 : length < 65_536 ? 4 : 10
}

function writeLength (buffer: Buffer, offset: number, length: number): number {
  if (length < 126) {
    buffer[offset] = length
    return offset + 1
  }
  if (length < 65_536) {
    buffer[offset] = 126
    return buffer.writeUInt16BE(length, offset + 1)
  }
  buffer[offset] = 127
  return buffer.writeUIntBE(length, buffer.writeUInt16BE(0, offset + 1), 6)
}
