import { until } from '../faults/until.js'
import { endings } from './attacker.js'
import { Stage } from './stage.js'

/** A process grows by what it does for the first time, whoever makes it do so: part of the attack comes before, and is let go. */
const REHEARSAL = 5

/**
 * One attack, while members are served.
 * @returns how its sockets have ended, what each of them holds of the server's memory while they stand as the attack has left
 * them, and what the server told them. `end` lets go of the sockets. It rejects where the server has not survived
 */
export async function attackOn (victim, attack) {
  const { count } = attack
  await rehearse(victim, attack, Math.ceil(count / REHEARSAL))
  const before = await victim.heap()
  const stage = new Stage(victim.contender, victim.port)
  await attack.run(stage, count)
  await attack.meanwhile?.(victim)
  const held = (await victim.heap() - before) / count
  await attack.after?.(stage)
  return {
    endings: endings(stage.attackers),
    heard: stage.attackers.map(({ heard }) => heard),
    held,
    end: () => stage.leave()
  }
}

async function rehearse (victim, attack, count) {
  const connections = await victim.ask('connections')
  const stage = new Stage(victim.contender, victim.port, 0)
  await attack.run(stage, count)
  stage.leave()
  await until(async () => await victim.ask('connections') <= connections)
}
