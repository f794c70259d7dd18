import type { FastifyRequest } from 'fastify'
import type { Origins } from '../types/index.js'
import { invalid } from './options.js'

/** Whether a page of this origin may open a socket. */
export type OriginCheck = (origin: string, request: FastifyRequest) => boolean | Promise<boolean>

/** A scheme, a host of 253 characters and a port are less. */
const LONGEST = 512

const AS_BROWSERS_SEND_IT = "must be an origin as browsers send it, such as 'https://a.example' or 'http://localhost:3000': lower case, no path, no slash at the end, no default port. For more than one host, use a RegExp"

/**
 * What the option `origins` says. An origin is compared with what was configured, and with nothing of the request: an
 * attacker chooses the Host.
 * @throws FST_ROOMS_INVALID_OPTION
 */
export function originCheck (origins: Origins): OriginCheck {
  if (typeof origins === 'function') return origins
  const names = new Set<string>()
  const patterns: RegExp[] = []
  for (const [index, origin] of origins.entries()) {
    if (origin instanceof RegExp) patterns.push(whole(origin, index))
    else if (isOrigin(origin)) names.add(origin)
    else invalid(`origins.${index}`, AS_BROWSERS_SEND_IT)
  }
  return origin => names.has(origin) || (origin.length <= LONGEST && patterns.some(pattern => pattern.test(origin)))
}

/** A pattern that matches a part matches the origin of an attacker, who owns `a.example.attacker.example`. */
function whole (pattern: RegExp, index: number): RegExp {
  if (pattern.global || pattern.sticky) invalid(`origins.${index}`, 'must not have the flags g or y: with them, a RegExp begins where it has stopped the last time')
  return new RegExp(`^(?:${pattern.source})$`, pattern.flags)
}

function isOrigin (text: unknown): text is string {
  if (text === 'null') return true
  if (typeof text !== 'string' || !/^[a-z][a-z\d+.-]*:\/\/[^\s/?#@\\*]+$/.test(text) || !URL.canParse(text)) return false
  const { protocol, host } = new URL(text)
  return `${protocol}//${host}` === text
}
