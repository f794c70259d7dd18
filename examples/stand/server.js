import cluster from 'node:cluster'
import { parseArgs } from 'node:util'
import { createStand } from './app.js'
import { runProcesses } from './processes.js'

const { HOST: host = '127.0.0.1', PORT: port = '3000', JWT_SECRET: secret, TOKEN_LIFETIME: lifetime = '1 hour', REDIS_URL: redis } = process.env

try {
  checkLifetime()
  const processes = countProcesses()
  if (processes === 1 || cluster.isWorker) await serve()
  else if (redis === undefined) throw new Error('Several processes need a Redis that joins them: REDIS_URL=redis://127.0.0.1:6379 npm start -- --processes 2')
  else runProcesses(processes)
} catch (error) {
  console.error(whyNot(error))
  process.exit(1)
}

async function serve () {
  const app = await createStand({ lifetime, ...secret !== undefined && { secret }, ...redis !== undefined && { redis } })
  const address = await app.listen({ host, port: Number(port) })
  // The first of several says it for all.
  if (!cluster.isWorker || cluster.worker?.id === 1) greet(app, address)
  let closing = false
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, async () => {
      if (closing) return // Ctrl+C reaches all processes, and the first one tells the others too
      closing = true
      await app.close()
      cluster.worker?.disconnect() // or it would wait for the first one
    })
  }
}

/**
 * @param {import('fastify').FastifyInstance} app
 * @param {string} address
 */
function greet (app, address) {
  const token = app.jwt.sign({ sub: 'terminal', name: 'The terminal', volunteer: true })
  console.log(`
The stand board is at ${address}

Open it in two windows, sign in under two names, and tick a box in one of them.
What goes over its socket is described at ${address}/asyncapi
${redis === undefined ? 'Files are kept in memory: a restart forgets the changes.' : 'Files are kept in Redis, for every process that is started with the same REDIS_URL.'}
${redis !== undefined && secret === undefined ? 'Set JWT_SECRET too: without it, other processes refuse the tokens of this one.\n' : ''}
To change a file from outside, as another program would (the token is good for ${lifetime}):

curl -sS -X PATCH ${address}/cdr/users/1 -H 'authorization: Bearer ${token}' -H 'content-type: application/json' -d '{"paid":true}'

Ctrl+C stops it.
`)
}

function checkLifetime () {
  if (!/^[1-9]\d{0,3} ?(s|m|h|seconds?|minutes?|hours?)$/.test(lifetime)) throw new Error(`TOKEN_LIFETIME must be a time such as 20s or 1 hour, and is ${lifetime}.`)
}

function countProcesses () {
  const { values } = parseArgs({ options: { processes: { type: 'string', default: '1' } } })
  if (!/^[1-9]\d?$/.test(values.processes)) throw new Error(`--processes must be a number from 1 to 99, and is ${values.processes}.`)
  return Number(values.processes)
}

/** @param {unknown} error */
function whyNot (error) {
  const { code, message } = /** @type {NodeJS.ErrnoException} */ (error)
  switch (code) {
    case undefined: return message
    case 'ERR_PARSE_ARGS_UNKNOWN_OPTION':
    case 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL': return `${message}\nAll that there is: npm start -- --processes 2`
    case 'EADDRINUSE': return `Port ${port} of ${host} is taken. Stop the program that listens there, or choose another port: PORT=3001 npm start`
    case 'EACCES': return `Port ${port} of ${host} needs rights that this user does not have. Choose another port: PORT=3001 npm start`
    case 'REDIS_UNREACHABLE': return `${message} Start one there, or leave REDIS_URL out.`
    default: return error
  }
}
