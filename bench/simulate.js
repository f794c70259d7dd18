// npm run simulate [-- --sockets 1000000 --processes 40 …]: what a workload costs, and which limit it meets first. Members
// are put on processes one by one, at random; what that costs is reckoned from constants.json. With --sweep processes=2,4,8,
// the same is done for each of these values. With --verify, a small workload is run with real processes and a real Redis, and
// held against what was reckoned.
import { readFileSync } from 'node:fs'
import { limits } from './simulation/limits.js'
import { help, readOptions } from './simulation/options.js'
import { plan } from './simulation/plan.js'
import { report, sweepTable } from './simulation/report.js'

/** What is run with --verify where nothing else is said: small enough for one machine that has everything on it. */
const SMALL = { sockets: 2_000, processes: 3, rooms: 200, rate: 5, session: 60, reconnect: 2 }

const constants = JSON.parse(readFileSync(new URL('constants.json', import.meta.url)))

let read
try {
  read = readOptions(process.argv.slice(2), SMALL)
} catch (error) {
  console.error(`${error.message}\n\nThere are, with their defaults:\n\n${help()}`)
  process.exit(1)
}

if (read.help) {
  console.log(`npm run simulate -- [--json] [--verify] [--sweep option=value,value,…] [options]\n\n${help()}`)
} else if (read.verify) {
  const { verify } = await import('./simulation/verify.js')
  process.exit(await verify(read.options, constants) ? 0 : 1)
} else if (read.sweep !== undefined) {
  const planned = read.sweep.runs.map(({ value, options }) => {
    const planned = plan(options, constants)
    return { value, plan: planned, tightest: limits(planned)[0] }
  })
  console.log(read.json ? JSON.stringify(planned, null, 2) : sweepTable(read.sweep.name, planned))
} else {
  const planned = plan(read.options, constants)
  const found = limits(planned)
  console.log(read.json ? JSON.stringify({ ...planned, limits: found }, null, 2) : report(planned, found))
}
