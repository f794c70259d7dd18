import { createHmac, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

/**
 * A JWT made by hand, for what @fastify/jwt would not sign. A string is taken as it is, anything else written as JSON.
 * @param key a private one signs as RS256 does, a text as HS256, whatever the header says
 */
export function handmadeToken (header: unknown, payload: unknown, key: string | KeyObject = 'a secret of the tests'): string {
  const signed = `${encode(header)}.${encode(payload)}`
  const signature = typeof key === 'string' ? createHmac('sha256', key).update(signed).digest() : sign('sha256', Buffer.from(signed), key)
  return `${signed}.${signature.toString('base64url')}`
}

function encode (part: unknown): string {
  return Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url')
}
