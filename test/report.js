// Ends `npm test` with one line for people and programs. It reads TAP from its standard input and believes only what
// the results of all test files add up to, so that a run that tested nothing cannot look like one that passed.
import { text } from 'node:stream/consumers'

const { total = 0, pass = 0 } = totals(await text(process.stdin))

if (total > 0 && pass === total) {
  console.log(`${pass} passed, 0 failed`)
} else {
  console.error(`${pass} of ${total} assertions passed: see \`npm run test:unit\``)
  process.exitCode = 1
}

/** Of the last line at the margin that looks like `# { total: 3, pass: 2, fail: 1 }`. */
function totals (tap) {
  const summary = tap.match(/^# \{ .* \}$/gm)?.at(-1) ?? ''
  return Object.fromEntries([...summary.matchAll(/(\w+): (\d+)/g)].map(([, name, count]) => [name, Number(count)]))
}
