import { createHmac } from 'node:crypto'

/** A JWT made by hand, for what @fastify/jwt would not sign. A string is taken as it is, anything else written as JSON. */
export function handmadeToken (header: unknown, payload: unknown, secret = 'a secret of the tests'): string {
  const signed = `${encode(header)}.${encode(payload)}`
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}

function encode (part: unknown): string {
  return Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url')
}
