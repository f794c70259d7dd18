import type { JsonSchemaToTsProvider } from '@fastify/type-provider-json-schema-to-ts'
import type { FastifyBaseLogger, FastifyInstance, RawReplyDefaultExpression, RawRequestDefaultExpression, RawServerDefault } from 'fastify'
import type { EVENT, STUDENT } from './public/schemas.js'

/** What makes types of the schemas. Of types only: it need not be installed where the board runs. */
export type Schemas = JsonSchemaToTsProvider

/** An application whose routes have their types from their schemas. */
export type TypedApp = FastifyInstance<RawServerDefault, RawRequestDefaultExpression, RawReplyDefaultExpression, FastifyBaseLogger, Schemas>

type Of<S> = (Schemas & { schema: S })['validator']

export type Student = Of<typeof STUDENT>
export type Event = Of<typeof EVENT>
export type Changes = Partial<Pick<Student, 'registered' | 'paid' | 'teeShirt' | 'note'>>

declare module '@fastify/jwt' {
  interface FastifyJWT {
    payload: { sub: string, name: string, volunteer: boolean }
    user: { sub: string, name: string, volunteer: boolean, exp: number }
  }
}
