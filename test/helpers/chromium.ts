import { spawnSync } from 'node:child_process'
import { delimiter, join } from 'node:path'
import { chromium } from 'playwright-core'
import type { Browser } from 'playwright-core'
import type { Test } from 'tap'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome']

/** Nothing that a browser does of its own accord: the machine that runs the tests may have no network. */
const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'
]

/** A headless Chromium of the test's own. Without one the test fails: what was not looked at is not known to work. */
export async function launchBrowser (t: Test): Promise<Browser> {
  const launching = chromium.launch({ executablePath: findChromium(), args: FLAGS, timeout: 60_000 })
  t.teardown(async () => {
    const browser = await launching.catch(() => undefined)
    await browser?.close()
  })
  return await launching
}

function findChromium (): string {
  const { CHROMIUM_PATH: given, PATH = '' } = process.env
  if (given) {
    if (!starts(given)) throw new Error(`CHROMIUM_PATH is ${given}, which is no Chromium that starts.`)
    return given
  }
  const found = NAMES.flatMap(name => PATH.split(delimiter).map(folder => join(folder, name))).find(starts)
  if (found === undefined) throw new Error('There is no Chromium on this machine. `node test/requirements.js` installs it, or says how to; one in an unusual place is named by CHROMIUM_PATH.')
  return found
}

/** Being there is not enough: a file of this name may only tell to install something else. */
function starts (path: string): boolean {
  return spawnSync(path, ['--version'], { stdio: 'ignore' }).status === 0
}
