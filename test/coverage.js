// What the tests must cover whole: what users get, and what the tests themselves are held up by.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

const OWN = ['asyncapi', 'client', 'lib', 'testing']

/** A harness that does not do what it says finds nothing. What only the long runs load does not count, since no test has loaded it. */
const HARNESSES = ['faults', 'hostile']

/** They run in processes of their own, which are killed in the end: nobody is left to say which of their lines were run. */
const KILLED = /^(faults\/(server|frozen|contenders\/.*)|hostile\/(attacker-process|servers\/.*))\.js$/

const files = [
  'index.ts',
  ...OWN.flatMap(folder => filesIn(folder, '.ts')),
  ...HARNESSES.flatMap(folder => filesIn(folder, '.js')).filter(file => !KILLED.test(file))
]

function filesIn (folder, extension) {
  return readdirSync(folder, { recursive: true }).filter(name => name.endsWith(extension)).map(name => join(folder, name))
}

export default () => files
