/// <reference types="@fastify/websocket" preserve="true" />
import type { WebsocketHandler } from '@fastify/websocket'
import type { RouteGenericInterface } from 'fastify'
import type { AnyContract, Room, RoomMessage } from './contract.js'
import type { Message, SendOptions } from './message.js'
import type { Rooms } from './rooms.js'
import type { ContractRouteOptions, ContractsIn, RoomOf, RoomRouteOptions, RoomSource, RoomsRouteOptions } from './route.js'

export type * from './codec.js'
export type * from './connection.js'
export type * from './contract.js'
export type * from './message.js'
export type * from './options.js'
export type * from './rooms.js'
export type * from './route.js'

declare module 'fastify' {
  interface FastifyInstance {
    ws: Rooms
    /**
     * The handler of a `{ websocket: true }` route: token as the first message, join, keep-alive, leave. Given an array, its
     * sockets may be in several rooms, and are told of each frame in which: see docs/rooms.md.
     * @throws FST_ROOMS_INVALID_ROOM, FST_ROOMS_INVALID_OPTION
     */
    manageWebsocket<const S extends readonly RoomSource[], const J extends readonly AnyContract[] = readonly never[]> (rooms: S, options?: RoomsRouteOptions<ContractsIn<S[number]>, J>): WebsocketHandler
    manageWebsocket<const C extends AnyContract> (room: C | Room<C>, options?: ContractRouteOptions<C>): WebsocketHandler
    // Three and no more: of a longer list, TypeScript tells only what the last one has against a call.
    manageWebsocket<R extends RouteGenericInterface = RouteGenericInterface> (room: RoomOf<R> | ReadonlyArray<RoomSource<R>>, options?: RoomRouteOptions<R>): WebsocketHandler
  }
  interface FastifyReply {
    /**
     * Held until the head of this reply is written with a status below 400, then sent; dropped otherwise. A failure is
     * logged and never fails the request. The message is encoded at once: later changes to `data` do not show.
     */
    sendToRoom<C> (room: Room<C>, message: RoomMessage<C>, options?: SendOptions): void
    sendToRoom (room: string, message: Message, options?: SendOptions): void
  }
}
