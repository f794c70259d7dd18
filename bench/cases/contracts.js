import { Child } from '../child.js'
import { interleave } from '../contest.js'

/**
 * What a contract costs where it stands in the way. In processes of their own, with and without Redis, since what else is
 * loaded into a process can change what its strings cost.
 */
export const name = 'contracts'
export const needsRedis = true

const TITLES = {
  out: 'a message of ten fields, as far as what is published',
  bytes: 'the same, written into bytes',
  in: 'a command of ten fields, as far as its handler',
  small: 'a command of one field, as far as its handler'
}

export async function run ({ redis, rounds, slice }) {
  const [alone, joined] = [new Child('contenders/contracts.js'), new Child('contenders/contracts.js', { wanted: { redis } })]
  await Promise.all([alone.hello, joined.hello])
  const results = []
  for (const [what, title] of Object.entries(TITLES)) {
    const entries = [['contract', alone], ['json', alone], ['contract-redis', joined], ['json-redis', joined]].map(([name, child]) => ({ name, child, by: name.split('-')[0] }))
    const measure = async ({ child, by }) => await child.ask('run', { what, by, times: 500 * slice })
    for (const entry of entries) await measure(entry)
    const titles = { contract: 'contract', json: 'JSON', 'contract-redis': 'contract, with Redis', 'json-redis': 'JSON, with Redis' }
    results.push({ id: `contracts-${what}`, title, titles, values: await interleave(entries, rounds, measure) })
  }
  await Promise.all([alone.stop(), joined.stop()])
  return results
}
