import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import type { RoomsOptions } from '../../index.js'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

export interface RoomProcess {
  readonly port: number
  readonly http: string
  /** Has it send to the room `cdr`. */
  send (command: string, data: unknown): Promise<void>
  /** Resolves when it has ended; at once for a signal that ends nothing. */
  kill (signal: NodeJS.Signals): Promise<void>
}

/** Starts test/helpers/serve-room.js, which is ended when the test ends. */
export async function startRoomProcess (t: Test, { redis, port = 0, rooms = {} }: { redis?: string, port?: number, rooms?: RoomsOptions } = {}): Promise<RoomProcess> {
  if (!existsSync(new URL('../../dist/index.js', import.meta.url))) execFileSync('npm', ['run', 'build'], { cwd: ROOT })
  const child = spawn(process.execPath, [fileURLToPath(new URL('serve-room.js', import.meta.url))], {
    // It runs what was built, and the coverage that counts is that of the sources.
    env: { PATH: process.env.PATH, PORT: String(port), ROOMS: JSON.stringify(rooms), _TAPJS_PROCESSINFO_COVERAGE_: '0', ...redis !== undefined && { REDIS_URL: redis } },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  const [line] = await Promise.race([once(child.stdout, 'data'), exited.then(() => { throw new Error('It ended before it listened') })])
  const http = String(line).trim()
  return {
    http,
    port: Number(new URL(http).port),
    async send (command, data) {
      const response = await fetch(`${http}/send`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ command, data }) })
      if (!response.ok) throw new Error(`not sent: ${await response.text()}`)
    },
    async kill (signal) {
      child.kill(signal)
      if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') await exited
    }
  }
}
