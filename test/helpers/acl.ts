import { readFileSync } from 'node:fs'
import type { Redis } from 'ioredis'

/** The rules that docs/brokers.md gives to users, as arguments of ACL SETUSER. */
export function documentedRules (kind: 'single' | 'cluster'): string[] {
  const docs = readFileSync(new URL('../../docs/brokers.md', import.meta.url), 'utf8')
  const lines = docs.match(/^ACL SETUSER rooms .*$/gm) ?? []
  const line = lines.find(line => line.includes('ssubscribe') === (kind === 'cluster')) as string
  return line.split(' ').slice(3)
}

/** What users were refused, but for the name that ioredis would like to give its connections. */
export async function refusals (admin: Redis): Promise<string[]> {
  const entries = await admin.call('ACL', 'LOG') as string[][]
  return entries.map(entry => entry[entry.indexOf('object') + 1] as string).filter(object => object !== 'client|setname')
}
