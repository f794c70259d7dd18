import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import type { Browser, Page } from 'playwright-core'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const LAST_WORDS = 'Ctrl+C stops it.'

export interface Example {
  readonly pid: number
  /** Of its page. */
  readonly address: string
  /** The same, for WebSockets. */
  readonly ws: string
  readonly port: string
  /** All that it has printed. */
  output (): string
  /** Ends the process; resolves with its exit code. */
  end (signal: NodeJS.Signals): Promise<number | null>
}

/** One of the examples in a process of its own, as `npm run example:…` runs it, on a free port, and listening. */
export async function startExample (t: Test, name: string, env: Record<string, string> = {}, args: string[] = []): Promise<Example> {
  const { child, exited, output } = spawnExample(t, name, env, args)
  while (!output().includes(LAST_WORDS)) {
    const more = once(child.stdout, 'data').then(() => true)
    if (await Promise.race([more, exited]) !== true) throw new Error(`${name} ended at once: ${output()}`)
  }
  const address = /http:\/\/[\d.:]+/.exec(output())?.[0] as string
  return {
    pid: child.pid as number,
    address,
    ws: address.replace('http', 'ws'),
    port: new URL(address).port,
    output,
    end (signal) {
      child.kill(signal)
      return exited
    }
  }
}

/** The same, whatever becomes of it. */
export function spawnExample (t: Test, name: string, env: Record<string, string>, args: string[] = []) {
  if (!existsSync(`${ROOT}dist/index.js`)) execFileSync('npm', ['run', 'build'], { cwd: ROOT })
  const child = spawn(process.execPath, [`examples/${name}/server.js`, ...args], {
    cwd: ROOT,
    // It runs what was built, and the coverage that counts is that of the sources.
    env: { PATH: process.env.PATH, PORT: '0', _TAPJS_PROCESSINFO_COVERAGE_: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', text => { output += text })
  const exited = new Promise<number | null>(resolve => { child.once('close', resolve) })
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  return { child, exited, output: () => output }
}

/** Pages, each as in a browser of its own, and what went wrong inside of them. */
export class Pages {
  readonly faults: string[] = []
  readonly #browser: Browser

  constructor (browser: Browser) {
    this.#browser = browser
  }

  /** An empty one; it is closed when the test ends. */
  async blank (t: Test): Promise<Page> {
    const context = await this.#browser.newContext()
    t.teardown(() => context.close())
    context.setDefaultTimeout(60_000)
    const page = await context.newPage()
    page.on('pageerror', error => this.faults.push(error.message))
    page.on('console', message => { if (message.text().includes('Content Security Policy')) this.faults.push(message.text()) })
    return page
  }

  /** One that shows an example, and has a socket. */
  async open (t: Test, { address }: Pick<Example, 'address'>): Promise<Page> {
    const page = await this.blank(t)
    await page.goto(address)
    await isLive(page)
    return page
  }
}

export async function isLive (page: Page): Promise<void> {
  await page.locator('#state').filter({ hasText: /^Live$/ }).waitFor()
}
