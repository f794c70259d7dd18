import { mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where the whole suite logs, for test/logs.js to look at once it is over. */
export const LOGS = fileURLToPath(new URL('../../.tap/logs', import.meta.url))

let file: number | undefined

/** Keeps a line. Written at once, since nobody says when this process has logged its last. */
export function keepLine (line: Buffer): void {
  if (file === undefined) {
    mkdirSync(LOGS, { recursive: true })
    file = openSync(join(LOGS, `${process.pid}.log`), 'a')
  }
  writeSync(file, line)
}
