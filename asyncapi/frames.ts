import type { JsonSchema, Ref } from './schemas.js'

/** A message as AsyncAPI has it. */
export interface MessageObject {
  readonly name: string
  readonly title: string
  readonly summary: string
  readonly payload: JsonSchema
  readonly correlationId?: { readonly location: string }
  readonly examples?: ReadonlyArray<{ readonly payload: JsonSchema }>
}

type Schema = JsonSchema | Ref | undefined

const ID = { description: 'Comes back with the reply.', anyOf: [{ type: 'number' }, { type: 'string', maxLength: 128 }] }
const CORRELATED = { location: '$message.payload#/id' }

/** The frame of one command, as it goes over the wire. An example is added where there is one of its data. */
export function frame (name: string, summary: string, properties: JsonSchema, required: string[], example?: JsonSchema): MessageObject {
  return {
    name,
    title: name,
    summary,
    payload: { type: 'object', properties: { command: { type: 'string', const: name }, ...properties }, required: ['command', ...required] },
    ...'id' in properties && { correlationId: CORRELATED },
    ...example !== undefined && { examples: [{ payload: { command: name, ...example } }] }
  }
}

/** What members of a room are sent. @param more what rooms with history, and sockets in several rooms, have beside the data */
export function messageFrame (command: string, data: Ref, example: unknown, more: JsonSchema): MessageObject {
  return frame(command, 'Sent to every member of the room.', { data, ...more }, ['data'], example === undefined ? undefined : { data: example })
}

export function commandFrame (command: string, data: Schema, example: unknown): MessageObject {
  const sent = data === undefined ? { id: 1 } : example === undefined ? undefined : { data: example, id: 1 }
  return frame(command, 'Asked by a client. With an `id`, it is answered.', { data: data ?? {}, id: ID }, data === undefined ? [] : ['data'], sent)
}

export function replyFrame (command: string, reply: Schema, example: unknown): MessageObject {
  const answered = reply === undefined ? { id: 1 } : example === undefined ? undefined : { data: example, id: 1 }
  return frame(command, 'The reply, where the command had an `id`.', { data: reply ?? {}, id: ID }, reply === undefined ? ['id'] : ['data', 'id'], answered)
}

/** Of rooms without a contract. */
export function anyFrame (more: JsonSchema): MessageObject {
  return {
    name: 'message',
    title: 'Any message',
    summary: 'Sent to every member of the room. Nothing is said of which commands there are.',
    payload: { type: 'object', properties: { command: { type: 'string' }, data: {}, ...more }, required: ['command'] }
  }
}

const POSITION = { epoch: { type: 'string' }, seq: { type: 'integer', minimum: 0 }, mid: { type: 'string' } }

/** What a message has where it is kept. */
export const NUMBERED: JsonSchema = {
  seq: { type: 'integer', minimum: 1, description: 'Its number in the history of the room.' },
  mid: { type: 'string', description: 'Its name there.' }
}

/** What a message has on a socket that is in several rooms. */
export const ADDRESSED: JsonSchema = { room: { type: 'string', description: 'Which of the rooms it was sent to.' } }

/** The first frame of a client. */
export const TOKEN: MessageObject = {
  name: 'token',
  title: 'The token',
  summary: 'The first frame of a client: who it is, without `Bearer`; and where it stood, if it comes back to a room with history.',
  payload: {
    type: 'object',
    properties: {
      token: { type: 'string', minLength: 1 },
      recover: { type: 'object', description: 'By the name of the room.', additionalProperties: { type: 'object', properties: POSITION, required: ['epoch', 'seq', 'mid'] } }
    },
    required: ['token']
  },
  examples: [{ payload: { token: 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqZWFubmUifQ.signature' } }]
}

/** @param statuses that there are */
export function statusFrame (statuses: string[]): MessageObject {
  const data = {
    type: 'object',
    properties: {
      status: { type: 'string', enum: statuses },
      connection: { type: 'string', description: 'With `connected`: names this connection in the server\'s logs.' },
      keepAlive: { type: 'integer', description: 'With `connected`: milliseconds between two pings of the server.' },
      rooms: {
        type: 'object',
        description: 'With `connected` and `epoch`: the room, and where the client stands in it.',
        additionalProperties: { type: 'object', properties: { ...POSITION, recovered: { type: 'boolean' }, reason: { type: 'string' } } }
      },
      degraded: { type: 'boolean', description: 'With `connected`: messages of other processes may be missing until `resync` comes.' }
    },
    required: ['status']
  }
  const connected = { status: 'connected', connection: 'V2qF_XbrKuov-0', keepAlive: 25_000, rooms: { cdr: {} } }
  return frame('WSStatus', 'What has become of the socket; ahead of a close, why.', { data }, ['data'], { data: connected })
}

export const ERROR = frame('WSError', 'A command was not carried out. The socket stays.', {
  data: { type: 'object', properties: { code: { type: 'string' }, message: { type: 'string' } }, required: ['message'] },
  id: ID
}, ['data'], { data: { code: 'FST_ROOMS_COMMAND_FAILED', message: 'The command failed.' }, id: 1 })

export const SNAPSHOT = frame('WSSnapshot', 'What the room looks like, for a new member.', { data: {} }, [])
export const PING = frame('WSPing', 'Asks for a sign of life.', {}, [], {})
export const PONG = frame('WSPong', 'The sign of life.', {}, [], {})
