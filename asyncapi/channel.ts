import type { FastifySchema } from 'fastify'
import { isContract, isRoom } from '../lib/contract.js'
import { CAUSES } from '../lib/protocol.js'
import type { Served } from '../lib/served.js'
import type { RoomContract } from '../types/index.js'
import { addressOf } from './address.js'
import { exampleOf } from './example.js'
import { ADDRESSED, anyFrame, commandFrame, ERROR, messageFrame, NUMBERED, PING, PONG, replyFrame, SNAPSHOT, statusFrame, TOKEN } from './frames.js'
import type { MessageObject } from './frames.js'
import { Names } from './names.js'
import type { Transform } from './options.js'
import type { Ref, Schemas } from './schemas.js'

/** What a route's own `schema` may say of it, as for @fastify/swagger. */
type RouteSchema = FastifySchema & { summary?: string, description?: string, tags?: readonly string[], deprecated?: boolean }

/** What the channels of a document are made with. */
export interface Describing {
  readonly channels: Record<string, unknown>
  readonly operations: Record<string, unknown>
  readonly schemas: Schemas
  readonly names: Names
  readonly operationNames: Names
  readonly transform: Transform | undefined
  /** What has been described already: a contract may have several routes. */
  readonly described: Readonly<Record<Kind, Map<unknown, Described>>>
}

type Kind = 'params' | 'body' | 'response' | 'querystring' | 'headers'
type Described = [ref: Ref, example: unknown]
type Action = 'send' | 'receive'

const INFORMATION = ['connected', 'resync', 'epoch']
const MOVING = ['joined', 'left']
const ENDS = Object.values(CAUSES).flatMap(({ status }) => status ?? [])

const DOORS = {
  token: 'The first frame of a client is its token; nothing else comes before the server has answered it with `connected`.',
  upgrade: 'The token comes with the upgrade; no frame is waited for, and the first one of the server is `connected`.'
} as const

export type Scheme = keyof typeof DOORS

/** Undefined where it is open to all. */
export function schemeOf ({ route: { authenticate } }: Served): Scheme | undefined {
  if (authenticate === false) return undefined
  return authenticate === 'upgrade' ? 'upgrade' : 'token'
}

/** One route is one channel: an address to connect to, and all that goes over the socket then, in both directions. */
export class Channel {
  readonly #served: Served
  readonly #into: Describing
  readonly #key: string
  readonly #messages: Record<string, MessageObject> = {}
  readonly #messageNames = new Names()
  /** By which its users say who they are. */
  readonly #scheme: Scheme | undefined
  readonly #schema: RouteSchema

