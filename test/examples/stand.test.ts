import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import type { Test } from 'tap'
import type { Browser, Locator, Page } from 'playwright-core'
import { launchBrowser } from '../helpers/chromium.js'
import { startRedis } from '../helpers/redis.js'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** Signs the tokens of processes that are to accept each other's. */
const JWT_SECRET = 'a secret of the tests'
/** What went wrong inside of pages, in all tests. */
const faults: string[] = []

if (!existsSync(new URL('../../dist/index.js', import.meta.url))) execFileSync('npm', ['run', 'build'], { cwd: ROOT })

// A browser and many processes, on a machine that may be slow.
t.setTimeout(300_000)

t.test('the stand board', async t => {
  const browser = await launchBrowser(t)

  t.test('a change shows at once on every open page, with who made it', async t => {
    const stand = await startStand(t)
    const ada = await signIn(t, browser, stand, 'Ada')
    const maud = await signIn(t, browser, stand, 'Maud')
    // The highlight goes away again, so it is watched for from before the change.
    const highlighted = [ada, maud].map(page => shows(card(page, 'Noor Haddad').and(page.locator('.changed'))))
    await Promise.all([step(ada, 'Noor Haddad', 'Paid').check(), ...highlighted])
    for (const page of [ada, maud]) {
      await shows(step(page, 'Noor Haddad', 'Paid', true))
      await shows(feed(page, 'Ada marked Noor Haddad as paid'))
      await shows(page.getByText('2 volunteers here'))
    }
    await step(maud, 'Noor Haddad', 'Paid').uncheck()
    await shows(step(ada, 'Noor Haddad', 'Paid', false))
    await shows(feed(ada, 'Maud marked Noor Haddad as not paid'))

    await maud.getByRole('button', { name: 'Sign out' }).click()
    await shows(maud.getByLabel('Your name'))
    await shows(ada.getByText('1 volunteer here'))
  })

  t.test('a note that is being written is not lost when somebody else changes the file', async t => {
    const stand = await startStand(t)
    const ada = await signIn(t, browser, stand, 'Ada')
    const maud = await signIn(t, browser, stand, 'Maud')
    const note = card(ada, 'Yuki Tanaka').getByLabel('Note')
    await note.fill('Speaks Japanese')
    await step(maud, 'Yuki Tanaka', 'Registered').check()
    await shows(step(ada, 'Yuki Tanaka', 'Registered', true))
    t.equal(await note.inputValue(), 'Speaks Japanese')
    await card(ada, 'Yuki Tanaka').getByRole('button', { name: 'Save' }).click()
    await shows(feed(maud, 'Ada noted on Yuki Tanaka: “Speaks Japanese”'))
    t.equal(await card(maud, 'Yuki Tanaka').getByLabel('Note').inputValue(), 'Speaks Japanese')
  })

  t.test('the curl line that the server prints changes what open pages show', async t => {
    const stand = await startStand(t)
    const page = await signIn(t, browser, stand, 'Ada')
    const { stdout } = await run('sh', ['-c', stand.curl])
    t.match(JSON.parse(stdout), { id: '1', firstname: 'Noor', paid: true })
    await shows(step(page, 'Noor Haddad', 'Paid', true))
    await shows(feed(page, 'The terminal marked Noor Haddad as paid'))
  })

  t.test('pages come back by themselves after the server was killed, and hear of the next change', async t => {
    const stand = await startStand(t)
    const ada = await signIn(t, browser, stand, 'Ada')
    const maud = await signIn(t, browser, stand, 'Maud')
    await stand.end('SIGKILL')
    for (const page of [ada, maud]) await shows(state(page, /^Reconnecting/))

    await startStand(t, { PORT: stand.port })
    for (const page of [ada, maud]) await shows(state(page, /^Live$/))
    await step(ada, 'Hugo Delmas', 'Registered').check()
    await shows(step(maud, 'Hugo Delmas', 'Registered', true))
    await shows(feed(maud, 'Ada marked Hugo Delmas as registered'))
  })

  t.test('a token that the server refuses sends the page back to sign in', async t => {
    const stand = await startStand(t)
    const page = await signIn(t, browser, stand, 'Ada')
    await stand.end('SIGKILL')
    await startStand(t, { PORT: stand.port, JWT_SECRET: 'another secret' })
    await shows(page.getByRole('alert').filter({ hasText: 'did not accept your session' }))
    t.equal(await page.getByLabel('Your name').inputValue(), 'Ada')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await shows(state(page, /^Live$/))
    t.equal(await page.getByRole('article').count(), 12)
  })

  t.test('a page that is reloaded is still signed in', async t => {
    const stand = await startStand(t)
    const page = await signIn(t, browser, stand, 'Ada')
    await page.reload()
    await shows(state(page, /^Live$/))
    await shows(page.getByText('Signed in as Ada'))
  })

  t.test('names and notes that hold HTML are shown as text', async t => {
    const html = '<img src=x onerror=alert(1)><b>Eve</b>'
    const stand = await startStand(t)
    const eve = await signIn(t, browser, stand, html)
    const ada = await signIn(t, browser, stand, 'Ada')
    await card(eve, 'Noor Haddad').getByLabel('Note').fill(html)
    await card(eve, 'Noor Haddad').getByRole('button', { name: 'Save' }).click()
    for (const page of [eve, ada]) {
      await shows(feed(page, `${html} noted on Noor Haddad: “${html}”`))
      t.equal(await page.locator('img[src=x], b').count(), 0)
    }
    await shows(eve.getByText(`Signed in as ${html}`))
  })

  t.test('two processes that share a Redis are one board', async t => {
    const redis = await startRedis(t)
    const [first, second] = await Promise.all([startStand(t, { REDIS_URL: redis.url }), startStand(t, { REDIS_URL: redis.url })])
    const ada = await signIn(t, browser, first, 'Ada')
    const maud = await signIn(t, browser, second, 'Maud')
    for (const page of [ada, maud]) await shows(page.getByText('2 volunteers here'))
    await step(ada, 'Priya Raman', 'Paid').check()
    await shows(step(maud, 'Priya Raman', 'Paid', true))
    await shows(feed(maud, 'Ada marked Priya Raman as paid'))
    // Who comes later sees the same files in either process.
    await shows(step(await signIn(t, browser, second, 'Zoé'), 'Priya Raman', 'Paid', true))

    t.equal(await first.end('SIGTERM'), 0)
    await shows(maud.getByText('2 volunteers here'))
  })

  t.test('a page that was cut off is sent what it has missed, and need not load anything', async t => {
    const redis = await startRedis(t)
    const [first, second] = await Promise.all([startStand(t, { REDIS_URL: redis.url }), startStand(t, { REDIS_URL: redis.url })])
    const ada = await signIn(t, browser, first, 'Ada')
    const maud = await signIn(t, browser, second, 'Maud')
    await second.end('SIGKILL')
    await shows(state(maud, /^Reconnecting/))
    await step(ada, 'Hugo Delmas', 'Paid').check()
    await shows(feed(ada, 'Ada marked Hugo Delmas as paid'))
    let loads = 0
    maud.on('request', request => { if (request.url().endsWith('/cdr/users')) loads++ })
    await startStand(t, { PORT: second.port, REDIS_URL: redis.url })
    await shows(state(maud, /^Live$/))
    await shows(step(maud, 'Hugo Delmas', 'Paid', true))
    await shows(feed(maud, 'Ada marked Hugo Delmas as paid'))
    t.equal(loads, 0)
  })

  t.test('what any program publishes to the channel in Redis reaches the page', async t => {
    const redis = await startRedis(t)
    const stand = await startStand(t, { REDIS_URL: redis.url })
    const page = await signIn(t, browser, stand, 'Ada')
    const message = { command: 'UPDATE_USER', data: { id: '9', teeShirt: true } }
    const { stdout } = await run('redis-cli', ['-p', String(redis.port), 'PUBLISH', 'rooms:cdr', JSON.stringify(message)])
    t.equal(stdout.trim(), '1')
    await shows(step(page, 'Emeka Obi', 'Tee-shirt', true))
    await shows(feed(page, 'Somebody handed Emeka Obi a tee-shirt'))
  })

  t.test('a page that was told to look again shows what changed while messages were lost', async t => {
    const redis = await startRedis(t)
    const stand = await startStand(t, { REDIS_URL: redis.url })
    const page = await signIn(t, browser, stand, 'Ada')
    await run('redis-cli', ['-p', String(redis.port), 'HSET', 'stand:students:9', 'paid', 'true'])
    await run('redis-cli', ['-p', String(redis.port), 'PUBLISH', 'rooms:cdr', '{"command":"WSStatus","data":{"status":"resync"}}'])
    await shows(step(page, 'Emeka Obi', 'Paid', true))
    await shows(feed(page, 'One file changed while this page was away'))
    await shows(state(page, /^Live$/))
  })

  t.test('SIGTERM ends the process properly, although pages are open', async t => {
    const stand = await startStand(t)
    const page = await signIn(t, browser, stand, 'Ada')
    t.equal(await stand.end('SIGTERM'), 0)
    await shows(state(page, /^Reconnecting/))
  })

  t.test('in all this, no script of a page has failed or met the content security policy', async t => {
    t.strictSame(faults, [])
  })
})

