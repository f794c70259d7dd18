import type { FastifyInstance } from 'fastify'
import { errors } from '../lib/errors.js'
import { Names } from './names.js'

export type JsonSchema = Record<string, unknown>
export interface Ref { readonly $ref: string }

/** Names are relative to something: this stands for the application, and is seen by nobody. */
const APPLICATION = 'http://application.invalid/'
const COMPONENTS = '#/components/schemas/'

/** Keywords with schemas by name, and those whose values are data, in which `$ref` means nothing. */
const BY_NAME: ReadonlySet<string> = new Set(['properties', 'patternProperties', 'definitions', '$defs', 'dependentSchemas'])
const DATA: ReadonlySet<string> = new Set(['const', 'enum', 'default', 'examples', 'required'])

/** A schema that has become a component, and where in the document what it calls by name is. */
interface Component {
  readonly uri: string
  readonly pointers: Map<string, string>
}

/**
 * The schemas of the document. A `$ref` means what it means to Fastify: something of the same schema, or one that
 * `addSchema` has added; those that are needed become components too.
 */
export class Schemas {
  readonly components: Record<string, unknown>
  readonly #names: Names
  readonly #shared = new Map<string, Component>()
  #anonymous = 0

  /** @param given components that the application has written itself */
  constructor (given: Readonly<Record<string, unknown>> = {}) {
    this.components = { ...given }
    this.#names = new Names(Object.keys(given))
  }

  /**
   * @param instance whose `addSchema` counts
   * @param what it is, for people
   * @throws FST_ROOMS_ASYNCAPI_SCHEMA
   */
  add (schema: unknown, instance: FastifyInstance, what: string, ...name: string[]): Ref {
    const key = this.#names.take(...name)
    this.#insert(key, json(schema, what), instance, what)
    return { $ref: COMPONENTS + key }
  }

  /** The same, for what is no component: it stands where it is used. */
  inline (schema: unknown, instance: FastifyInstance, what: string): unknown {
    const key = this.#names.take('inline')
    this.#insert(key, json(schema, what), instance, what)
    const { [key]: inlined } = this.components
    delete this.components[key]
    return inlined
  }

  lookup = (ref: string): unknown => {
    let found: unknown = { components: { schemas: this.components } }
    for (const part of ref.slice(2).split('/')) found = (found as JsonSchema | undefined)?.[decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')]
    return found
  }

  #insert (key: string, schema: unknown, instance: FastifyInstance, what: string): Component {
    const component = { uri: `${APPLICATION}-${++this.#anonymous}`, pointers: new Map<string, string>() }
    const refs: Array<{ schema: JsonSchema, base: string }> = []
    component.pointers.set(component.uri, COMPONENTS + key)
    collect(schema, component.uri, COMPONENTS + key, component.pointers, refs)
    this.components[key] = schema
    for (const { schema, base } of refs) schema.$ref = this.#resolve(schema.$ref as string, base, component, instance, what)
    return component
  }

  #resolve (ref: string, base: string, own: Component, instance: FastifyInstance, what: string): string {
    const [document = '', fragment = ''] = ref.split('#', 2)
    const uri = new URL(document, base).href
    // Not of Fastify's, but what `transform` may make of schemas that have a name.
    if (ref.startsWith(COMPONENTS) && this.lookup(ref) !== undefined) return ref
    const pointer = pointerTo(own, uri, fragment) ?? pointerTo(this.#sharedBy(uri, instance, what), uri, fragment)
    if (pointer !== undefined) return pointer
    throw new errors.FST_ROOMS_ASYNCAPI_SCHEMA(what, `nothing is known of its $ref '${ref}'; add it with addSchema() where the route can see it`)
  }

  /** What `addSchema` has added, once it is needed. Different children may have different ones of the same name. */
  #sharedBy (uri: string, instance: FastifyInstance, what: string): Component | undefined {
    const [id, found] = Object.entries(instance.getSchemas()).find(([id]) => new URL(id, APPLICATION).href === uri) ?? []
    if (id === undefined) return undefined
    const text = JSON.stringify(found)
    let component = this.#shared.get(text)
    if (component === undefined) {
      const [key, { pointers }] = [this.#names.take(id), component = { uri, pointers: new Map() }]
      // Before it is looked into: it may lead back to itself.
      this.#shared.set(text, component)
      pointers.set(uri, COMPONENTS + key)
      for (const [name, pointer] of this.#insert(key, JSON.parse(text), instance, `'${id}', which ${what} refers to`).pointers) pointers.set(name, pointer)
    }
    return component
  }
}

function pointerTo (component: Component | undefined, uri: string, fragment: string): string | undefined {
  if (fragment !== '' && !fragment.startsWith('/')) return component?.pointers.get(`${uri}#${fragment}`)
  const pointer = component?.pointers.get(uri)
  return pointer === undefined ? undefined : pointer + fragment
}

/** Takes the names out of a schema, which would mean something else where it is put, and finds its references. */
function collect (schema: unknown, base: string, pointer: string, pointers: Map<string, string>, refs: Array<{ schema: JsonSchema, base: string }>): void {
  if (Array.isArray(schema)) schema.forEach((inner, index) => collect(inner, base, `${pointer}/${index}`, pointers, refs))
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) return
  const own = schema as JsonSchema
  const { $id, $anchor, $ref } = own
  for (const name of ['$id', '$anchor', '$schema']) delete own[name]
  let scope = base
  if (typeof $id === 'string' && !$id.startsWith('#')) {
    scope = new URL($id.replace(/#$/, ''), base).href
    pointers.set(scope, pointer)
  }
  if (typeof $id === 'string' && $id.startsWith('#')) pointers.set(base + $id, pointer)
  if (typeof $anchor === 'string') pointers.set(`${scope}#${$anchor}`, pointer)
  if (typeof $ref === 'string') refs.push({ schema: own, base: scope })
  for (const [keyword, value] of Object.entries(own)) {
    const at = `${pointer}/${escape(keyword)}`
    if (BY_NAME.has(keyword)) for (const [name, inner] of Object.entries(value as object)) collect(inner, scope, `${at}/${escape(name)}`, pointers, refs)
    else if (!DATA.has(keyword)) collect(value, scope, at, pointers, refs)
  }
}

function escape (key: string): string {
  return encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))
}

/** Schemas of TypeBox have more than JSON in them; those of zod and its like are none at all. */
function json (schema: unknown, what: string): unknown {
  const isJson = typeof schema === 'boolean' || (typeof schema === 'object' && schema !== null && !('~standard' in schema))
  if (!isJson) throw new errors.FST_ROOMS_ASYNCAPI_SCHEMA(what, 'it is no JSON schema. Give fastify-rooms/asyncapi the option `transform` of your type provider: see docs/asyncapi.md')
  return JSON.parse(JSON.stringify(schema))
}
