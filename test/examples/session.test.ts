import { checkPrimeSync } from 'node:crypto'
import t from 'tap'
import type { Test } from 'tap'
import type { Page } from 'playwright-core'
import { launchBrowser } from '../helpers/chromium.js'
import { Pages, startExample } from '../helpers/example.js'
import type { Example } from '../helpers/example.js'
import { frame, openRaw } from '../helpers/raw.js'
import { openText } from '../helpers/text-client.js'
import type { TextClient } from '../helpers/text-client.js'
import { handmadeToken } from '../helpers/token.js'

const JWT_SECRET = 'a secret of the tests'
const INITIALISED = '{"state":"initialised","data":{}}'
const REFUSED = '{"state":"error","error":"Could not validate credentials."}'

// A browser and several processes, on a machine that may be slow.
t.setTimeout(300_000)

const start = (t: Test, env: Record<string, string> = {}) => startExample(t, 'session', { JWT_SECRET, ...env })

t.test('the pages of the session', async t => {
  const pages = new Pages(await launchBrowser(t))

  t.test('a long process is driven step by step, saved, and seen again', async t => {
    const page = await signIn(t, pages, await start(t))
    await ask(page, 3)
    await shows(page, '0 of 3')
    for (const done of [1, 2]) {
      await press(page, 'Next step')
      await shows(page, `${done} of 3`)
      t.equal(await page.getByRole('progressbar', { name: 'Found' }).evaluate((bar: { value?: number, max?: number }) => Number(bar.value) / Number(bar.max)), done / 3)
    }
    const found = await primes(page)
    t.equal(found.length, 2)
    for (const prime of found) t.ok(checkPrimeSync(BigInt(prime)), prime)

    await press(page, 'Save and end')
    await page.getByRole('heading', { name: '2 saved' }).waitFor()
    await page.getByRole('listitem').nth(1).waitFor()
    t.strictSame(await primes(page), found)
    await press(page, 'Begin another session')
    await page.getByLabel('How many').waitFor()
    t.strictSame(await primes(page), [])
  })

  t.test('all steps follow each other, to the end or until somebody says stop', async t => {
    const page = await signIn(t, pages, await start(t))
    await ask(page, 4)
    await press(page, 'All steps')
    await shows(page, '4 of 4')
    t.ok(await page.getByRole('button', { name: 'Next step' }).isDisabled())

    await ask(page, 20)
    await press(page, 'All steps')
    await press(page, 'Pause')
    await page.getByRole('button', { name: 'Next step', disabled: false }).waitFor()
    const before = (await primes(page)).length
    await press(page, 'Next step')
    await shows(page, `${before + 1} of 20`)
  })

  t.test('what may not be asked is said to be so, and the session goes on', async t => {
    const page = await signIn(t, pages, await start(t))
    await ask(page, 21)
    await page.getByRole('alert').filter({ hasText: 'things must be <= 20' }).waitFor()
    await ask(page, 1)
    await press(page, 'Next step')
    await shows(page, '1 of 1')
    t.equal(await page.locator('#problem').textContent(), '')
  })

  t.test('when the server was killed, the page says what is lost, and begins again', async t => {
    const session = await start(t)
    const page = await signIn(t, pages, session)
    await ask(page, 2)
    await session.end('SIGKILL')
    await page.getByText('The connection was lost. What had not been saved is gone.').waitFor()
    await start(t, { PORT: session.port })
    await press(page, 'Begin another session')
    await ask(page, 2)
    await shows(page, '0 of 2')
  })

  t.test('who is refused is asked to sign in again', async t => {
    const session = await start(t)
    const page = await signIn(t, pages, session)
    await session.end('SIGTERM')
    await page.getByText('The server was restarted.').waitFor()
    await start(t, { PORT: session.port, JWT_SECRET: 'another secret' })
    await press(page, 'Begin another session')
    await page.getByText('Your sign-in was not accepted.').waitFor()
    await page.getByRole('alert').filter({ hasText: 'Could not validate credentials.' }).waitFor()
    await press(page, 'Sign in')
    await press(page, 'Begin a session')
    await page.getByLabel('How many').waitFor()
  })

  t.test('in all this, no script of a page has failed or met the content security policy', async t => {
    t.strictSame(pages.faults, [])
  })
})

