// npm run bench [-- [check] [--quick] [case …]]: measures, prints, and after a whole run writes docs/benchmarks.md.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { killChildren } from './child.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

const words = process.argv.slice(2)
const quick = words.includes('--quick')
const check = words.includes('check')
const wanted = words.filter(word => word !== '--quick' && word !== 'check')

if (!existsSync(new URL('node_modules', import.meta.url))) {
  console.error('The peers are not installed. Run: npm ci --prefix bench')
  process.exit(1)
}
if (!existsSync(new URL('../dist/index.js', import.meta.url))) execFileSync('npm', ['run', 'build'], { cwd: ROOT, stdio: 'inherit' })

// Only now: they need what was looked for above.
const { cases } = await import('./cases/index.js')
const { differences, machine, versions } = await import('./machine.js')
const { writePage } = await import('./page.js')
const { judge } = await import('./ratios.js')
const { startRedis } = await import('./redis-server.js')
const { ratioTable, resultTable } = await import('./tables.js')

const unknown = wanted.filter(word => !cases.some(({ name }) => name === word))
if (unknown.length > 0) {
  console.error(`There is no case ${unknown.join(', ')}. There are: ${cases.map(({ name }) => name).join(', ')}; and the words check and --quick.`)
  process.exit(1)
}

process.on('exit', killChildren)
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))

for (const difference of differences()) console.warn(`Beware: ${difference}.`)
const start = performance.now()
const chosen = wanted.length === 0 ? cases : cases.filter(({ name }) => wanted.includes(name))
const redis = chosen.some(({ needsRedis }) => needsRedis) ? await startRedis() : undefined
const options = { redis: redis?.url, rounds: quick ? 3 : 27, slice: quick ? 100 : 130, scale: number => quick ? Math.ceil(number / 10) : number }
const results = []
for (const { name, run } of chosen) {
  for (const result of await run(options)) {
    results.push({ ...result, case: name })
    console.log(`\n${result.title}\n\n${resultTable(result)}`)
  }
}

const judged = judge(results)
console.log(`\n${ratioTable(judged)}\n\n${Math.round((performance.now() - start) / 1_000)} s`)
if (wanted.length === 0 && !quick) await writePage({ judged, results, machine: machine(), versions: versions(redis) })
else console.log('docs/benchmarks.md is written by a whole run only.')

const missed = judged.filter(({ met }) => !met)
if (check && missed.length > 0) {
  for (const { title, opponent, value, atMost } of missed) console.error(`missed: ${title}, against ${opponent}: ${value?.toFixed(3) ?? 'not measured'}, at most ${atMost}`)
  process.exitCode = 1
}
process.exit()
