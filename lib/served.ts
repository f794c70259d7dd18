import type { FastifyInstance, RouteOptions } from 'fastify'
import type { HistoryBounds, RoomContract, RoomSource } from '../types/index.js'
import type { Route } from './policy.js'

/** A route that leads to rooms, for those who describe it: fastify-rooms/asyncapi does. */
export interface Served {
  /** Fastify changes it in the options, where a prefix is a route itself. */
  readonly url: string
  readonly options: RouteOptions
  /** Of the route; it knows the schemas that are there. */
  readonly instance: FastifyInstance
  readonly route: Route
  /** What `manageWebsocket` was given. */
  readonly rooms: readonly RoomSource[]
  /** All that say what goes over its sockets. */
  readonly contracts: readonly RoomContract[]
  /** Whether messages say which room they were sent to. */
  readonly several: boolean
  /** What the rooms of this name, or pattern, keep. */
  readonly history: (name: string) => HistoryBounds | undefined
}

/** By the server, which all instances of an application share. */
const served = new WeakMap<object, Served[]>()

export function servedBy ({ server }: FastifyInstance): Served[] {
  const routes = served.get(server) ?? []
  served.set(server, routes)
  return routes
}
