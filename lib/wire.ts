import type { Writable } from 'node:stream'
import { constants, deflateRawSync } from 'node:zlib'
import type { WebSocket } from 'ws'

/**
 * Frames made once for any number of sockets, and the one place that reaches into `ws` to write them. `ws` itself
 * frames a message anew for every socket, and writes head and payload of each frame apart.
 */

/** The text of a frame: as the application made it, or as bytes that a broker brought. */
export type Payload = string | Buffer

/** What `ws` calls its state when nothing is being compressed or read before it can be written. */
const IDLE = 0

interface Internals {
  readonly _socket?: Writable | null
  readonly _sender?: { readonly _state?: number } | null
}

/**
 * The stream under a socket, if frames may be written to it now without overtaking any that `ws` still holds back.
 * Otherwise, and should a later `ws` look different inside, undefined: then `socket.send()` it is.
 */
export function streamOf (socket: WebSocket): Writable | undefined {
  const { _socket: stream, _sender: sender } = socket as unknown as Internals
  return sender?._state === IDLE ? stream ?? undefined : undefined
}

const TEXT = 0x81 // the last fragment of a text message, RFC 6455 §5.2
const COMPRESSED_TEXT = 0xc1 // the same with RSV1, RFC 7692 §6

/** A buffer with a frame for each payload. @param compressFrom payloads of at least so many bytes, if that makes them smaller */
export function frames (payloads: readonly Payload[], compressFrom = Infinity): Buffer {
  const only = payloads[0] as Payload
  if (payloads.length === 1 && compressFrom === Infinity) return frame(only)
  return Buffer.concat(payloads.map(payload => sizeOf(payload) >= compressFrom ? compressed(payload) : frame(payload)))
}

/** A buffer with a frame for one payload. */
export function frame (payload: Payload, first = TEXT): Buffer {
  const size = sizeOf(payload)
  const head = headSize(size)
  const buffer = Buffer.allocUnsafe(head + size)
  buffer[0] = first
  writeLength(buffer, size)
  if (typeof payload === 'string') buffer.write(payload, head)
  else buffer.set(payload, head)
  return buffer
}

function compressed (payload: Payload): Buffer {
  const body = deflated(payload)
  return body.length < sizeOf(payload) ? frame(body, COMPRESSED_TEXT) : frame(payload)
}

/** Without context takeover (RFC 7692 §7.1.1.1) the result is the same for every socket, so all can share it. */
function deflated (payload: Payload): Buffer {
  const stream = deflateRawSync(payload, { flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH })
  return stream.subarray(0, -4) // the empty block that ends it is not sent, RFC 7692 §7.2.1
}

/** In bytes, as UTF-8. */
export function sizeOf (payload: Payload): number {
  return typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length
}

function headSize (length: number): number {
  return length < 126 ? 2 : length < 65_536 ? 4 : 10
}

function writeLength (buffer: Buffer, length: number): void {
  if (length < 126) {
    buffer[1] = length
  } else if (length < 65_536) {
    buffer[1] = 126
    buffer.writeUInt16BE(length, 2)
  } else {
    buffer[1] = 127
    buffer.writeUInt16BE(0, 2)
    buffer.writeUIntBE(length, 4, 6)
  }
}

/** A frame that has to wait keeps nothing but itself: `ws` hands over a part of all that was read, and Node's pool is shared. */
export function alone (data: Buffer): Buffer {
  const own = Buffer.allocUnsafeSlow(data.length)
  data.copy(own)
  return own
}