  constructor (served: Served, into: Describing) {
    const { address, parameters } = addressOf(served.url)
    this.#served = served
    this.#into = into
    this.#key = into.names.take(address.slice(1).replaceAll('/', '.'))
    this.#scheme = schemeOf(served)
    this.#schema = served.options.schema ?? {}
    const { summary, tags } = this.#schema
    const said = this.#rooms()
    into.channels[this.#key] = {
      address,
      title: summary ?? said.titles.join(', '),
      description: this.#description(said.sentences),
      ...parameters.length > 0 && { parameters: this.#parameters(parameters) },
      messages: this.#messages,
      ...tags !== undefined && { tags: tags.map(name => ({ name })) },
      bindings: { ws: { method: 'GET', ...this.#upgrade(), bindingVersion: '0.1.0' } },
      'x-rooms': said.titles
    }
    this.#describe()
  }

  /** What the rooms are called, and what is to be known of each. */
  #rooms (): { titles: string[], sentences: string[] } {
    const [titles, sentences]: [string[], string[]] = [[], []]
    for (const room of this.#served.rooms) {
      const name = namedBy(room)
      titles.push(name ?? 'a room that the request decides')
      const kept = name === undefined ? undefined : this.#served.history(name)
      sentences.push(name === undefined
        ? 'Leads to a room that the server chooses by the request.'
        : `Leads to ${isContract(room) && /(^|\/):/.test(name) ? 'the rooms' : 'the room'} \`${name}\`${kept === undefined ? '.' : `, which keeps its last ${kept.size} messages for ${kept.ttl} ms.`}`)
    }
    return { titles, sentences }
  }

  #description (sentences: string[]): string {
    const door = this.#scheme === undefined ? 'It is open to all: no token is waited for.' : DOORS[this.#scheme]
    const words = this.#served.route.dialect() === undefined ? [] : ['The application has a codec of its own: frames mean what stands here, and may look different.']
    return [...this.#schema.description === undefined ? [] : [this.#schema.description], [...sentences, door, ...words].join(' ')].join('\n\n')
  }

  /** Of the URL: the contract's schema says what they are, or the route's. */
  #parameters (names: string[]): Record<string, unknown> {
    const given = [this.#schema.params, ...this.#served.contracts.map(({ definition }) => definition.params)].filter(schema => schema !== undefined)
    const described = given.flatMap(schema => {
      const { properties } = this.#inline('params', schema, 'the parameters of')
      return Object.entries(properties as Record<string, Record<string, unknown>> ?? {})
    })
    return Object.fromEntries(names.map(name => {
      const { description, default: byDefault, enum: values, examples } = described.find(([key]) => key === name)?.[1] ?? {}
      const texts = (values: unknown): string[] | undefined => Array.isArray(values) ? values.map(String) : undefined
      const parameter = { description: description ?? `The segment \`:${name}\` of the route.`, default: byDefault === undefined ? undefined : String(byDefault), enum: texts(values), examples: texts(examples) }
      return [name, Object.fromEntries(Object.entries(parameter).filter(([, value]) => value !== undefined))]
    }))
  }

  #upgrade (): Record<string, unknown> {
    const { querystring, headers } = this.#schema
    return {
      ...querystring !== undefined && { query: this.#inline('querystring', querystring, 'the query of') },
      ...headers !== undefined && { headers: this.#inline('headers', headers, 'the headers of') }
    }
  }

  #describe (): void {
    const { route, rooms, contracts } = this.#served
    const statuses = [...INFORMATION, ...this.#served.several ? MOVING : [], ...ENDS]
    const [status, error, ping, pong] = [this.#message(statusFrame(statuses)), this.#message(ERROR), this.#message(PING), this.#message(PONG)]
    if (this.#scheme === 'token') {
      const token = this.#message(TOKEN)
      this.#operation('receive', 'enter', 'Says who it is', [token], { messages: [status], security: false })
    }
    for (const contract of contracts) this.#contract(contract, error)
    const plain = rooms.find(room => typeof room === 'string') ?? rooms.find(room => typeof room === 'function' && !isContract(room))
    if (plain !== undefined) this.#operation('send', 'message', 'Tells the room something', [this.#message(anyFrame(this.#beside(plain)))])
    if (route.snapshot !== undefined) this.#operation('send', 'snapshot', 'Shows a new member the room', [this.#message(SNAPSHOT)])
    this.#operation('send', 'status', 'Says what has become of the socket', [status])
    this.#operation('send', 'error', 'Says that a command was not carried out', [error])
    this.#operation('send', 'keepAlive', 'Looks whether the client is there', [ping], { messages: [pong] })
    this.#operation('receive', 'ping', 'Looks whether the server is there', [ping], { messages: [pong] })
  }

  #contract (contract: RoomContract, error: Ref): void {
    const { pattern, definition: { messages, commands = {} } } = contract
    for (const [command, schema] of Object.entries(messages)) {
      const [data, example] = this.#add('response', schema, `${command} of '${pattern}'`, pattern, command)
      this.#operation('send', command, `Tells the room ${command}`, [this.#message(messageFrame(command, data, example, this.#beside(contract)))])
    }
    for (const [command, { data, reply }] of Object.entries(commands)) {
      const [asked, anExample] = data === undefined ? [] : this.#add('body', data, `${command} of '${pattern}'`, pattern, command)
      const [said, aReply] = reply === undefined ? [] : this.#add('response', reply, `the reply to ${command} of '${pattern}'`, pattern, command, 'reply')
      const answer = this.#message(replyFrame(command, said, aReply), 'reply')
      this.#operation('receive', command, `Is asked ${command}`, [this.#message(commandFrame(command, asked, anExample))], { messages: [answer, error] })
    }
  }

  /** What a message has beside its data, which depends on the room and on the route. */
  #beside (room: ServedRoom): Record<string, unknown> {
    const name = namedBy(room)
    return { ...name !== undefined && this.#served.history(name) !== undefined && NUMBERED, ...this.#served.several && ADDRESSED }
  }

  #message (message: MessageObject, ...name: string[]): Ref {
    const key = this.#messageNames.take(message.name, ...name)
    this.#messages[key] = message
    return { $ref: `#/channels/${this.#key}/messages/${key}` }
  }

  #operation (action: Action, name: string, summary: string, messages: Ref[], { messages: replies, security = true }: { messages?: Ref[], security?: boolean } = {}): void {
    const channel = { $ref: `#/channels/${this.#key}` }
    this.#into.operations[this.#into.operationNames.take(this.#key, name)] = {
      action,
      channel,
      title: name,
      summary,
      ...security && this.#scheme !== undefined && { security: [{ $ref: `#/components/securitySchemes/${this.#scheme}` }] },
      messages,
      ...replies !== undefined && { reply: { channel, messages: replies } }
    }
  }

  /** @returns a reference to the component, and an example if there is a certain one */
  #add (kind: Kind, schema: unknown, what: string, ...name: string[]): Described {
    const { schemas, described } = this.#into
    let known = described[kind].get(schema)
    if (known === undefined) {
      const ref = schemas.add(this.#transformed(kind, schema), this.#served.instance, what, ...name)
      described[kind].set(schema, known = [ref, exampleOf(ref, schemas.lookup)])
    }
    return known
  }

  #inline (kind: Kind, schema: unknown, what: string): Record<string, unknown> {
    return this.#into.schemas.inline(this.#transformed(kind, schema), this.#served.instance, `${what} '${this.#served.url}'`) as Record<string, unknown>
  }

  /** In the place in which a route would have it, so that what is written for @fastify/swagger will do. */
  #transformed (kind: Kind, schema: unknown): unknown {
    const { transform } = this.#into
    if (transform === undefined) return schema
    const { url, options: route } = this.#served
    const given = kind === 'response' ? { response: { 200: schema } } : { [kind]: schema }
    const { schema: made } = transform({ schema: given, url, route, openapiObject: { openapi: '3.1.0' } })
    return kind === 'response' ? (made.response as Record<string, unknown>)['200'] : made[kind]
  }
}

type ServedRoom = Served['rooms'][number]

/** The name of the room, or the pattern of its name; undefined where the request decides. */
function namedBy (room: ServedRoom): string | undefined {
  if (isContract(room)) return room.pattern
  return isRoom(room) ? room.name : typeof room === 'string' ? room : undefined
}
