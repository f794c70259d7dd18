import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Message, Room, SendOptions } from '../types/index.js'
import { nameOf } from './contract.js'
import type { Sender } from './sender.js'

const kHeld = Symbol('fastify-rooms.held')

interface HeldMessage {
  readonly room: string
  readonly text: string
  readonly volatile: boolean
}

/** What a reply has for rooms: nothing yet, messages that wait for it, or how it went out. */
type Held = null | HeldMessage[] | 'succeeded' | 'failed'
type HoldingReply = FastifyReply & { [kHeld]: Held }

/** Requests whose handler has not replied yet. What they send belongs before the end of the sockets. */
export class Requests {
  readonly #replies = new Set<FastifyReply>()
  #replied: (() => void) | undefined

  enter (reply: FastifyReply): void {
    this.#replies.add(reply)
    // A hijacked reply never comes to `onSend`. One whose client has left does, as soon as its handler is done.
    reply.raw.once('close', () => { if (reply.sent) this.leave(reply) })
  }

  leave (reply: FastifyReply): void {
    if (this.#replies.delete(reply)) this.#replied?.()
  }

  /** Resolves when every handler has replied, or has taken its reply away from Fastify. */
  async settled (): Promise<void> {
    for (const reply of this.#replies) {
      while (!reply.sent && this.#replies.has(reply)) {
        await new Promise<void>(resolve => { this.#replied = resolve })
      }
    }
  }
}

/**
 * `reply.sendToRoom`: messages that go out with a reply that succeeds. The moment is when its head is written: before,
 * a hook of the application may still fail, and afterwards a client may take for ever to read, or have left, though the
 * change that the message tells of has been made.
 */
export function decorateReply (app: FastifyInstance, sender: Sender, failed: (error: Error, room: string) => void): Requests {
  const requests = new Requests()

  app.decorateReply<Held, symbol>(kHeld, null)
  app.decorateReply('sendToRoom', function (this: FastifyReply, room: string | Room, message: Message, options?: SendOptions): void {
    const reply = this as HoldingReply
    const held = reply[kHeld]
    if (held === 'failed') return
    let text: string
    try {
      text = sender.encode(room, message)
    } catch (error) {
      reply.log.error({ err: error, room: nameOf(room) }, 'message could not be sent to the room')
      failed(error as Error, nameOf(room))
      return
    }
    const waiting = { room: nameOf(room), text, volatile: options?.volatile === true }
    if (held === 'succeeded') {
      send(waiting)
    } else if (held === null) {
      reply[kHeld] = [waiting]
      onHead(reply)
    } else {
      held.push(waiting)
    }
  })

  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (!Array.isArray((reply as HoldingReply)[kHeld])) release(reply, reply.statusCode)
    done()
  })

  /** There is no event for this, but every reply of Fastify's goes through this method, a stream and an error too. */
  function onHead (reply: FastifyReply): void {
    const { writeHead } = reply.raw
    reply.raw.writeHead = function (this: typeof reply.raw, status: number, ...rest: unknown[]) {
      if (!this.headersSent) release(reply, status)
      return writeHead.call(this, status, ...rest as [])
    } as typeof writeHead
  }

  function release (reply: FastifyReply, status: number): void {
    const holding = reply as HoldingReply
    const held = holding[kHeld]
    holding[kHeld] = status < 400 ? 'succeeded' : 'failed'
    if (Array.isArray(held) && status < 400) held.forEach(send)
    requests.leave(reply)
  }

  function send ({ room, text, volatile }: HeldMessage): void {
    sender.sendEncoded(room, text, volatile).catch(error => {
      if (!volatile) sender.tellOf(room, error)
      failed(error, room)
    })
  }

  return requests
}
