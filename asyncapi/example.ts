import type { JsonSchema } from './schemas.js'

/** With one of these, what fits cannot be told without trying. */
const UNCERTAIN = [
  'allOf', 'oneOf', 'not', 'if', 'pattern', 'multipleOf', 'contains', 'prefixItems', 'minProperties', 'propertyNames', 'dependencies',
  'dependentRequired', 'dependentSchemas', 'unevaluatedProperties', 'uniqueItems', 'contentEncoding'
]

const FORMATS: Readonly<Record<string, string>> = {
  'date-time': '2026-01-31T12:00:00Z',
  date: '2026-01-31',
  time: '12:00:00Z',
  email: 'ada@example.com',
  hostname: 'example.com',
  ipv4: '192.0.2.1',
  uri: 'https://example.com/',
  url: 'https://example.com/',
  uuid: '123e4567-e89b-42d3-a456-426614174000'
}

/** So deep do recursive schemas go before only what is required is shown, and before it is given up. */
const [SHOWN, DEEPEST] = [4, 16]

/**
 * Something that fits a schema: what the schema itself gives, or the least that it asks for.
 * @param lookup what a `$ref` leads to
 * @returns undefined where nothing fits for certain: a wrong example is worse than none
 */
export function exampleOf (schema: unknown, lookup: (ref: string) => unknown, depth = 0): unknown {
  if (schema === true) return {}
  if (typeof schema !== 'object' || schema === null || depth > DEEPEST) return undefined
  const { $ref, examples, enum: values, anyOf, ...rest } = schema as JsonSchema
  const down = (inner: unknown): unknown => exampleOf(inner, lookup, depth + 1)

  if (typeof $ref === 'string') return down(lookup($ref))
  if (Array.isArray(examples) && examples.length > 0) return examples[0]
  for (const given of ['default', 'const']) if (given in rest) return rest[given]
  if (Array.isArray(values)) return values[0]
  if (UNCERTAIN.some(keyword => keyword in rest)) return undefined
  if (Array.isArray(anyOf)) return ['type', 'properties', 'required'].some(keyword => keyword in rest) ? undefined : anyOf.map(down).find(example => example !== undefined)
  switch (typeOf(rest)) {
    case undefined: return {}
    case 'null': return null
    case 'boolean': return true
    case 'integer':
    case 'number': return numberOf(rest)
    case 'string': return stringOf(rest)
    case 'array': return arrayOf(rest, down)
    case 'object': return objectOf(rest, down, depth < SHOWN)
    default: return undefined
  }
}

function typeOf ({ type, properties }: JsonSchema): unknown {
  if (type === undefined && properties !== undefined) return 'object'
  return Array.isArray(type) ? type.find(type => type !== 'null') : type
}

function numberOf ({ minimum, exclusiveMinimum, maximum = Infinity, exclusiveMaximum = Infinity }: JsonSchema): number | undefined {
  const least = Math.ceil(Math.max(minimum as number ?? -Infinity, exclusiveMinimum === undefined ? -Infinity : Math.floor(exclusiveMinimum as number) + 1))
  const number = Number.isFinite(least) ? least : Math.min(0, Math.floor(Math.min(maximum as number, (exclusiveMaximum as number) - 1)))
  return number <= (maximum as number) && number < (exclusiveMaximum as number) ? number : undefined
}

function stringOf ({ format, minLength = 0, maxLength = Infinity }: JsonSchema): string | undefined {
  const text = format === undefined ? 'text'.padEnd(minLength as number, '.').slice(0, maxLength as number) : FORMATS[format as string]
  return text !== undefined && text.length >= (minLength as number) && text.length <= (maxLength as number) ? text : undefined
}

function arrayOf ({ items, minItems = 0, maxItems = 1 }: JsonSchema, down: (schema: unknown) => unknown): unknown[] | undefined {
  const item = Array.isArray(items) ? undefined : down(items ?? true)
  if (item === undefined) return minItems === 0 && !Array.isArray(items) ? [] : undefined
  return new Array(Math.max(minItems as number, Math.min(1, maxItems as number))).fill(item)
}

function objectOf ({ properties = {}, required = [] }: JsonSchema, down: (schema: unknown) => unknown, all: boolean): object | undefined {
  const described = properties as Record<string, unknown>
  const object: Record<string, unknown> = {}
  for (const key of new Set([...required as string[], ...all ? Object.keys(described) : []])) {
    // In a document, this is a reference wherever it stands.
    const value = key === '$ref' ? undefined : down(Object.hasOwn(described, key) ? described[key] : true)
    if (value === undefined && (required as string[]).includes(key)) return undefined
    if (value !== undefined) Object.defineProperty(object, key, { value, enumerable: true })
  }
  return object
}
