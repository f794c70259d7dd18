import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { inspect, isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import { WebSocket } from 'ws'
import fastifyRooms, { defineRoom } from '../index.js'
import { Frames } from './helpers/frames.js'
import type { RandomFrame } from './helpers/frames.js'
import { watchForStrays } from './helpers/strays.js'

const noStrays = watchForStrays(t)

const SEED = Number(process.env.FRAMES_SEED ?? Date.now() % 1_000_000)
const COUNT = 10_000
const GUESTS = 8
const MAX_PAYLOAD = 16 * 1_024

const room = defineRoom('fuzz', {
  messages: { SAID: {} },
  commands: {
    CALL: { data: Type.Object({ desk: Type.Integer({ minimum: 1 }) }), reply: Type.Object({ ticket: Type.Number() }) },
    SAY: { data: Type.String({ maxLength: 9 }) },
    ECHO: {},
    FAIL: {},
    REFUSE: {}
  }
})

/** What a frame must come to, by docs/protocol.md and docs/commands.md: a close code, frames, or nothing. */
type Outcome = { code: number } | { frames: unknown[] }

const failed = (code: string, id: unknown, message?: string): Outcome => ({ frames: [plain({ command: 'WSError', data: { code, message }, id })] })

function expected (frame: RandomFrame): Outcome {
  if ('binary' in frame) return { code: 4400 }
  const bytes = 'bytes' in frame ? frame.bytes : Buffer.from(frame.text)
  if (bytes.length > MAX_PAYLOAD) return { code: 1009 }
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes) // without the mark at the beginning, if there is one
  } catch {
    return { code: 1007 }
  }
  if (depthOf(text) > 64) return failed('FST_ROOMS_INVALID_COMMAND', undefined)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { code: 4400 }
  }
  if (isPoison(value)) return failed('FST_ROOMS_INVALID_COMMAND', undefined)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { code: 4400 }

  const { command, data, id } = value as Record<string, unknown>
  const good = id === undefined || (typeof id === 'number' && Number.isFinite(id)) || (typeof id === 'string' && id.length <= 128)
  if (!good) return { code: 4400 }
  const replied = (data: unknown): Outcome => ({ frames: id === undefined ? [] : [plain({ command, data, id })] })
  switch (command) {
    case 'WSPing': return { frames: [{ command: 'WSPong' }] }
    case 'WSPong': return { frames: [] }
    case 'CALL': {
      const { desk } = (typeof data === 'object' && data !== null && !Array.isArray(data) ? data : {}) as { desk?: unknown }
      return Number.isInteger(desk) && desk as number >= 1 ? replied({ ticket: desk }) : failed('FST_ROOMS_INVALID_COMMAND', id)
    }
    case 'SAY': return typeof data === 'string' && [...data].length <= 9 ? replied(data) : failed('FST_ROOMS_INVALID_COMMAND', id)
    case 'ECHO': return replied(data)
    case 'FAIL': return failed('FST_ROOMS_COMMAND_FAILED', id, 'The command failed.')
    case 'REFUSE': return failed('CLOSED', id, 'the stand is closed')
    default: return failed('FST_ROOMS_UNKNOWN_COMMAND', id)
  }
}

/** As JSON has it: an `undefined` is left out, and -0 is 0. */
function plain (value: unknown): unknown {
  return JSON.parse(JSON.stringify(value))
}

/** How deep a text is nested, whether it is JSON or not. */
function depthOf (text: string): number {
  let [depth, deepest] = [0, 0]
  for (const bracket of text.replaceAll(/"[^"\\]*(?:\\[^][^"\\]*)*(?:"|\\?$)/g, '').replaceAll(/[^[\]{}]/g, '')) {
    depth += bracket === '[' || bracket === '{' ? 1 : -1
    deepest = Math.max(deepest, depth)
  }
  return deepest
}

function isPoison (value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (Object.hasOwn(value, '__proto__')) return true
  const { constructor } = value as { constructor: unknown }
  if (Object.hasOwn(value, 'constructor') && typeof constructor === 'object' && constructor !== null && Object.hasOwn(constructor, 'prototype')) return true
  return Object.values(value).some(isPoison)
}

/** Where the message is not in the documents, any will do. */
function agree (wanted: unknown, got: unknown): boolean {
  const { command, data } = wanted as { command: unknown, data: Record<string, unknown> }
  const found = got as { data?: { message?: unknown } } | undefined
  if (command !== 'WSError' || typeof found?.data?.message !== 'string') return isDeepStrictEqual(wanted, got)
  return isDeepStrictEqual({ ...wanted as object, data: { message: found.data.message, ...data } }, got)
}

const PING = { command: 'WSPing' }

/** A client that comes back, and hears everything that is said to it. */
class Guest {
  readonly #url: string
  #socket!: WebSocket
  #heard: unknown[] = []
  #wake = (): void => {}
  code: number | undefined