t.test('a session of a client that knows nothing but WebSocket and JSON', async t => {
  const session = await start(t)
  const token = await login(session)
  const client = await enter(t, session, token)
  t.strictSame(await answer(client, { state: 'nextThing' }), { state: 'error', error: 'Nothing has been started yet.' })
  t.strictSame(await answer(client, { state: 'startThings', data: { things: 2 } }), { state: 'startThings', data: { things: 2 } })
  const found: string[] = []
  for (const done of [1, 2]) {
    const { state, data } = await answer(client, { state: 'nextThing' })
    t.match({ state, data }, { state: 'nextThing', data: { done, things: 2 } })
    found.push(data?.thing as string)
    t.ok(checkPrimeSync(BigInt(data?.thing as string)))
  }
  t.match(await answer(client, { state: 'nextThing' }), { state: 'error', error: /^All of them are done/ })
  for (const data of [undefined, {}, { things: 0 }, { things: 21 }, { things: 'many' }, { things: null }, []]) {
    t.match(await answer(client, { state: 'startThings', data }), { state: 'error', error: /^The command cannot be carried out: / }, JSON.stringify(data))
  }
  t.match(await answer(client, { state: 'other' }), { state: 'error', error: /no command "other"/ })
  t.strictSame(await answer(client, { state: 'save' }), { state: 'save', data: { saved: 2 } })
  t.equal(await client.closed, 1000)
  t.equal(client.texts.at(-1), '{"state":"save","data":{"saved":2}}', 'nothing follows')

  const things = async (authorization: string) => await fetch(`${session.address}/things`, { headers: { authorization } })
  t.strictSame(await (await things(`Bearer ${token}`)).json(), { things: found })
  t.strictSame(await (await things(`Bearer ${await login(session)}`)).json(), { things: [] }, 'and nobody else’s')
  t.equal((await things('Bearer nonsense')).status, 401)
})

t.test('who is refused is told so once, and that is the end', async t => {
  const session = await start(t)
  const head = { alg: 'HS256', typ: 'JWT' }
  const [expired, withoutEnd] = [handmadeToken(head, { sub: 'ada', exp: 1 }, JWT_SECRET), handmadeToken(head, { sub: 'ada' }, JWT_SECRET)]
  for (const first of ['{"token":"nonsense"}', '{"token":7}', '{}', 'no JSON', '{"state":"save"}', ...[expired, withoutEnd].map(token => JSON.stringify({ token }))]) {
    const client = await openText(t, `${session.ws}/session`, first)
    t.equal(await client.closed, 4401)
    t.strictSame(client.texts, [REFUSED], first)
  }
})

t.test('a client of bare bytes comes in and saves nothing, which is no mistake', async t => {
  const session = await start(t)
  const client = await openRaw(t, `${session.ws}/session`)
  client.write(frame(JSON.stringify({ token: await login(session) })))
  await client.received(INITIALISED)
  client.write(frame('{"state":"save"}'))
  await client.received('{"state":"save","data":{"saved":0}}')
  t.equal(await client.closeCode(), 1000)
  t.notMatch(client.text(), 'WS', 'nothing of the protocol')
})

t.test('two sessions of one user know nothing of each other', async t => {
  const session = await start(t)
  const token = await login(session)
  const [one, other] = [await enter(t, session, token), await enter(t, session, token)]
  await answer(one, { state: 'startThings', data: { things: 1 } })
  t.match(await answer(other, { state: 'nextThing' }), { state: 'error' })
  t.match(await answer(one, { state: 'nextThing' }), { data: { done: 1 } })
  t.equal(other.texts.length, 2)
})

