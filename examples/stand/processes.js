import { randomBytes } from 'node:crypto'
import cluster from 'node:cluster'

/**
 * Several processes behind one port. Nothing ties a client to one of them: a WebSocket is one connection, and whichever
 * process has it, the room is the same.
 * @param {number} count
 */
export function runProcesses (count) {
  // All must accept each other's tokens.
  const env = { JWT_SECRET: process.env.JWT_SECRET ?? randomBytes(32).toString('base64url') }
  let stopping = false

  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, stop)
  for (let i = 0; i < count; i++) start()

  function start () {
    const worker = cluster.fork(env)
    let listened = false
    worker.once('listening', () => { listened = true })
    worker.once('exit', code => {
      if (stopping) return
      if (listened) return start() // it was killed: another takes its place, and its clients come back
      process.exitCode = code || 1 // it has said why
      stop()
    })
  }

  function stop () {
    if (stopping) return
    stopping = true
    for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGTERM')
  }
}
