import { readFile, writeFile } from 'node:fs/promises'
import { machine, versionOf } from '../bench/machine.js'
import { table } from '../bench/tables.js'
import { sectionOf, withSection } from '../hostile/section.js'
import { contenders } from './contenders.js'
import { overview, resultTable } from './tables.js'

const VERSIONS = ['fastify', '@fastify/websocket', 'ws', 'ioredis', 'socket.io', '@socket.io/redis-adapter', '@socket.io/redis-streams-adapter']

const PAGE = new URL('../docs/reliability.md', import.meta.url)

/** What `npm run test:hostile` has written there stays. */
export async function writePage (run) {
  const attacks = sectionOf(await readFile(PAGE, 'utf8'))
  await writeFile(PAGE, attacks === '' ? page(run) : withSection(page(run), attacks))
}

function page ({ results, seed, ours, redis, minutes, load }) {
  results = results.toSorted((one, other) => one.scenario.id.localeCompare(other.scenario.id, 'en', { numeric: true }))
  const missed = results.flatMap(({ scenario, outcomes }) => Object.entries(outcomes)
    .filter(([name, { failures }]) => contenders[name].ours && failures.length > 0)
    .map(([name, { failures }]) => [scenario.id, contenders[name].short, failures.join('; ')]))
  const versions = { 'fastify-rooms': ours, Node: process.version.slice(1), Redis: redis, ...Object.fromEntries(VERSIONS.map(name => [name, versionOf(name)])) }
  return `# Reliability

Written by \`npm run test:faults\` on ${new Date().toISOString().slice(0, 10)}, with the seed ${seed}; changes by hand are lost.

Servers in processes of their own, a real \`redis-server\`, and a proxy between them that does what networks do. Publishers in
the servers number their messages and write down what they are told of each; clients write down what they get; and while all of
that goes on, something breaks. Then an [oracle](../faults/oracle.js), which knows nothing of any contender, holds the one
against the other.

Two of the contenders are this plugin, in rooms [with history](history.md) and without. The others are Socket.IO with its two
adapters for Redis, as their documentation has them, with connection state recovery where the adapter can do it. They go through
the same, at the same time, each with a Redis of its own.

${table(['machine', ''], Object.entries({ ...machine(), 'load before': load }))}

${table(['version', ''], Object.entries(versions))}

Again, on your machine: \`npm ci && npm ci --prefix bench && npm run test:faults\`; it took ${minutes} minutes here, and wants a
\`redis-server\` and a \`redis-cli\` in the path. \`npm run test:faults -- a1 a5\` runs some, \`--seed=${seed}\` repeats the
random choices of this run. How much is lost depends on moments that no seed can repeat.

## How to read it

Messages are counted once for each client that was to get them.

| word | meaning |
|------|---------|
| lost in silence, or \`lost\` | the publisher was told that the message was sent, and this client never got it and never heard that something was missing |
| lost and told, or \`told\` | it never came, but the client was told to load anew: by \`resync\`, or by coming back without \`recovered: true\` |
| twice | it came again, and the client had not been told to load anew meanwhile |
| out of order | it came after a later message of the same publisher |
| in different orders | it came at another place than to another client. This plugin promises one order for all; Socket.IO does not |
| heard again after | from the end of the fault until the last client heard another process again |
| told within | from the loss, or the end of the fault, until the client was told |
| processes ended | of the servers, by themselves: of an error that nobody caught, with what Node does then |

What publishers were told: this plugin's \`sendToRoom\` says of each message whether it was sent, served to the members of this
process only, not sent, or that this is unknown, and the oracle holds it to that word: what was sent is due to all, what was
served to one process is due to its members and must be told of to all others, and what was not sent must not come. \`emit\` of
Socket.IO says nothing, so all that it was given is due. It keeps what Redis does not take, for as long as that takes and
without a limit; this plugin refuses it within 2 s, so that a handler can answer.

## In short

\`all\` stands where nothing was lost, doubled or out of order, with the number that was due. What publishers were told was not
sent, or may not have been, is \`refused\`.

${overview(results, link)}

## What has to hold

For this plugin, in every scenario: nothing is lost in silence, nothing comes twice or out of order, all clients see one order,
no claim is false, every send settles within 2 s, clients are told of a loss within 3 s after it or after the end of the fault,
and no process ends. To these times half a second is added, and twice what the machine itself was late. In rooms with history
nothing is lost at all, unless Redis itself has lost it. \`npm run test:faults\` fails where any of
that does not hold${missed.length === 0 ? '. In this run, all of it held.' : ', as in this run:'}
${missed.length === 0 ? '' : `\n${table(['scenario', 'room', 'what was found'], missed)}\n`}
## What was done, and what came of it

${results.map(section).join('\n\n')}
`
}

function section ({ scenario, outcomes }) {
  const words = Object.entries(outcomes).flatMap(([name, { verdict }]) => verdict.deaths.map(death => `${contenders[name].title}: ${lastWords(death)}`))
  return [
    `### ${scenario.id}`,
    `${capital(scenario.title)}. ${scenario.done}`,
    resultTable({ outcomes }),
    ...words.length > 0 ? [[...new Set(words)].map(line => `- ${line}`).join('\n')] : []
  ].join('\n\n')
}

/** The line that names the error. */
function lastWords (death) {
  const [how] = death.split('\n')
  const error = death.split('\n').find(line => /^\w*Error\b/.test(line)) ?? ''
  return `${how.replace(/: .*/, '')}, with \`${error.trim().slice(0, 120)}\``
}

function link (id) {
  return `[${id}](#${id.toLowerCase()})`
}

function capital (sentence) {
  return sentence[0].toUpperCase() + sentence.slice(1)
}
