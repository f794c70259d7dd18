/**
 * What a call, or the room, has met. Codes that begin with `FST_ROOMS_` are the server's, and an application may add its own.
 *
 * - `TIMEOUT`: no reply within `timeout`.
 * - `AWAY`: there was no connection, and the command was not to wait for one. It was not sent.
 * - `LOST`: the connection ended, or was closed, before the reply came. Nobody knows whether the command was carried out.
 * - `CLOSED`: the room is closed. The command was not sent.
 * - `QUEUE_FULL`: more than `maxQueued` commands wait. It was not sent.
 * - `TOO_LARGE`: the command is longer than `maxPayload`. It was not sent.
 * - `BUFFER_FULL`: a `for await` loop was more than `maxBuffered` messages behind.
 * - `ENDED`: the server has ended the connection for good; `closeCode` says why.
 * - `WRONG_ROOM`: the server has let the client into another room than the one that it was given.
 * - `SAME_TOKEN`: the token is about to expire, and `token` has returned it again.
 * - `FAILED`: the server reports an error that has no code.
 */
export class RoomsError extends Error {
  override readonly name = 'RoomsError'
  readonly code: string
  /** Of a command: it has left, so it may have been carried out, whatever has become of the reply. */
  readonly sent: boolean
  /** The code with which the server has ended the connection: see docs/protocol.md. */
  readonly closeCode: number | undefined

  constructor (code: string, message: string, sent = false, closeCode?: number) {
    super(message)
    this.code = code
    this.sent = sent
    this.closeCode = closeCode
  }
}
