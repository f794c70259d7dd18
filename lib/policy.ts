import type { FastifyRequest } from 'fastify'
import type { Command, Hooks, Room, RoomContract, RoomRouteOptions, User } from '../types/index.js'
import type { DefaultAuthenticate } from './authenticate.js'
import { isRoom, matches } from './contract.js'
import type { Dialect } from './dialect.js'
import { errors } from './errors.js'
import type { OriginCheck } from './origin.js'

/** Where a route leads: to a room, or to that which a function of the request names. */
export type Destination = string | Room | ((request: FastifyRequest) => string | Room | Promise<string | Room>)

/** A contract whose commands a route takes, and what carries them out. */
export interface Taker {
  readonly contract: RoomContract
  readonly handlers: Readonly<Record<string, (command: Command) => unknown>>
}

/** Who wants to be where, as hooks are told. */
export interface Entry {
  readonly user: User | null
  readonly room: string
  readonly params: FastifyRequest['params']
  readonly request: FastifyRequest
}

/** What a contract may say of who enters, too. */
type Own = Pick<Hooks, 'authorize' | 'snapshot'>

/** A route's rooms and its hooks, the plugin's filled in where it has none. */
export interface Route extends Omit<RoomRouteOptions, 'authenticate' | 'history' | 'origins'> {
  readonly destinations: readonly Destination[]
  /** Whether its sockets may be in several rooms, and are told of each frame in which. */
  readonly several: boolean
  /** Of the rooms that it knows of. */
  readonly contracts: readonly RoomContract[]
  readonly takers: readonly Taker[]
  /** How its sockets are spoken to. It is asked when the application is ready, since a later route may say it. */
  readonly dialect: () => Dialect | undefined
  /** What the route says itself. */
  readonly own: Own
  readonly authenticate: Exclude<RoomRouteOptions['authenticate'], undefined> | DefaultAuthenticate
  /** Undefined where all are welcome. */
  readonly origins: OriginCheck | undefined
  /** Whether a cookie may say who the user is. It is known when the application is ready. */
  cookies: boolean
  readonly userId: Exclude<RoomRouteOptions['userId'], undefined>
  readonly issuedAt: Exclude<RoomRouteOptions['issuedAt'], undefined>
  readonly expiresAt: Exclude<RoomRouteOptions['expiresAt'], undefined>
}

/** The contract of a room: its own, or the first of the route that has rooms of this name. By its plain name, nobody gets around it. */
export function contractOf ({ contracts }: Route, room: string | Room): RoomContract | undefined {
  return isRoom(room) ? room.contract : contracts.find(contract => matches(contract, room))
}

/**
 * Whether a user may be in a room, by the route, the room's contract or the plugin.
 * @throws FST_ROOMS_FORBIDDEN, what the hook throws
 */
export async function authorize (route: Route, contract: RoomContract | undefined, entry: Entry): Promise<void> {
  const hook = policyOf(route, contract, 'authorize')
  if (hook !== undefined && await hook(entry) !== true) throw new errors.FST_ROOMS_FORBIDDEN()
}

/** The nearest word counts: that of the route, of the room's contract, of the plugin. */
export function policyOf<Name extends keyof Own> (route: Route, contract: RoomContract | undefined, name: Name): Own[Name] {
  return route.own[name] ?? contract?.definition[name] ?? route[name]
}