t.test('steps that are asked for at once are made one after the other', async t => {
  const session = await start(t)
  const client = await enter(t, session, await login(session))
  client.send('{"state":"startThings","data":{"things":5}}')
  for (let step = 0; step < 5; step++) client.send('{"state":"nextThing"}')
  await client.next()
  for (let done = 1; done <= 5; done++) t.match(JSON.parse(await client.next()), { state: 'nextThing', data: { done, things: 5 } })
})

t.test('a session ends with its token', async t => {
  const session = await start(t, { TOKEN_LIFETIME: '2 seconds' })
  const client = await enter(t, session, await login(session))
  t.equal(await client.closed, 4419)
  t.strictSame(client.texts, [INITIALISED])
})

t.test('who leaves in the middle of a step, or is there when the server stops, harms nothing', async t => {
  const session = await start(t)
  const gone = await enter(t, session, await login(session))
  await answer(gone, { state: 'startThings', data: { things: 1 } })
  gone.send('{"state":"nextThing"}')
  gone.socket.terminate()
  const client = await enter(t, session, await login(session))
  await answer(client, { state: 'startThings', data: { things: 1 } })
  t.match(await answer(client, { state: 'nextThing' }), { data: { done: 1 } })
  t.equal(await session.end('SIGTERM'), 0)
  t.equal(await client.closed, 1012)
  t.match(session.output(), /Ctrl\+C stops it\.\n*$/, 'nothing has gone wrong')
})

t.test('the session that the server prints works as it is printed', async t => {
  const session = await start(t, { REDIS_URL: 'redis://127.0.0.1:1' })
  const lines = session.output().split('\n').filter(line => line.startsWith('{'))
  t.equal(lines.length, 4)
  const client = await openText(t, `${session.ws}/session`)
  for (const line of lines) {
    client.send(line)
    t.notMatch(await client.next(), 'error', line)
  }
  t.equal(await client.closed, 1000)
  t.match(session.output(), 'It is one process, in memory.', 'Redis is nothing to it')
})

t.test('who has no name does not get a token', async t => {
  const { address } = await start(t)
  for (const body of [{}, { name: '  ' }, { name: 'x'.repeat(41) }]) {
    const { status } = await fetch(`${address}/login`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
    t.equal(status, 400)
  }
})

async function login ({ address }: Example): Promise<string> {
  const response = await fetch(`${address}/login`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"name":"Ada"}' })
  return (await response.json() as { token: string }).token
}

async function enter (t: Test, { ws }: Example, token: string): Promise<TextClient> {
  const client = await openText(t, `${ws}/session`, JSON.stringify({ token }))
  t.equal(await client.next(), INITIALISED)
  return client
}

interface Answer {
  state: string
  data?: Record<string, unknown>
  error?: string
}

async function answer (client: TextClient, question: object): Promise<Answer> {
  client.send(JSON.stringify(question))
  return JSON.parse(await client.next())
}

async function signIn (t: Test, pages: Pages, { address }: Example): Promise<Page> {
  const page = await pages.blank(t)
  await page.goto(address)
  await page.getByLabel('Your name').fill('Ada')
  await press(page, 'Begin a session')
  await page.getByLabel('How many').waitFor()
  return page
}

async function press (page: Page, name: string): Promise<void> {
  await page.getByRole('button', { name, exact: true }).click()
}

async function ask (page: Page, things: number): Promise<void> {
  await page.getByLabel('How many').fill(String(things))
  await press(page, 'Start')
}

async function shows (page: Page, count: string): Promise<void> {
  await page.locator('#count').filter({ hasText: new RegExp(`^${count}$`) }).waitFor()
}

async function primes (page: Page): Promise<string[]> {
  return await page.locator('#found .start').allInnerTexts()
}