t.test('a port that is taken is named, with what to do', async t => {
  const stand = await startStand(t)
  const second = spawnStand(t, { PORT: stand.port })
  t.equal(await second.exited, 1)
  t.match(second.output(), `Port ${stand.port} of 127.0.0.1 is taken.`)
})

t.test('a Redis that is not there is named, too', async t => {
  const stand = spawnStand(t, { REDIS_URL: 'redis://:a-password@127.0.0.1:1' })
  t.equal(await stand.exited, 1)
  t.match(stand.output(), 'Redis cannot be reached at 127.0.0.1:1.')
  t.notMatch(stand.output(), 'a-password')
})

t.test('only a signed-in volunteer changes files, and only what there is to change', async t => {
  const { address } = await startStand(t)
  const post = (body: object) => fetch(`${address}/session`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  const { token } = await (await post({ name: ' Ada ' })).json() as { token: string }
  const patch = (id: string, body: object, authorization = `Bearer ${token}`) => {
    return fetch(`${address}/cdr/users/${id}`, { method: 'PATCH', headers: { authorization, 'content-type': 'application/json' }, body: JSON.stringify(body) })
  }
  t.equal((await post({ name: '   ' })).status, 400)
  t.equal((await post({ name: 'a'.repeat(41) })).status, 400)
  t.equal((await fetch(`${address}/cdr/users`)).status, 401)
  t.equal((await patch('1', { paid: true }, 'Bearer nonsense')).status, 401)
  t.equal((await patch('1', {})).status, 400)
  t.equal((await patch('1', { paid: 'true' })).status, 400)
  t.equal((await patch('1', { promo: 1900 })).status, 400)
  t.equal((await patch('99', { paid: true })).status, 404)
  t.equal((await patch('__proto__', { paid: true })).status, 404)
  t.match(await (await patch('1', { paid: true })).json(), { paid: true, version: 1, change: { by: 'Ada', fields: ['paid'] } })
})

t.test('the page may load nothing from elsewhere', async t => {
  const { address } = await startStand(t)
  const { headers } = await fetch(address)
  t.match(headers.get('content-security-policy'), /^default-src 'none'; script-src 'self';/)
})

interface Stand {
  readonly address: string
  readonly port: string
  readonly curl: string
  /** Ends the process; resolves with its exit code. */
  end (signal: NodeJS.Signals): Promise<number | null>
}

/** The demo as `npm start` runs it, on a free port, and listening. */
async function startStand (t: Test, env: Record<string, string> = {}): Promise<Stand> {
  const { child, exited, output } = spawnStand(t, { JWT_SECRET, ...env })
  const lastLine = 'Ctrl+C stops it.'
  while (!output().includes(lastLine)) {
    const more = once(child.stdout, 'data').then(() => true)
    if (await Promise.race([more, exited]) !== true) throw new Error(`the demo ended at once: ${output()}`)
  }
  const address = /http:\/\/\S+/.exec(output())?.[0] ?? ''
  return {
    address,
    port: new URL(address).port,
    curl: /^curl .+$/m.exec(output())?.[0] ?? '',
    end (signal) {
      child.kill(signal)
      return exited
    }
  }
}

function spawnStand (t: Test, env: Record<string, string>) {
  const child = spawn(process.execPath, ['examples/stand/server.js'], {
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

/** A page of its own, as on a tablet of its own. */
async function signIn (t: Test, browser: Browser, { address }: Stand, name: string): Promise<Page> {
  const context = await browser.newContext()
  t.teardown(() => context.close())
  context.setDefaultTimeout(60_000)
  const page = await context.newPage()
  page.on('pageerror', error => faults.push(error.message))
  page.on('console', message => { if (message.text().includes('Content Security Policy')) faults.push(message.text()) })
  await page.goto(address)
  await page.getByLabel('Your name').fill(name)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await shows(state(page, /^Live$/))
  return page
}

/** Waits until the page shows it. */
async function shows (what: Locator): Promise<void> {
  await what.waitFor()
}

function state (page: Page, text: RegExp): Locator {
  return page.locator('#state').filter({ hasText: text })
}

function card (page: Page, student: string): Locator {
  return page.getByRole('article', { name: student })
}

function step (page: Page, student: string, name: string, checked?: boolean): Locator {
  return card(page, student).getByRole('checkbox', { name, ...(checked !== undefined && { checked }) })
}

/** The newest entries come first; what somebody did earlier may be there in the same words. */
function feed (page: Page, text: string): Locator {
  return page.getByRole('log').getByRole('listitem').filter({ hasText: text }).first()
}
