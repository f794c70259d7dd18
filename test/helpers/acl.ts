import { readFileSync } from 'node:fs'
import type { Redis } from 'ioredis'

/** Where revocations are, for the prefix of the documentation. */
export const RECORDS = '{rooms:@}:r'

/** The rules that docs/brokers.md gives to users, as arguments of ACL SETUSER. */
export function documentedRules (kind: 'single' | 'cluster'): string[] {
  const docs = readFileSync(new URL('../../docs/brokers.md', import.meta.url), 'utf8')
  const lines = docs.match(/^ACL SETUSER rooms .*$/gm) ?? []
  const line = lines.find(line => line.includes('ssubscribe') === (kind === 'cluster')) as string
  return line.split(' ').slice(3)
}

/**
 * From now on the servers count which commands they carry out, by themselves and in scripts. They count for all users together, so
 * the one of `admins` may not use any more what the documentation names. Nobody else may be connected.
 */
export async function startCounting (admins: Redis[], kind: 'single' | 'cluster'): Promise<void> {
  // Who asks for the counts needs INFO, which is not counted before it has answered.
  const ours = documentedCommands(kind).filter(command => command !== 'info').map(command => `-${command}`)
  await Promise.all(admins.map(async admin => {
    await admin.call('ACL', 'SETUSER', 'default', ...ours)
    await admin.config('RESETSTAT')
  }))
}

/** The documented commands that the user of the documentation has had no need of since then, not even in a script. */
export async function uncalled (admins: Redis[], kind: 'single' | 'cluster'): Promise<string[]> {
  const stats = await Promise.all(admins.map(admin => admin.info('commandstats')))
  const called = new Set(stats.flatMap(text => [...text.matchAll(/^cmdstat_(\S+):calls=[1-9]/gm)].map(([, command]) => command)))
  return documentedCommands(kind).filter(command => !called.has(command))
}

function documentedCommands (kind: 'single' | 'cluster'): string[] {
  return documentedRules(kind).filter(rule => rule.startsWith('+')).map(rule => rule.slice(1))
}

/** As many revocations as there may be: to keep one more, Redis has to look whether it has it. It has `kept`. */
export async function fillRecords (admin: Redis, kept: string): Promise<void> {
  const fill = "for i = 2, 100000 do redis.call('ZADD', KEYS[1], ARGV[1], i) end return redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])"
  await admin.eval(fill, 1, RECORDS, Date.now() + 3_600_000, kept)
}

/** What users were refused, but for the name that ioredis would like to give its connections. */
export async function refusals (admin: Redis): Promise<string[]> {
  const entries = await admin.call('ACL', 'LOG') as string[][]
  return entries.map(entry => entry[entry.indexOf('object') + 1] as string).filter(object => object !== 'client|setname')
}
