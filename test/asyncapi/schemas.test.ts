import { Type } from '@sinclair/typebox'
import { createJsonSchemaTransform, jsonSchemaTransform, serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import t from 'tap'
import type { Test } from 'tap'
import { Type as TypeBox } from 'typebox'
import { z } from 'zod'
import { exampleOf } from '../../asyncapi/example.js'
import { defineRoom, withTypeProvider } from '../../index.js'
import type { AsyncapiOptions } from '../../asyncapi/index.js'
import type { JsonSchemaToTsProvider } from '@fastify/type-provider-json-schema-to-ts'
import { describe, describeStands, diagnosticsOf, INFO } from './app.js'

type Schemas = Record<string, Record<string, unknown>>

/** The components of an application with one room, whose message has this schema. */
async function componentsOf (t: Test, schema: object, shared: object[] = [], options: Partial<AsyncapiOptions> = {}): Promise<Schemas> {
  const app = await describe(t, app => {
    for (const one of shared) app.addSchema(one)
    app.get('/ws', { websocket: true }, app.manageWebsocket(defineRoom('room', { messages: { MESSAGE: schema } })))
  }, options)
  t.strictSame(await diagnosticsOf(app.asyncapi()), [])
  return app.asyncapi().components.schemas as Schemas
}

t.test('what addSchema has added becomes a component where it is referred to, and only there', async t => {
  const schemas = await componentsOf(t, { type: 'object', properties: { student: { $ref: 'student#' }, city: { $ref: 'student#/properties/city' } } }, [
    { $id: 'student', type: 'object', properties: { school: { $ref: 'school' }, city: { type: 'string' } } },
    { $id: 'school', type: 'object', properties: { students: { type: 'array', items: { $ref: 'student#' } } } },
    { $id: 'other', type: 'string' }
  ])
  t.strictSame(Object.keys(schemas).sort(), ['room.MESSAGE', 'school', 'student'])
  t.strictSame(schemas['room.MESSAGE']?.properties, { student: { $ref: '#/components/schemas/student' }, city: { $ref: '#/components/schemas/student/properties/city' } })
  t.strictSame(schemas.school?.properties, { students: { type: 'array', items: { $ref: '#/components/schemas/student' } } })
  t.notOk(schemas.student?.$id)
})

t.test('references within a schema, by pointer and by name, lead to where it now is', async t => {
  const data = {
    $id: 'http://example.com/tree.json',
    type: 'object',
    definitions: { 'a/b': { type: 'string' }, leaf: { $id: '#leaf', type: 'integer' }, bark: { $anchor: 'bark', type: 'string' }, twig: { $id: 'twig.json', type: 'object', properties: { leaf: { $ref: 'tree.json#leaf' } } } },
    properties: {
      left: { $ref: '#' },
      name: { $ref: '#/definitions/a~1b' },
      leaf: { $ref: '#leaf' },
      bark: { $ref: '#bark' },
      twig: { $ref: 'http://example.com/twig.json' },
      given: { type: 'object', default: { $id: 'kept' } }
    }
  }
  const contract = defineRoom('room', { messages: { MESSAGE: {} }, commands: { ASK: { data } } })
  const app = await describe(t, app => { app.get('/ws', { websocket: true }, app.manageWebsocket(contract, { commands: { ASK: () => {} } })) })
  t.strictSame(await diagnosticsOf(app.asyncapi()), [])
  const at = '#/components/schemas/room.ASK'
  t.match((app.asyncapi().components.schemas as Schemas)['room.ASK']?.properties, {
    left: { $ref: at },
    name: { $ref: `${at}/definitions/a~1b` },
    leaf: { $ref: `${at}/definitions/leaf` },
    bark: { $ref: `${at}/definitions/bark` },
    twig: { $ref: `${at}/definitions/twig` },
    given: { default: { $id: 'kept' } }
  })
})

t.test('recursive schemas of TypeBox are circles in the document', async t => {
  const schemas = await componentsOf(t, Type.Recursive(This => Type.Object({ id: Type.String(), nodes: Type.Array(This) })))
  t.match(schemas['room.MESSAGE'], { properties: { nodes: { items: { $ref: '#/components/schemas/room.MESSAGE' } } } })
})

t.test('children may have different schemas of one name', async t => {
  const contract = (pattern: string) => defineRoom(pattern, { messages: { MESSAGE: Type.Null() }, commands: { ASK: { data: { $ref: 'desk#' } } } })
  const app = await describe(t, app => {
    for (const type of ['integer', 'string']) {
      app.register(async child => {
        child.addSchema({ $id: 'desk', type })
        child.get(`/${type}`, { websocket: true }, child.manageWebsocket(contract(type), { commands: { ASK: () => {} } }))
      })
    }
  })
  const schemas = app.asyncapi().components.schemas as Schemas
  t.strictSame(['integer.ASK', 'string.ASK', 'desk', 'desk-2'].map(name => schemas[name]), [
    { $ref: '#/components/schemas/desk' }, { $ref: '#/components/schemas/desk-2' }, { type: 'integer' }, { type: 'string' }
  ])
  t.strictSame(await diagnosticsOf(app.asyncapi()), [])
})

t.test('a reference that leads nowhere stops the boot, and is named', async t => {
  const contract = defineRoom('room', { messages: { MESSAGE: {} }, commands: { ASK: { data: { $ref: 'nobody#' } }, NAME: { data: { $ref: 'desk#leg' } } } })
  await t.rejects(describe(t, app => {
    app.get('/ws', { websocket: true }, app.manageWebsocket(contract, { commands: { ASK: () => {}, NAME: () => {} } }))
  }), { code: 'FST_ROOMS_ASYNCAPI_SCHEMA', message: /ASK of 'room' cannot be described: nothing is known of its \$ref 'nobody#'/ })
})

t.test('schemas of every kind of JSON schema are taken as they are', async t => {
  const { defineRoom: define } = withTypeProvider<JsonSchemaToTsProvider>()
  const json = define('json', { messages: { MESSAGE: { type: 'object', properties: { id: { type: ['string', 'null'] } }, required: ['id'], additionalProperties: false } } })
  const typebox = defineRoom('typebox', { messages: { MESSAGE: TypeBox.Object({ id: TypeBox.Union([TypeBox.Literal('a'), TypeBox.Literal('b')]) }), ANY: {} } })
  const app = await describe(t, app => {
    app.get('/json', { websocket: true }, app.manageWebsocket(json))
    app.get('/typebox', { websocket: true }, app.manageWebsocket(typebox))
  })
  t.match(app.asyncapi().components.schemas, { 'json.MESSAGE': json.definition.messages.MESSAGE, 'typebox.MESSAGE': { type: 'object', properties: { id: { anyOf: [{ const: 'a' }, { const: 'b' }] } } } })
  t.strictSame(await diagnosticsOf(app.asyncapi()), [])
})

const zodRoom = defineRoom('zod/:id', {
  params: z.object({ id: z.string().meta({ description: 'Which one.' }) }),
  messages: { UPDATE: z.object({ id: z.string(), tags: z.array(z.string()), at: z.nullable(z.iso.datetime()) }) },
  commands: { CALL: { data: z.object({ desk: z.number().int().positive(), note: z.string().default('') }), reply: z.object({ ticket: z.number() }) } }
})

function describeZod (t: Test, options: Partial<AsyncapiOptions>, contract = zodRoom) {
  return describe(t, app => {
    app.setValidatorCompiler(validatorCompiler)
    app.setSerializerCompiler(serializerCompiler)
    app.get('/zod/:id', { websocket: true }, app.manageWebsocket(contract, { commands: { CALL: () => ({ ticket: 1 }) } }))
  }, options)
}

t.test('schemas of zod are made JSON schemas by what its provider has for @fastify/swagger', async t => {
  const document = (await describeZod(t, { transform: jsonSchemaTransform })).asyncapi()
  t.match(document.components.schemas, {
    'zod.id.UPDATE': { type: 'object', properties: { tags: { type: 'array', items: { type: 'string' } } }, required: ['id', 'tags', 'at'] },
    'zod.id.CALL': { properties: { desk: { type: 'integer' } }, required: ['desk'] },
    'zod.id.CALL.reply': { properties: { ticket: { type: 'number' } } }
  })
  t.match(document.channels, { 'zod.id': { parameters: { id: { description: 'Which one.' } } } })
  t.strictSame(await diagnosticsOf(document), [])
})

t.test('schemas of zod that have a name are found among the components that the application gives', async t => {
  const registry = z.registry<{ id: string }>()
  const ticket = z.object({ number: z.number() }).register(registry, { id: 'Ticket' })
  const contract = defineRoom('zod/:id', { messages: { UPDATE: z.object({ ticket }) }, commands: { CALL: { reply: z.object({ ticket: z.number() }) } } })
  const transform = createJsonSchemaTransform({ schemaRegistry: registry })
  const { schemas } = z.toJSONSchema(registry)
  const document = (await describeZod(t, { transform, asyncapi: { info: INFO, components: { schemas } } }, contract as never)).asyncapi()
  t.match(document.components.schemas, { Ticket: { type: 'object' }, 'zod.id.UPDATE': { properties: { ticket: { $ref: '#/components/schemas/Ticket' } } } })
})

t.test('a schema that is no JSON schema stops the boot, which says what is missing', async t => {
  await t.rejects(describeZod(t, {}), { code: 'FST_ROOMS_ASYNCAPI_SCHEMA', message: /the parameters of '\/zod\/:id' cannot be described: it is no JSON schema\. Give .* `transform`/ })
})

t.test('a schema is never changed', async t => {
  const schema = { $id: 'MESSAGE', type: 'object', properties: { id: { $ref: 'id#' } } }
  const before = structuredClone(schema)
  await componentsOf(t, schema, [{ $id: 'id', type: 'string' }])
  t.strictSame(schema, before)
  await describeStands(t)
})

t.test('examples are those of the schema, or the least that it asks for', async t => {
  const of = (schema: unknown) => exampleOf(schema, () => ({ type: 'integer' }))
  const cases: Array<[schema: unknown, example: unknown]> = [
    [true, {}], [{}, {}], [{ $ref: '#/x' }, 0],
    [{ type: 'string', examples: ['Ada'] }, 'Ada'], [{ type: 'string', examples: [] }, 'text'],
    [{ default: 7 }, 7], [{ const: null }, null], [{ enum: ['a', 'b'] }, 'a'],
    [{ type: 'null' }, null], [{ type: 'boolean' }, true], [{ type: ['null', 'boolean'] }, true],
    [{ type: 'integer' }, 0], [{ type: 'integer', minimum: 5 }, 5], [{ type: 'integer', exclusiveMinimum: 5 }, 6],
    [{ type: 'number', maximum: -3 }, -3], [{ type: 'integer', exclusiveMaximum: -3 }, -4], [{ type: 'number', minimum: 0.5, maximum: 2 }, 1],
    [{ type: 'string', minLength: 6 }, 'text..'], [{ type: 'string', maxLength: 2 }, 'te'], [{ type: 'string', format: 'date' }, '2026-01-31'],
    [{ type: 'array', items: { type: 'null' } }, [null]], [{ type: 'array', items: { type: 'null' }, minItems: 2, maxItems: 3 }, [null, null]],
    [{ type: 'array', items: { type: 'null' }, maxItems: 0 }, []], [{ type: 'array', items: { not: {} } }, []], [{ type: 'array' }, [{}]],
    [{ properties: { a: { type: 'null' }, b: { pattern: 'x' } } }, { a: null }],
    [{ type: 'object', properties: { $ref: { type: 'null' } } }, {}],
    [{ type: 'object', required: ['c'] }, { c: {} }], [{ type: 'object' }, {}],
    [{ anyOf: [{ pattern: 'x' }, { const: 'y' }] }, 'y']
  ]
  for (const [schema, example] of cases) t.strictSame(of(schema), example, JSON.stringify(schema))
})

t.test('where no example is certain, there is none', async t => {
  const circle = { type: 'object', properties: { next: { $ref: '#' } }, required: ['next'] }
  t.equal(exampleOf(circle, () => circle), undefined)
  const end = { type: 'object', properties: { next: { $ref: '#' } } }
  t.match(exampleOf(end, () => end), { next: {} }, 'a circle that may end does')
  for (const schema of [
    false, 7, undefined, { type: 'date' }, { oneOf: [{}] }, { type: 'string', pattern: '^x' }, { type: 'string', format: 'colour' },
    { type: 'string', format: 'date', maxLength: 3 }, { type: 'integer', minimum: 2, maximum: 1 }, { type: 'integer', minimum: 2, exclusiveMaximum: 2 },
    { anyOf: [{ const: 1 }], type: 'string' }, { type: 'array', items: [{}] }, { type: 'array', items: { not: {} }, minItems: 1 },
    { type: 'object', properties: { a: { not: {} } }, required: ['a'] }
  ]) t.equal(exampleOf(schema, () => undefined), undefined, JSON.stringify(schema))
  const code = Type.String({ pattern: '^x' })
  const odd = defineRoom('odd', { messages: { CODE: code }, commands: { ASK: { data: code, reply: code } } })
  const app = await describe(t, app => { app.get('/ws', { websocket: true }, app.manageWebsocket(odd, { commands: { ASK: () => 'x' } })) })
  const { messages } = app.asyncapi().channels.ws as { messages: Record<string, { examples?: unknown }> }
  for (const name of ['CODE', 'ASK', 'ASK.reply']) t.equal(messages[name]?.examples, undefined, name)
  t.strictSame(await diagnosticsOf(app.asyncapi()), [])
})
