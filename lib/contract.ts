import type { FastifyTypeProvider } from 'fastify'
import type { InferringTypeProvider, Room, RoomContract, RoomDefinition } from '../types/contract.js'
import { checkRoomName } from './name.js'
import { InvalidContract, InvalidRoom } from './naming-errors.js'

/** What encodeURIComponent leaves as it is, and a room's name must not have. */
const LEFT = /[!'()*]/g
const FIXED = /^[\w\-.:@%~+=]+$/
const PARAMETER = /^:([A-Za-z_]\w*)$/

type DefineRoom<P extends FastifyTypeProvider> =
  <const Pattern extends string, const D extends RoomDefinition>(pattern: Pattern, definition: D) => RoomContract<Pattern, D, P>

/** A segment of a pattern: text, or the name of a parameter. */
type Segment = { readonly text: string } | { readonly parameter: string }

/**
 * A contract of rooms: their name, with a parameter for each segment that begins with a colon, and what they are sent. It
 * is a value that belongs to no application: servers, clients and tests can share it.
 * @throws FST_ROOMS_INVALID_CONTRACT
 */
export const defineRoom: DefineRoom<InferringTypeProvider> = (pattern, definition) => {
  const segments = parse(pattern)
  checkDefinition(pattern, definition)
  const contract = (params: Record<string, unknown> = {}): Room => {
    const name = segments.map(segment => 'text' in segment ? segment.text : encode(params[segment.parameter], segment.parameter)).join('/')
    checkRoomName(name)
    return Object.freeze({ name, contract: contract as unknown as RoomContract })
  }
  return Object.freeze(Object.assign(contract, { pattern, definition })) as never
}

/** `defineRoom` for schemas whose types the given provider knows. */
export function withTypeProvider<P extends FastifyTypeProvider> (): { defineRoom: DefineRoom<P> } {
  return { defineRoom: defineRoom as never }
}

export function isRoom (room: unknown): room is Room {
  return typeof room === 'object' && room !== null && isContract((room as Partial<Room>).contract)
}

/** The name of a room, whether it has a contract or not. */
export function nameOf (room: string | Room): string {
  return isRoom(room) ? room.name : room
}

export function isContract (contract: unknown): contract is RoomContract {
  return typeof contract === 'function' && 'pattern' in contract && 'definition' in contract
}

/** Whether a name could be one of this contract's rooms. */
export function matches ({ pattern }: RoomContract, name: string): boolean {
  const [segments, given] = [pattern.split('/'), name.split('/')]
  return segments.length === given.length && segments.every((segment, index) => PARAMETER.test(segment) ? given[index] !== '' : segment === given[index])
}

function parse (pattern: string): Segment[] {
  if (typeof pattern !== 'string') throw new InvalidContract(String(pattern), 'its name is no string')
  const parameters = new Set<string>()
  return pattern.split('/').map(segment => {
    const parameter = PARAMETER.exec(segment)?.[1]
    if (parameter !== undefined && !parameters.has(parameter)) {
      parameters.add(parameter)
      return { parameter }
    }
    if (FIXED.test(segment) && !segment.startsWith(':')) return { text: segment }
    throw new InvalidContract(pattern, `the segment '${segment}' is neither letters, digits and _ - . : @ % ~ + =, nor a new parameter such as :id`)
  })
}

function checkDefinition (pattern: string, definition: RoomDefinition): void {
  const { messages, commands } = definition ?? {}
  const [sent, asked] = [messages, commands].map(names => Object.keys(names ?? {}).length)
  if (sent === 0 && (messages === null || messages === undefined || asked === 0)) {
    throw new InvalidContract(pattern, '`messages` must have a schema for each command that members are sent, and may be {} only where there are `commands`')
  }
}

/** So that a parameter is one segment, whatever stands in it, and no two values make one room. */
function encode (value: unknown, parameter: string): string {
  if ((typeof value !== 'string' || value === '') && !Number.isFinite(value)) throw new InvalidRoom(`one whose parameter '${parameter}' is missing, or no string and no number`)
  try {
    return encodeURIComponent(value as string | number).replace(LEFT, character => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
  } catch {
    throw new InvalidRoom(`one whose parameter '${parameter}' has half a character`)
  }
}
