// What the tests must cover whole: what users get. The harnesses that some of them run are no part of it.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

const OWN = ['asyncapi', 'client', 'lib', 'testing']

const files = ['index.ts', ...OWN.flatMap(folder => readdirSync(folder, { recursive: true }).filter(name => name.endsWith('.ts')).map(name => join(folder, name)))]

export default () => files