  constructor (url: string) {
    this.#url = url
  }

  async enter (): Promise<void> {
    this.code = undefined
    this.#heard = []
    this.#socket = new WebSocket(this.#url)
    this.#socket.on('message', data => {
      const frame: unknown = JSON.parse(data.toString())
      if (isDeepStrictEqual(frame, PING)) return // comes when its turn on the wheel comes, and answers nothing
      this.#heard.push(frame)
      this.#wake()
    })
    this.#socket.on('close', code => {
      this.code = code
      this.#wake()
    })
    await once(this.#socket, 'open')
    await this.hear(() => this.#heard.length > 0)
    this.#heard.shift() // connected
  }

  send (frame: RandomFrame): void {
    if ('text' in frame) this.#socket.send(frame.text)
    else if ('bytes' in frame) this.#socket.send(frame.bytes, { binary: false })
    else this.#socket.send(frame.binary, { binary: true })
  }

  /** All that comes until the condition holds, or the socket has closed. */
  async hear (until: (heard: readonly unknown[]) => boolean): Promise<unknown[]> {
    while (this.code === undefined && !until(this.#heard)) await new Promise<void>(resolve => { this.#wake = resolve })
    return this.#heard
  }

  /** What has come before the answer to a good command, which is sent now. */
  async answers (probe: string): Promise<unknown[]> {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ command: 'ECHO', data: 'good', id: probe }))
    const answer = { command: 'ECHO', data: 'good', id: probe }
    const heard = await this.hear(heard => isDeepStrictEqual(heard.at(-1), answer))
    this.#heard = []
    return this.code === undefined ? heard.slice(0, -1) : heard
  }

  leave (): void {
    this.#socket.terminate()
  }
}

t.test(`each of ${COUNT} random frames gets its documented answer, and so does the next good command; FRAMES_SEED=${SEED}`, async t => {
  const faults: string[] = []
  const app = Fastify({ ajv: { customOptions: { coerceTypes: false } } })
  t.teardown(() => app.close())
  await app.register(fastifyRooms, { messageRate: 1_000_000, maxPayload: MAX_PAYLOAD, keepAlive: 600_000, onError: ({ error }) => { faults.push(error.message) } })
  app.get('/', { websocket: true }, app.manageWebsocket(room, {
    authenticate: false,
    commands: {
      CALL: ({ data }) => ({ ticket: data.desk }),
      SAY: ({ data }) => data,
      ECHO: ({ data }) => data,
      FAIL: () => { throw new Error('on purpose') },
      REFUSE: () => { throw Object.assign(new Error('the stand is closed'), { statusCode: 409, code: 'CLOSED' }) }
    }
  }))
  await app.listen({ port: 0, host: '127.0.0.1' })

  const frames = new Frames(SEED, MAX_PAYLOAD)
  const seen = new Map<string, number>()
  let next = 1

  const visit = async (): Promise<void> => {
    const guest = new Guest(`ws://127.0.0.1:${(app.server.address() as AddressInfo).port}/`)
    await guest.enter()
    while (next <= COUNT) await send(guest, next++)
    guest.leave()
  }

  const send = async (guest: Guest, number: number): Promise<void> => {
    const frame = frames.next()
    const wanted = expected(frame)
    guest.send(frame)
    const got = await guest.answers(`probe ${number}`)
    const right = 'code' in wanted
      ? guest.code === wanted.code && got.length === 0
      : guest.code === undefined && got.length === wanted.frames.length && wanted.frames.every((frame, index) => agree(frame, got[index]))
    const fate = 'code' in wanted ? wanted.code : wanted.frames.map(frame => (frame as { data?: { code?: string } }).data?.code ?? 'answered')[0] ?? 'silence'
    seen.set(String(fate), (seen.get(String(fate)) ?? 0) + 1)
    if (!right || 'polluted' in {}) {
      next = Infinity
      t.fail(`frame ${number} of seed ${SEED}`, { frame: inspect(frame, { maxStringLength: 2_000 }), wanted, got, code: guest.code, polluted: 'polluted' in {} })
    }
    if (guest.code !== undefined) await guest.enter()
  }

  await Promise.all(Array.from({ length: GUESTS }, visit))
  t.strictSame(faults.filter(message => message !== 'on purpose'), [], 'no handler but the one that fails has met a fault')
  const fates = ['1007', '1009', '4400', 'FST_ROOMS_INVALID_COMMAND', 'FST_ROOMS_UNKNOWN_COMMAND', 'FST_ROOMS_COMMAND_FAILED', 'CLOSED', 'answered', 'silence']
  t.strictSame(fates.filter(fate => (seen.get(fate) ?? 0) < 10), [], 'each fate is met often enough to mean something')
})

noStrays()
