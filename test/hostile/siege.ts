import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { Attacker, attackOn, attacks, rooms, Victim } from '../../hostile/shared.js'
import type { Attack, Wanted } from '../../hostile/shared.js'
import { LOGS } from '../helpers/logs.js'
import { handmadeToken } from '../helpers/token.js'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** What one attacker may make a server hold, in bytes. */
const MOST_HELD = 100 * 1_024

/** Which the members of the harness sign with, too. */
const SECRET = 'a secret of the bench'

/** What only a library, a stack or a handler would say. */
export const INNARDS = /a detail that nobody|node_modules|\.js:\d|\bat [\w.]{1,40} \(|Error:|Unexpected|not valid JSON|FST_JWT|FAST_JWT|signature|algorithm/i

// It runs dist/, which is no source to be covered.
process.env._TAPJS_PROCESSINFO_COVERAGE_ = '0'
if (!existsSync(new URL('../../dist/index.js', import.meta.url))) execFileSync('npm', ['run', 'build'], { cwd: ROOT })

/** A server of its own, whose members are being served; it ends with the test. */
export async function startVictim (t: Test, { members = 5, rate = 50, ...wanted }: Wanted & { members?: number, rate?: number } = {}): Promise<Victim> {
  const victim = await Victim.start(rooms, { members, rate, wanted: { logs: LOGS, ...wanted } })
  t.teardown(() => victim.close())
  if (rate > 0) await victim.flow()
  return victim
}

/** A test for each attack on a subject: how its sockets end, what they hold, and that nobody else notices. */
export function besiege (t: Test, subject: string): void {
  const own = attacks.filter(attack => attack.subject === subject)
  for (const wanted of new Set(own.map(({ wanted }) => wanted))) {
    const group = own.filter(attack => attack.wanted === wanted)
    t.test([...new Set(group.map(({ id }) => id))].join(', '), async t => {
      const victim = await startVictim(t, wanted)
      for (const attack of group) await t.test(`${attack.id}: ${attack.what} ${attack.ends}`, t => withstand(t, victim, attack))
    })
  }
}

async function withstand (t: Test, victim: Victim, attack: Attack): Promise<void> {
  await victim.flow()
  const round = await attackOn(victim, attack)
  t.teardown(() => round.end())
  t.strictSame(Object.keys(round.endings).filter(ended => !attack.endings.map(String).includes(ended)), [], `how they ended: ${JSON.stringify(round.endings)}`)
  t.ok(round.held < MOST_HELD, `each of them holds ${round.held} bytes`)
  t.strictSame(round.heard.flat().filter(text => INNARDS.test(text)), [], 'nobody is told of what is inside')
  await unharmed(t, victim)
}

/** Whatever somebody has done: members get every message, in order, and the process lives. */
export async function unharmed (t: Test, victim: Victim): Promise<void> {
  await victim.flow()
  t.strictSame(await victim.harm(), [], 'nobody else notices')
}

/** A token that the victim takes. */
export function tokenOf (claims: object = {}): string {
  return handmadeToken({ alg: 'HS256', typ: 'JWT' }, { sub: 'mallory', ...claims }, SECRET)
}

/** A socket that has said nothing. */
export async function arrive (t: Test, { port }: Victim, path = '/rooms/room', headers: string[] = []): Promise<Attacker> {
  const attacker = await Attacker.upgrade(port, { path, headers })
  t.teardown(() => attacker.leave())
  return attacker
}

/** A socket that has said who it is, whether that was enough or not. */
export async function enter (t: Test, victim: Victim, path?: string, claims?: object): Promise<Attacker> {
  const attacker = await arrive(t, victim, path)
  attacker.text(JSON.stringify({ token: tokenOf(claims) }))
  await attacker.until(() => attacker.ended !== undefined || attacker.heard.some(text => text.includes('"connected"')))
  return attacker
}

export function assertDiscreet (t: Test, { heard }: Attacker, what: string): void {
  t.strictSame(heard.filter(text => INNARDS.test(text)), [], `${what}: nobody is told of what is inside`)
}

/** What the victim has logged, by lines. */
export function linesOf ({ pid }: Victim): string[] {
  return readFileSync(join(LOGS, `${pid}.log`), 'utf8').trimEnd().split('\n')
}
