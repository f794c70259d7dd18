// npm run test:faults [-- [--seed=number] [--only=contender,…] [scenario …]]: breaks things under load and holds what members
// got against what was promised. A whole run writes docs/reliability.md.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { killChildren } from '../bench/child.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

if (!existsSync(new URL('../bench/node_modules', import.meta.url))) {
  console.error('The peers are not installed. Run: npm ci --prefix bench')
  process.exit(1)
}
if (!existsSync(new URL('../dist/index.js', import.meta.url))) execFileSync('npm', ['run', 'build'], { cwd: ROOT, stdio: 'inherit' })

// Only now: they need what was looked for above.
const { contenders } = await import('./contenders.js')
const { contest } = await import('./contest.js')
const { writePage } = await import('./page.js')
const { overview, resultTable } = await import('./tables.js')
const { scenarios } = await import('./scenarios/index.js')

const options = Object.fromEntries(process.argv.slice(2).filter(word => word.startsWith('--')).map(word => word.slice(2).split('=')))
const words = process.argv.slice(2).filter(word => !word.startsWith('--')).map(word => word.toUpperCase())
const names = options.only?.split(',') ?? Object.keys(contenders)
const unknown = [
  ...words.filter(word => !scenarios.some(({ id }) => id.toUpperCase() === word)),
  ...names.filter(name => !(name in contenders))
]
if (unknown.length > 0) {
  console.error(`There is no ${unknown.join(', ')}. There are the scenarios ${scenarios.map(({ id }) => id).join(', ')} and the contenders ${Object.keys(contenders).join(', ')}.`)
  process.exit(1)
}

process.on('exit', killChildren)
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))

const seed = Number(options.seed ?? Math.floor(Math.random() * 2 ** 31))
console.log(`seed ${seed}`)
const load = loadavg()[0].toFixed(1)
const start = performance.now()
const results = []
for (const scenario of scenarios) {
  if (words.length > 0 && !words.includes(scenario.id.toUpperCase())) continue
  const begun = performance.now()
  const result = await contest(scenario, names, seed)
  results.push(result)
  console.log(`\n${scenario.id}: ${scenario.title} (${Math.round((performance.now() - begun) / 1_000)} s)\n\n${resultTable(result)}`)
  for (const [name, { failures, verdict }] of Object.entries(result.outcomes)) {
    for (const failure of failures) console.error(`MISSED by ${contenders[name].title}: ${failure}`)
    if (failures.length > 0) for (const sentence of verdict.evidence.slice(0, 5)) console.error(`  ${sentence}`)
  }
}

const seconds = Math.round((performance.now() - start) / 1_000)
console.log(`\n${overview(results)}`)
const missed = results.filter(({ outcomes }) => Object.values(outcomes).some(({ failures }) => failures.length > 0))
console.log(`\n${results.length - missed.length} of ${results.length} scenarios hold; seed ${seed}; ${seconds} s`)
if (missed.length > 0) {
  console.error(`Again: npm run test:faults -- --seed=${seed} ${missed.map(({ scenario }) => scenario.id.toLowerCase()).join(' ')}`)
  process.exitCode = 1
}
if (words.length === 0 && names.length === Object.keys(contenders).length) {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url)))
  await writePage({ results, seed, ours: version, redis: redisVersion(), minutes: Math.ceil(seconds / 60), load })
} else {
  console.log('docs/reliability.md is written by a whole run only.')
}
process.exit()

function redisVersion () {
  return execFileSync('redis-server', ['--version'], { encoding: 'utf8' }).match(/v=(\S+)/)[1]
}
