import createError from '@fastify/error'
import { InvalidContract, InvalidRoom } from './naming-errors.js'

/**
 * Every error of fastify-rooms. The codes are part of the API; each message says what to do.
 * Boot errors stop the application from starting; the others reject a call or end one socket.
 */
export const errors = {
  // Boot: something in the code or its configuration must change.
  FST_ROOMS_INVALID_OPTION: createError(
    'FST_ROOMS_INVALID_OPTION',
    "fastify-rooms: option '%s' %s", 500, TypeError
  ),
  FST_ROOMS_REGISTER_FIRST: createError(
    'FST_ROOMS_REGISTER_FIRST',
    "fastify-rooms registers @fastify/websocket itself, so that its limits and its shutdown come first. Remove your registration of @fastify/websocket and pass its options as fastifyRooms' `websocket` option."
  ),
  FST_ROOMS_ALREADY_REGISTERED: createError(
    'FST_ROOMS_ALREADY_REGISTERED',
    '`%s` is there already. Register fastify-rooms once for each application, at the root.'
  ),
  FST_ROOMS_NOT_WEBSOCKET: createError(
    'FST_ROOMS_NOT_WEBSOCKET',
    "The route '%s' uses manageWebsocket() but is not a WebSocket route. Add `{ websocket: true }` to its options."
  ),
  FST_ROOMS_NO_JWT: createError(
    'FST_ROOMS_NO_JWT',
    "The route '%s' checks tokens with request.jwtVerify(), which does not exist. Register @fastify/jwt, or pass an `authenticate` hook of your own, or `authenticate: false` for a room that is open to all."
  ),

  FST_ROOMS_NO_USER: createError(
    'FST_ROOMS_NO_USER',
    "The route '%s' wants to know its users from the upgrade, and nothing can tell it: there is no request.jwtVerify() and no `request.user`. Register @fastify/jwt, or have a hook set `request.user`, and decorate requests with it: `app.decorateRequest('user', null)`."
  ),
  FST_ROOMS_NO_ORIGINS: createError(
    'FST_ROOMS_NO_ORIGINS',
    "The route '%s' wants to know its users from the upgrade, and the application has cookies, which browsers send along whosever page opens the socket. Say whose may, by the option `origins` of the route or of the plugin, such as `origins: ['https://app.example']`."
  ),

  FST_ROOMS_INVALID_CONTRACT: InvalidContract,

  // fastify-rooms/asyncapi: the document cannot be made, or not in this form.
  FST_ROOMS_ASYNCAPI_SCHEMA: createError(
    'FST_ROOMS_ASYNCAPI_SCHEMA',
    'The schema of %s cannot be described: %s.', 500, TypeError
  ),
  FST_ROOMS_ASYNCAPI_NOT_READY: createError(
    'FST_ROOMS_ASYNCAPI_NOT_READY',
    'app.asyncapi() was called before the application is ready, and routes may still be missing. Call it after `await app.ready()`.'
  ),
  FST_ROOMS_ASYNCAPI_NO_YAML: createError(
    'FST_ROOMS_ASYNCAPI_NO_YAML',
    'YAML is written by the package yaml, which is not installed. Run `npm install yaml`.', 501
  ),

  // Sending: the call that made the mistake, or met the fault, is rejected.
  FST_ROOMS_INVALID_ROOM: InvalidRoom,
  FST_ROOMS_INVALID_MESSAGE: createError(
    'FST_ROOMS_INVALID_MESSAGE',
    'A message is { command, data }: %s', 500, TypeError
  ),
  FST_ROOMS_MESSAGE_TOO_LARGE: createError(
    'FST_ROOMS_MESSAGE_TOO_LARGE',
    'The message is %s bytes long, more than `maxMessage` (%s). Send a reference that clients can fetch, or raise the option.', 500, RangeError
  ),
  FST_ROOMS_BROKER_UNAVAILABLE: createError(
    'FST_ROOMS_BROKER_UNAVAILABLE',
    'The broker cannot be reached, or refuses: nothing was sent or counted. Try again later.', 503
  ),
  FST_ROOMS_SEND_UNKNOWN: createError(
    'FST_ROOMS_SEND_UNKNOWN',
    'The broker did not confirm message %s; it may still arrive. Send again only what members can bear to see twice.', 503
  ),

  FST_ROOMS_NO_HISTORY: createError(
    'FST_ROOMS_NO_HISTORY',
    "The room '%s' keeps no history. Give its route, or the plugin, the option `history`.", 500
  ),

  // Before the upgrade: the answer to the request.
  FST_ROOMS_OVERLOADED: createError(
    'FST_ROOMS_OVERLOADED',
    'No more sockets can be taken at the moment. Come back after as many seconds as Retry-After says.', 503
  ),
  FST_ROOMS_ORIGIN: createError(
    'FST_ROOMS_ORIGIN',
    'Pages of this origin may not open a socket here; and a request that brings cookies must say its origin.', 403
  ),
  FST_ROOMS_INVALID_TOKEN: createError(
    'FST_ROOMS_INVALID_TOKEN',
    'A good token is wanted with the upgrade. Offer the subprotocols `rooms.v1` and `bearer.<token>`, or send it in the header `authorization`.', 401
  ),
  FST_ROOMS_NOT_CHECKED: createError(
    'FST_ROOMS_NOT_CHECKED',
    'The token cannot be checked at the moment. Come back after as many seconds as Retry-After says.', 503
  ),

  // Entering: what a hook said, or failed to say, about one socket.
  FST_ROOMS_UNAUTHENTICATED: createError(
    'FST_ROOMS_UNAUTHENTICATED',
    'The `authenticate` hook refused the socket: it sent a reply, or set a status and failed.', 401
  ),
  FST_ROOMS_FORBIDDEN: createError(
    'FST_ROOMS_FORBIDDEN',
    '`authorize` did not return true, so the user may not enter the room.', 403
  ),
  FST_ROOMS_ONE_ROOM: createError(
    'FST_ROOMS_ONE_ROOM',
    "The socket's route leads to one room, and nothing tells its client of which room a frame is. Give manageWebsocket() an array: `manageWebsocket([room])`.", 500
  ),
  FST_ROOMS_TOO_MANY_ROOMS: createError(
    'FST_ROOMS_TOO_MANY_ROOMS',
    'A socket can be in no more than %s rooms. Leave one first.', 429
  ),
  FST_ROOMS_SYNC_HOOK: createError(
    'FST_ROOMS_SYNC_HOOK',
    'The `authenticate` hook returned without a promise and takes no `done`, so nobody can know what it decided. Make it async, or call done() as its third argument.'
  ),
  FST_ROOMS_ASYNC_SCHEMA: createError(
    'FST_ROOMS_ASYNC_SCHEMA',
    'A schema of a contract was checked by something that answers with a promise, and what passes it has to be known at once. Leave `$async` out of it, or give the application a validator compiler that answers at once.'
  ),
  FST_ROOMS_HOOK_TIMEOUT: createError(
    'FST_ROOMS_HOOK_TIMEOUT',
    '`authenticate`, the room function and `authorize` together took longer than `authTimeout` (%s ms).', 503
  ),

  FST_ROOMS_HISTORY_UNAVAILABLE: createError(
    'FST_ROOMS_HISTORY_UNAVAILABLE',
    'The history of the room cannot be read, so nobody can be let in: what a member misses could not be told. Clients come again with back-off.', 503
  ),
  FST_ROOMS_OTHER_CODEC: createError(
    'FST_ROOMS_OTHER_CODEC',
    "The room '%s' has another codec than the route that leads to it. Lead to it by its contract or by its name, or give the codec to the plugin."
  ),
  FST_ROOMS_SNAPSHOT_TIMEOUT: createError(
    'FST_ROOMS_SNAPSHOT_TIMEOUT',
    '`snapshot` took longer than `snapshotTimeout` (%s ms).', 503
  ),
  FST_ROOMS_SNAPSHOT_TOO_LARGE: createError(
    'FST_ROOMS_SNAPSHOT_TOO_LARGE',
    'The snapshot is %s bytes long, more than `maxSnapshot` (%s). Return less, and let clients fetch the rest, or raise the option.', 500, RangeError
  ),

  FST_ROOMS_OLD_TOKEN: createError(
    'FST_ROOMS_OLD_TOKEN',
    'The token was issued before its user was disconnected. Sign in again.', 401
  ),
  FST_ROOMS_REVOKED: createError(
    'FST_ROOMS_REVOKED',
    'Access to the room was taken away from tokens as old as this one.', 403
  ),
  FST_ROOMS_OTHER_USER: createError(
    'FST_ROOMS_OTHER_USER',
    'A new token on an open socket must be of the same user. Open another socket for another user.', 403
  ),
  FST_ROOMS_NO_USER_ID: createError(
    'FST_ROOMS_NO_USER_ID',
    '`userId` gives nothing for this user, so nobody can know whether a new token is of the same one. Have the option `userId` return what names a user.', 500
  ),
  FST_ROOMS_INVALID_TIME: createError(
    'FST_ROOMS_INVALID_TIME',
    'The `%s` hook must return seconds since 1970 as a number, or nothing, and returned a %s that is none.', 500, TypeError
  ),

  // Taking access away: the call that made the mistake is rejected.
  FST_ROOMS_INVALID_USER: createError(
    'FST_ROOMS_INVALID_USER',
    'The name of a user is what the hook `userId` returns: a number, or a string of 1 to %s characters.', 500, TypeError
  ),
  FST_ROOMS_INVALID_LIFETIME: createError(
    'FST_ROOMS_INVALID_LIFETIME',
    '`lifetime` must be a whole number of milliseconds, from 1 to 2147483647: longer than a token lives.', 500, RangeError
  ),
  FST_ROOMS_NO_RECORDS: createError(
    'FST_ROOMS_NO_RECORDS',
    'This broker keeps no records, so access that is taken away could come back. Give it `records`: see docs/brokers.md.', 500
  ),
  FST_ROOMS_TOO_MANY_REVOCATIONS: createError(
    'FST_ROOMS_TOO_MANY_REVOCATIONS',
    'More than %s revocations are in force. Give them a shorter `lifetime`, no longer than tokens live.', 503
  ),

  // Frames of clients: told to the client as a WSError.
  FST_ROOMS_UNKNOWN_COMMAND: createError(
    'FST_ROOMS_UNKNOWN_COMMAND',
    'This room has no command %s.', 400
  ),
  FST_ROOMS_INVALID_COMMAND: createError(
    'FST_ROOMS_INVALID_COMMAND',
    'The command cannot be carried out: %s.', 400
  ),
  FST_ROOMS_NOT_IN_ROOM: createError(
    'FST_ROOMS_NOT_IN_ROOM',
    'You are not in the room %s.', 403
  ),
  FST_ROOMS_TOO_MANY_COMMANDS: createError(
    'FST_ROOMS_TOO_MANY_COMMANDS',
    'More than %s commands, or more than %s bytes of them, would wait for their turn. Wait for replies before you send more.', 429
  ),
  FST_ROOMS_COMMAND_TIMEOUT: createError(
    'FST_ROOMS_COMMAND_TIMEOUT',
    'The command took longer than %s ms. Nobody knows what has become of it.', 503
  ),
  FST_ROOMS_COMMAND_FAILED: createError(
    'FST_ROOMS_COMMAND_FAILED',
    'The command failed.', 500
  ),
  FST_ROOMS_REFRESHING: createError(
    'FST_ROOMS_REFRESHING',
    'Another token is being checked. Wait for its answer.', 429
  ),
  FST_ROOMS_REFRESH_FAILED: createError(
    'FST_ROOMS_REFRESH_FAILED',
    'The token could not be checked now, and the one before still counts. Send it again later.', 503
  ),
  FST_ROOMS_NO_COMMANDS: createError(
    'FST_ROOMS_NO_COMMANDS',
    'This room takes no commands.', 400
  )
} as const

export type RoomsErrorCode = keyof typeof errors

/** Whether `error` is ours and has this code; by code, so that it holds across copies of the package. */
export function isError (error: unknown, code: RoomsErrorCode): boolean {
  return error instanceof Error && (error as { code?: unknown }).code === code
}
