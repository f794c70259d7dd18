import { now } from '../faults/clock.js'
import { until } from '../faults/until.js'
import { endings } from './attacker.js'
import { Stage } from './stage.js'

/** A process grows by what it does for the first time, whoever makes it do so: part of the attack comes before, and is let go. */
const REHEARSAL = 5

/**
 * One attack, while members are served.
 * @returns how its sockets have ended, what each of them holds of the server's memory while they stand as the attack has left
 * them, what the server told them, and from when to when it lasted. `end` lets go of the sockets
 */
export async function attackOn (victim, attack, { patience, count = attack.count } = {}) {
  await rehearse(victim, attack, Math.ceil(count / REHEARSAL))
  const before = await victim.heap()
  const stage = new Stage(victim.contender, victim.port, patience)
  const from = now()
  await attack.run(stage, count)
  await attack.meanwhile?.(victim)
  const to = now()
  const held = victim.alive ? (await victim.heap() - before) / count : undefined
  await attack.after?.(stage)
  return {
    endings: endings(stage.attackers),
    heard: stage.attackers.map(({ heard }) => heard),
    held,
    from,
    to,
    end: () => stage.leave()
  }
}

async function rehearse (victim, attack, count) {
  const connections = await victim.ask('connections')
  const stage = new Stage(victim.contender, victim.port, 0)
  await attack.run(stage, count)
  stage.leave()
  if (victim.alive) await until(async () => await victim.ask('connections') <= connections)
}
