import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'

/** The name of the protocol, where a client offers any (RFC 6455 §1.9). */
export const SUBPROTOCOL = 'rooms.v1'

/** Browsers let a page set no header of an upgrade but that of the subprotocols, so a token may come as one of them. */
const BEARER = /^bearer\./i

type HandleProtocols = (protocols: Set<string>, request: IncomingMessage) => string | false | undefined

/**
 * Takes the tokens out of what a client offers, so that nobody who looks at the header afterwards sees one.
 * @returns them, mostly none or one
 */
export function takeBearers (headers: IncomingHttpHeaders): string[] {
  const offered = headers['sec-websocket-protocol']
  if (offered === undefined || !/bearer\./i.test(offered)) return []
  const names = offered.split(',').map(name => name.trim())
  const others = names.filter(name => !BEARER.test(name))
  if (others.length > 0) headers['sec-websocket-protocol'] = others.join(', ')
  else delete headers['sec-websocket-protocol']
  return names.filter(name => BEARER.test(name)).map(name => name.slice('bearer.'.length))
}

/** Which of the offered subprotocols is answered: never one that is a token. */
export function answering (own: HandleProtocols | undefined): HandleProtocols {
  return (protocols, request) => {
    if (protocols.has(SUBPROTOCOL)) return SUBPROTOCOL
    const chosen = own === undefined ? [...protocols].find(name => !BEARER.test(name)) : own(protocols, request)
    return chosen && !BEARER.test(chosen) ? chosen : false
  }
}
