import { isIPv4, isIPv6 } from 'node:net'

/**
 * Whose an address is, as far as one can tell: of IPv6, whoever has one address mostly has all 2^64 of its network.
 * @returns undefined for what is no address, such as the path of a socket of Unix
 */
export function networkOf (ip: string | undefined): string | undefined {
  if (ip === undefined || isIPv4(ip)) return ip
  if (!isIPv6(ip)) return undefined
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(ip)?.[1]
  return mapped ?? `${prefixOf(ip.replace(/%.*/, ''))}::/64`
}

/** The first four of the eight groups of an address (RFC 4291 §2.2), without what may be left out. */
function prefixOf (ip: string): string {
  const [before = '', after] = ip.replace(/(\d+\.){3}\d+$/, '0:0').split('::')
  const head = groupsOf(before)
  const tail = groupsOf(after ?? '')
  const groups = [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => '0'), ...tail]
  return groups.slice(0, 4).map(group => parseInt(group, 16).toString(16)).join(':')
}

function groupsOf (text: string): string[] {
  return text === '' ? [] : text.split(':')
}
