import type { FastifyInstance } from 'fastify'
import type { Payload } from './wire.js'

/** How deep what a client sends may be nested. JSON.parse bears more than what is made of it later does. */
const DEPTH = 64

/**
 * What a client sent, or undefined where it is no JSON.
 * @throws Unacceptable, in words for the client, when a key would change what objects are, or when it is nested too deeply
 */
export type ParseUntrusted = (bytes: Payload) => unknown

/** JSON that is not taken, in words for the client. */
class Unacceptable extends Error {
  readonly statusCode = 400
}

/** JSON as Fastify reads it in a body, and less trusting yet. */
export function untrustedJson (app: FastifyInstance): ParseUntrusted {
  const parse = app.getDefaultJsonParser('error', 'error') as (request: unknown, body: string, done: (error: Error | null, value: unknown) => void) => void
  return bytes => {
    const text = bytes.toString()
    if (mayBeDeep(text) && isDeep(text)) throw new Unacceptable(`it is nested deeper than ${DEPTH} levels`)
    let value: unknown
    if (!mayBePoison(text)) {
      try {
        value = JSON.parse(text)
      } catch {}
      return value
    }
    parse(undefined, text, (error, parsed) => {
      if (error !== null && isJson(text)) throw new Unacceptable('it has a key that would change what objects are')
      value = parsed
    })
    return value
  }
}

function isJson (text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Fastify's parser looks for such keys with two expressions, which take as long as the parsing. Most messages need neither. */
function mayBePoison (text: string): boolean {
  return text.includes('__proto__') || text.includes('constructor') || text.includes('\\u')
}

/** Most messages have few brackets, and these are found fast. */
function mayBeDeep (text: string): boolean {
  if (text.length <= DEPTH) return false
  let brackets = 0
  for (const bracket of ['{', '[']) {
    for (let at = text.indexOf(bracket); at !== -1; at = text.indexOf(bracket, at + 1)) {
      if (++brackets > DEPTH) return true
    }
  }
  return false
}

function isDeep (text: string): boolean {
  let depth = 0
  let quoted = false
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (quoted) {
      if (character === '\\') at++
      else if (character === '"') quoted = false
    } else if (character === '"') {
      quoted = true
    } else if (character === '{' || character === '[') {
      if (++depth > DEPTH) return true
    } else if (character === '}' || character === ']') {
      depth--
    }
  }
  return false
}
