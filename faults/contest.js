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
  const one = async name => { outcomes[name] = await compete(scenario, contenders[name], seed) }
  if (scenario.alone === true) for (const name of wanted) await one(name)
  else await Promise.all(wanted.map(one))
  return { scenario, outcomes: Object.fromEntries(wanted.map(name => [name, outcomes[name]])) }
}

async function compete (scenario, contender, seed) {
  const topology = await scenario.topology()
  // The same chance for all of them.
  const field = new Field(contender, topology, { random: new Random(seed).fork(scenario.id), wanted: scenario.wanted?.(contender) })
  try {
    await scenario.run(field)
    const verdict = field.verdict()
    return { verdict, failures: contender.ours ? failuresOf(verdict, scenario.must, contender) : [] }
  } catch (error) {
    // A process that is dead cannot do what comes next. For others than us that is a result like any other.
    const verdict = field.verdict()
    const failures = contender.ours || verdict.deaths.length === 0 ? [`the scenario came to no end: ${error.stack}`, ...verdict.deaths] : []
    return { verdict, failures }
  } finally {
    await field.close()
  }
}
