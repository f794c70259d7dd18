import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { keep } from '../bench/child.js'
import { percentile } from '../bench/statistics.js'
import { until } from '../faults/until.js'
import { attacks } from './attacks/index.js'
import { now, sleep, Victim } from './victim.js'

export const MEMBERS = 20
export const RATE = 50
/** How long members are served before an attack, and at least while it lasts, in milliseconds. */
const WINDOW = 2_000
/** Collecting garbage keeps a server for a moment, in milliseconds. */
const SETTLE = 300
/** How long the end of attackers is waited for; longer than `authTimeout`, in milliseconds. */
const PATIENCE = 7_000
const REHEARSAL = 5
/** What one attacker may hold, in bytes. */
const MOST_HELD = 100 * 1_024
/** What the scheduler of a machine with little to spare adds to the slowest of a hundred, in milliseconds. */
const FLOOR = 5
/**
 * The machine has other things to do, and they only ever add: so the lowest of some rounds counts, before as well as during the
 * attack. A pair of which the former is chosen by the latter would find whatever it looked for.
 */
export const ROUNDS = 3
/** Where members are served no faster than this without an attack, nothing can be said of what one does, in milliseconds. */
const QUIET = 15

/** One attack on one contender, measured before it and while it lasts. @param rounds the most that there are */
export async function measure (contender, number, redis, rounds = ROUNDS) {
  const attack = attacks[number]
  const wanted = { redis: { port: redis.port } }
  const victim = await Victim.start(contender, { members: MEMBERS, rate: RATE, wanted })
  try {
    return await attempt(victim, attack, number, rounds, wanted)
  } catch (error) {
    // A process that has ended says no more, and that is a result.
    await until(() => !victim.alive, 2_000).catch(() => { throw error })
    return { ended: {}, death: lastWords(victim.death), failures: contender.ours ? [victim.death] : [] }
  } finally {
    await victim.close()
  }
}

async function attempt (victim, attack, number, most, wanted) {
  await rehearse(victim, attack, number)
  const rounds = []
  let pace
  do {
    rounds.push(await round(victim, attack, number))
    pace = paceOf(rounds)
  } while (rounds.length < most && pace.verdict !== 'kept')
  if (pace.verdict === 'slowed') pace.elsewhere = await elsewhere(victim, attack, number, most, wanted)
  const held = Math.max(...rounds.map(({ held }) => held))
  const harm = await victim.harm()
  const failures = [
    ...rounds.flatMap(({ ended }) => Object.keys(ended).filter(end => !attack.endings.map(String).includes(end)).map(end => `${ended[end]} have ended with ${end}`)),
    ...held > MOST_HELD ? [`each holds ${Math.round(held / 1_024)} KB`] : [],
    ...pace.verdict === 'slowed' ? [`the slowest of a hundred messages took ${pace.during.toFixed(1)} ms, ${pace.before.toFixed(1)} ms before, and ${pace.elsewhere.toFixed(1)} ms while another server was attacked`] : [],
    ...harm
  ]
  return { ended: rounds[0].ended, held: Math.max(0, Math.round(held)), ...pace, harm: harm.slice(0, 3), failures: victim.contender.ours ? failures : [] }
}

/** What the members have noticed: `kept` their pace, were `slowed`, or `unknown`. */
function paceOf (rounds) {
  const [before, during] = ['before', 'during'].map(when => Math.min(...rounds.map(round => round[when])))
  const verdict = before > QUIET ? 'unknown' : during > before * 1.5 + FLOOR ? 'slowed' : 'kept'
  return { before, during, verdict }
}

/**
 * What members notice of the same attack on another server of the kind, in a process of its own: the machine's part in it, which
 * has to take in so many connections whoever accepts them. The lowest of as many rounds. It excuses nothing.
 */
async function elsewhere (victim, attack, number, rounds, wanted) {
  const other = await Victim.start(victim.contender, { members: 0, rate: 0, wanted })
  try {
    await rehearse(other, attack, number)
    const found = []
    for (let done = 0; done < rounds; done++) found.push((await round(victim, attack, number, other)).during)
    return Math.min(...found)
  } finally {
    await other.close()
  }
}

async function rehearse (target, attack, number) {
  await withAttackers(target, number, Math.ceil(attack.count / REHEARSAL), 0, async ask => { await ask('run') })
}

/** @param target whom they attack */
async function round (victim, attack, number, target = victim) {
  return await withAttackers(target, number, attack.count, PATIENCE, async ask => {
    const heap = await victim.heap()
    await sleep(SETTLE)
    const start = now()
    await sleep(WINDOW)
    const from = now()
    await ask('run')
    await attack.meanwhile?.(target)
    await sleep(Math.max(0, WINDOW - (now() - from)))
    const to = now()
    const held = (await victim.heap() - heap) / attack.count
    await ask('after')
    const before = percentile(victim.latencies(start, from), 0.99)
    const during = percentile(victim.latencies(from, to), 0.99)
    return { ended: await ask('endings'), held, before, during }
  })
}

/** They are there for as long as the work takes, and gone afterwards. */
async function withAttackers (victim, number, count, patience, work) {
  const connections = await victim.ask('connections')
  const options = JSON.stringify({ contender: victim.contender.id, number, count, port: victim.port, patience })
  const child = fork(fileURLToPath(new URL('attacker-process.js', import.meta.url)), [options])
  keep(child)
  const ask = async step => {
    child.send(step)
    const [{ answer }] = await once(child, 'message')
    return answer
  }
  try {
    await once(child, 'message') // to start takes a process more than most attacks do
    return await work(ask)
  } finally {
    child.kill('SIGKILL')
    await until(async () => !victim.alive || await victim.ask('connections') <= connections, 10_000).catch(() => {})
  }
}

/** The line that names the error. */
function lastWords (death) {
  return death.split('\n').find(line => /^\w*Error\b/.test(line))?.trim().slice(0, 80) ?? death.split('\n')[0]
}
