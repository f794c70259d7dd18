import type { Test } from 'tap'

/**
 * Watches for what would end a process: a rejection that nobody handles, an error that nobody catches.
 * @returns what adds the verdict, as the file's last test
 */
export function watchForStrays (t: Test): () => void {
  const strays: unknown[] = []
  process.on('unhandledRejection', reason => strays.push(reason))
  process.on('uncaughtException', error => strays.push(error))
  process.once('beforeExit', leave)
  return () => {
    t.test('nothing of all this would have ended the process', async t => {
      await new Promise(resolve => setImmediate(resolve))
      t.strictSame(strays, [])
    })
  }
}

/**
 * The process has nothing left to do. Node 20 may then, now and then, run for ever in `Environment::CleanupHandles`, which
 * `process.exit` spares it. tap hears of the end first, and may have more to do: so it is waited for once more.
 */
function leave (): void {
  setImmediate(() => { process.once('beforeExit', () => process.exit()) })
}
