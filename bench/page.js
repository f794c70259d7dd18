import { writeFile } from 'node:fs/promises'
import { chart } from './chart.js'
import { ratioTable, resultTable, table } from './tables.js'

const DOCS = new URL('../docs/', import.meta.url)

/** What the reader must know to believe a table, by case. */
const ABOUT = {
  fanout: 'One room, messages of 200 bytes. Each burst is sent when the one before has reached everybody.',
  redis: 'Two processes and a Redis: one publishes, the members are with the other.',
  rooms: 'Nothing can be shared here: what is measured is everything around the write.',
  compression: '`permessage-deflate` is on, and all clients ask for it.',
  connect: 'Clients connect, 64 at a time, and send a token, or hand it to the middleware of Socket.IO. By hand is a handler of @fastify/websocket that waits for the first message, checks it with @fastify/jwt and remembers the socket. Memory is what remains after garbage collection.',
  latency: 'From the call in the server to the read in the client, one message per millisecond at most.',
  members: 'The floor is here to tell the kernel from us: 10,000 of its sockets do not fit into the processor\'s caches either, so that the same write costs more.',
  joins: 'The process has 100,000 members in both, in few rooms or in as many. Clients connect, authenticate, join and leave. The handler alone is measured with sockets that are none.',
  stalled: 'Twenty of those who read take the time of each message. The process is watched from outside.',
  contracts: 'Without a socket: what a contract makes of a message on its way out and of a command on its way in, beside what JSON alone takes. The time is that of the clock.',
  types: 'The compiler on the examples, and on those of docs/typescript.md, each as a program of its own; \'Total time\' of `tsc --extendedDiagnostics`.'
}

export async function writePage ({ judged, results, machine, versions }) {
  await writeFile(new URL('benchmarks.svg', DOCS), chart(results))
  await writeFile(new URL('benchmarks.md', DOCS), page({ judged, results, machine, versions }))
}

function page ({ judged, results, machine, versions }) {
  return `# Benchmarks

Written by \`npm run bench\` on ${new Date().toISOString().slice(0, 10)}; changes by hand are lost.

![CPU of the server per delivery, against burst and members](benchmarks.svg)

The servers and their load are processes of one machine, on its loopback interface. What is measured of a server is the
processor time that it, and the kernel on its behalf, have used. The contenders are all up at once and take turns,
A B C, C B A, so that the machine's moods meet all alike; a value is the median of its turns, and a ratio that of the turns
beside each other. The load speaks WebSocket by hand and is not measured, but it does limit how many deliveries per second
there are.

${table(['machine', ''], Object.entries(machine))}

${table(['version', ''], Object.entries(versions))}

Again, on your machine: \`npm ci && npm ci --prefix bench && npm run bench\`; it takes about twenty minutes, and wants
a \`redis-server\` in the path.

## What is to be reached

Ours, divided by the other's, in the same run. \`npm run bench -- check\` fails where one of these is missed. Some
say beside it what plain TCP sockets that write ready bytes came to: where those do not reach it either, JavaScript cannot.
For what it takes to let a socket in, that is @fastify/websocket by hand, on which the plugin stands.

${ratioTable(judged)}

## What was measured

${sections(results)}
`
}

function sections (results) {
  let last
  return results.map(result => {
    const about = result.case === last ? [] : [ABOUT[result.case]]
    last = result.case
    return [`### ${result.title[0].toUpperCase()}${result.title.slice(1)}`, ...about, resultTable(result)].join('\n\n')
  }).join('\n\n')
}
