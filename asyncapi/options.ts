import { Type } from '@sinclair/typebox'
import { Value, ValueErrorType } from '@sinclair/typebox/value'
import type { FastifySchema, onRequestHookHandler, preHandlerHookHandler, RouteOptions } from 'fastify'
import { invalid } from '../lib/options.js'

/** What the application says of itself: the Info Object of AsyncAPI 3. */
export interface AsyncapiInfo {
  readonly title: string
  /** Of the application's API. */
  readonly version: string
  readonly description?: string
  readonly termsOfService?: string
  readonly contact?: { readonly name?: string, readonly url?: string, readonly email?: string }
  readonly license?: { readonly name: string, readonly url?: string }
  readonly tags?: ReadonlyArray<{ readonly name: string, readonly description?: string }>
  readonly externalDocs?: { readonly url: string, readonly description?: string }
  readonly [extension: `x-${string}`]: unknown
}

/** Where the application is reached: the Server Object of AsyncAPI 3. */
export interface AsyncapiServer {
  /** With the port, if it is not the protocol's own. */
  readonly host: string
  readonly protocol: 'ws' | 'wss'
  /** What comes before the addresses of all channels, where a proxy takes it away. */
  readonly pathname?: string
  readonly title?: string
  readonly summary?: string
  readonly description?: string
  readonly [more: string]: unknown
}

/** An AsyncAPI document. */
export interface AsyncapiDocument {
  readonly asyncapi: string
  readonly id?: string
  readonly info: AsyncapiInfo
  readonly servers?: Readonly<Record<string, AsyncapiServer>>
  readonly defaultContentType?: string
  readonly channels: Readonly<Record<string, unknown>>
  readonly operations: Readonly<Record<string, unknown>>
  readonly components: { readonly schemas?: Readonly<Record<string, unknown>>, readonly [kind: string]: unknown }
  readonly [extension: `x-${string}`]: unknown
}

/**
 * Makes a JSON schema of a schema of another kind. It is what the option of the same name is for @fastify/swagger, so
 * that of a type provider will do for both. Called once for each schema, in the place in which a route has it: `params`,
 * `querystring`, `headers`, `body` for what a client sends, `response[200]` for what it is sent.
 */
export type Transform = (given: { schema: FastifySchema, url: string, route: RouteOptions, openapiObject: { openapi: string } }) => { schema: FastifySchema }

export interface AsyncapiOptions {
  /** What goes into the document as it is. */
  asyncapi: {
    readonly info: AsyncapiInfo
    /** By name. @default none: readers have to know where the application is */
    readonly servers?: Readonly<Record<string, AsyncapiServer>> | undefined
    readonly id?: string | undefined
    /** The application's own, beside those of its schemas; `securitySchemes.token` takes the place of ours. */
    readonly components?: Readonly<Record<string, Readonly<Record<string, unknown>>>> | undefined
  }
  /** Where the page is, and below it the document as `/json` and `/yaml`; `false` for no routes. @default '/asyncapi' */
  routePrefix?: string | false | undefined
  /** @default schemas are JSON schemas already */
  transform?: Transform | undefined
  /** Has the last word on the document. */
  transformObject?: ((given: { asyncapiObject: AsyncapiDocument }) => AsyncapiDocument) | undefined
  /** For the React component: what it shows and expands. @default everything, with a sidebar */
  uiConfig?: Readonly<Record<string, unknown>> | undefined
  /** Hooks of all these routes, such as one that asks for a password. */
  uiHooks?: { onRequest?: onRequestHookHandler | undefined, preHandler?: preHandlerHookHandler | undefined } | undefined
  /** The content security policy of the page: `true` for the strictest that it works with, a text for another, `false` for none. @default true */
  staticCSP?: boolean | string | undefined
  /** The folder of @asyncapi/react-component. @default where Node finds it */
  baseDir?: string | undefined
}

const aFunction = Type.Optional(Type.Function([], Type.Unknown(), { must: 'be a function' }))
const anObject = Type.Optional(Type.Object({}, { must: 'be an object' }))

const SCHEMA = Type.Object({
  asyncapi: Type.Object({
    info: Type.Object({ title: Type.String({ must: 'be a text' }), version: Type.String({ must: 'be a text' }) }, { must: 'be { title, version }' }),
    servers: anObject,
    id: Type.Optional(Type.String({ must: 'be a URI' })),
    components: anObject
  }, { additionalProperties: false, must: 'be { info, servers }: see docs/asyncapi.md' }),
  routePrefix: Type.Optional(Type.Union([Type.Literal(false), Type.String({ pattern: '^/[^?#]*[^/?#]$' })], { must: 'be false, or a path that begins with a slash and does not end with one' })),
  transform: aFunction,
  transformObject: aFunction,
  uiConfig: anObject,
  uiHooks: anObject,
  staticCSP: Type.Optional(Type.Union([Type.Boolean(), Type.String()], { must: 'be true, false, or a policy' })),
  baseDir: Type.Optional(Type.String({ must: 'be a folder' }))
}, { additionalProperties: false })

/** @throws FST_ROOMS_INVALID_OPTION */
export function checkOptions (given: AsyncapiOptions): AsyncapiOptions {
  const options = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  const error = Value.Errors(SCHEMA, options).First()
  if (error === undefined) return options as unknown as AsyncapiOptions
  const name = error.path.slice(1).replaceAll('/', '.')
  invalid(name, error.type === ValueErrorType.ObjectAdditionalProperties ? 'is not known; see docs/asyncapi.md' : `must ${(error.schema as { must?: string }).must}`)
}
