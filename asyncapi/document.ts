import type { FastifyInstance } from 'fastify'
import { servedBy } from '../lib/served.js'
import type { Served } from '../lib/served.js'
import { Channel, schemeOf } from './channel.js'
import type { Describing } from './channel.js'
import { CLOSES, closesTable } from './closes.js'
import { Names } from './names.js'
import type { AsyncapiDocument, AsyncapiOptions } from './options.js'
import { Schemas } from './schemas.js'

const VERSION = '3.1.0'

/** AsyncAPI knows nothing of a token in a frame. This comes nearest, and its description says what is different. */
const TOKEN_SCHEME = {
  type: 'http',
  scheme: 'bearer',
  description: 'The token is **not sent in a header**: it is the first frame of the socket, `{"token":"…"}`, without `Bearer`. What is done with it is what would be done with the same token in an `Authorization` header.'
}

const UPGRADE_SCHEME = {
  type: 'http',
  scheme: 'bearer',
  description: 'The token comes with the upgrade: in the `Authorization` header, or, from a browser, among the subprotocols, `[\'rooms.v1\', \'bearer.<token>\']`, of which `rooms.v1` is answered. The application may also take a cookie.'
}

const PROTOCOL = `## How it works

Connect to the address of a channel as a WebSocket. Every frame is a text frame that holds one JSON object. Unless the channel is
open to all, or the token comes with the upgrade, the first one is the client's token. Ignore commands, statuses and keys that you do not know: there may be more.

## How sockets end
`

/**
 * The document of all routes that lead to rooms, as they are now.
 * @throws FST_ROOMS_ASYNCAPI_SCHEMA
 */
export function documentOf (app: FastifyInstance, { asyncapi, transform, transformObject }: AsyncapiOptions): AsyncapiDocument {
  const { info, servers, id, components: { schemas: own, securitySchemes, ...components } = {} } = asyncapi
  const schemas = new Schemas(own)
  const into: Describing = {
    channels: {},
    operations: {},
    schemas,
    names: new Names(),
    operationNames: new Names(),
    transform,
    described: { params: new Map(), body: new Map(), response: new Map(), querystring: new Map(), headers: new Map() }
  }
  const routes = servedBy(app).filter(isDescribed)
  for (const served of routes) new Channel(served, into) // eslint-disable-line no-new
  const used = new Set(routes.map(schemeOf))
  const schemes = { ...used.has('token') && { token: TOKEN_SCHEME }, ...used.has('upgrade') && { upgrade: UPGRADE_SCHEME }, ...securitySchemes }

  const asyncapiObject: AsyncapiDocument = {
    asyncapi: VERSION,
    ...id !== undefined && { id },
    info: { ...info, description: [...info.description === undefined ? [] : [info.description], PROTOCOL + closesTable()].join('\n\n'), 'x-close-codes': CLOSES },
    ...servers !== undefined && { servers },
    defaultContentType: 'application/json',
    channels: into.channels,
    operations: into.operations,
    components: { ...components, schemas: schemas.components, ...Object.keys(schemes).length > 0 && { securitySchemes: schemes } }
  }
  return transformObject === undefined ? asyncapiObject : transformObject({ asyncapiObject })
}

/** Not the routes for HEAD that Fastify adds, and not those that do not want it. */
function isDescribed ({ options }: Served): boolean {
  const { config, method } = options as { config?: { asyncapi?: false }, method: unknown }
  return method !== 'HEAD' && config?.asyncapi !== false
}
