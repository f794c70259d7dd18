import { monitorEventLoopDelay } from 'node:perf_hooks'
import { contenders } from './contenders.js'
import { Field } from './field.js'
import { failuresOf } from './holds.js'
import { Random } from './random.js'

/**
 * One scenario, with all contenders at the same time, each with a Redis of its own; one after the other where they would take
 * the processor from each other.
 */
export async function contest (scenario, names, seed) {
  const wanted = names.filter(name => scenario.only?.(contenders[name]) ?? true)
  const outcomes = {}
  const delays = monitorEventLoopDelay()
  const one = async name => {
    delays.reset()
    delays.enable()
    outcomes[name] = await compete(scenario, contenders[name], seed, () => delays.max / 1_000_000)
  }
  if (scenario.alone === true) for (const name of wanted) await one(name)
  else await Promise.all(wanted.map(one))
  return { scenario, outcomes: Object.fromEntries(wanted.map(name => [name, outcomes[name]])) }
}

/** @param lag how late timers have fired, in milliseconds: on a machine that has other things to do, nobody is on time */
async function compete (scenario, contender, seed, lag) {
  const topology = await scenario.topology()
  // The same chance for all of them.
  const field = new Field(contender, topology, { random: new Random(seed).fork(scenario.id), wanted: scenario.wanted?.(contender) })
  try {
    await scenario.run(field)
    const verdict = field.verdict()
    return { verdict, failures: contender.ours ? failuresOf(verdict, { ...scenario.must, lag: lag() }, contender) : [] }
  } catch (error) {
    // A process that is dead cannot do what comes next. For others than us that is a result like any other.
    const verdict = field.verdict()
    const failures = contender.ours || verdict.deaths.length === 0 ? [`the scenario came to no end: ${error.stack}`, ...verdict.deaths] : []
    return { verdict, failures }
  } finally {
    await field.close()
  }
}
