// What npm would publish is packed, looked at, and used by small projects of every kind. Run it after `npm run build`.
import { rmSync } from 'node:fs'
import { consumers } from './consumers.js'
import { contents } from './contents.js'
import { dependencies } from './dependencies.js'
import { packAndUnpack } from './pack.js'
import { types } from './types.js'

const packed = packAndUnpack()
try {
  let failures = 0
  for (const [title, check] of Object.entries({ ...contents, ...dependencies, ...types, ...consumers })) {
    failures += run(title, () => check(packed))
  }
  process.exitCode = failures === 0 ? 0 : 1
} finally {
  rmSync(packed.temporary, { recursive: true, force: true })
}

/** @returns {number} of failures */
function run (title, check) {
  try {
    check()
    console.log(`package: ${title}`)
    return 0
  } catch (error) {
    console.error(`package: FAILED: ${title}\n${error.message.replace(/^/gm, '  ')}`)
    return 1
  }
}
