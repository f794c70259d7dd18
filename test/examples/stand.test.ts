import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import t from 'tap'
import type { Test } from 'tap'
import type { Browser, Locator, Page } from 'playwright-core'
import { FaultProxy } from '../../faults/shared.js'
import { until } from '../helpers/app.js'
import { launchBrowser } from '../helpers/chromium.js'
import { join, open, refusalOf, status } from '../helpers/client.js'
import type { Frame } from '../helpers/client.js'
import { spawnExample, startExample } from '../helpers/example.js'
import type { Example } from '../helpers/example.js'
import { HyperionClient } from '../helpers/hyperion.js'
import { startRedis } from '../helpers/redis.js'
import { handmadeToken } from '../helpers/token.js'

declare global {
  // What runs in pages is written here, and compiled with the rest.
  var sessionStorage: { getItem (key: string): string | null, setItem (key: string, value: string): void }
}

const run = promisify(execFile)
/** Signs the tokens of processes that are to accept each other's. */
const JWT_SECRET = 'a secret of the tests'
/** What went wrong inside of pages, in all tests. */
const faults: string[] = []
/** What the sockets of pages have received. */
const recorded = new WeakMap<Page, Frame[]>()

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

  t.test('a page renews its token in time, on the open socket and for its requests, and stays signed in', async t => {
    const stand = await startStand(t, { TOKEN_LIFETIME: '8s' })
    const page = await signIn(t, browser, stand, 'Ada')
    const first = await tokenOf(page)
    const frames = framesOf(page)
    // Each is renewed when half of its life is over, so the third comes when the first one has expired.
    for (const times of [1, 2, 3]) await until(() => frames().filter(({ data }) => data?.status === 'refreshed').length >= times)
    t.equal((await fetch(`${stand.address}/cdr/users`, { headers: { authorization: `Bearer ${first}` } })).status, 401)
    await step(page, 'Hugo Delmas', 'Paid').check()
    await shows(feed(page, 'Ada marked Hugo Delmas as paid'))
    t.notOk(frames().some(isConnected), 'over one connection')
    await page.reload()
    await shows(state(page, /^Live$/))
    await shows(page.getByText('Signed in as Ada'))
  })

  t.test('a page without a network says so, and comes back when there is one again', async t => {
    const stand = await startStand(t)
    const page = await signIn(t, browser, stand, 'Ada')
    await page.context().setOffline(true)
    await stand.end('SIGKILL')
    await shows(state(page, /^No network$/))
    await startStand(t, { PORT: stand.port })
    await page.context().setOffline(false)
    await shows(state(page, /^Live$/))
  })

  t.test('who may not use the board is told so, and the page does not try again', async t => {
    const stand = await startStand(t)
    const { guest } = await visit(stand)
    const context = await browser.newContext()
    t.teardown(() => context.close())
    const page = await context.newPage()
    watch(page)
    await page.goto(stand.address)
    await page.evaluate(session => sessionStorage.setItem('session', session), JSON.stringify({ name: 'Guest', token: guest }))
    await page.reload()
    await shows(state(page, /^Refused$/))
    await shows(page.getByRole('alert').filter({ hasText: 'You may not use this board.' }))
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
    const frames = framesOf(maud)
    await startStand(t, { PORT: second.port, REDIS_URL: redis.url })
    await shows(state(maud, /^Live$/))
    await shows(step(maud, 'Hugo Delmas', 'Paid', true))
    await shows(feed(maud, 'Ada marked Hugo Delmas as paid'))
    t.match(frames().find(isConnected), { data: { rooms: { cdr: { recovered: true } } } })
    t.notOk(frames().some(({ command }) => command === 'WSSnapshot'))
  })

  t.test('what a page shows first comes over the socket, and it fetches nothing', async t => {
    const stand = await startStand(t)
    const context = await browser.newContext()
    t.teardown(() => context.close())
    const page = await context.newPage()
    const requests: string[] = []
    page.on('request', request => requests.push(new URL(request.url()).pathname))
    await enter(page, stand, 'Ada')
    t.equal(await page.getByRole('article').count(), 12)
    const [first, second] = recorded.get(page) as Frame[]
    t.match(first, { data: { status: 'connected' } })
    t.equal(second?.command, 'WSSnapshot')
    t.notOk(requests.includes('/cdr/users'))
    t.ok(requests.includes('/fastify-rooms/client/index.js'), 'nor is the client a copy')
  })

  t.test('a server that starts anew with nothing in memory says so, and the page shows what there is', async t => {
    const stand = await startStand(t)
    const page = await signIn(t, browser, stand, 'Ada')
    await step(page, 'Hugo Delmas', 'Paid').check()
    await shows(feed(page, 'Ada marked Hugo Delmas as paid'))
    const frames = framesOf(page)
    await stand.end('SIGTERM')
    await startStand(t, { PORT: stand.port })
    await shows(step(page, 'Hugo Delmas', 'Paid', false))
    await shows(feed(page, 'One file changed in the meantime'))
    const connected = frames().findIndex(isConnected)
    t.match(frames()[connected], { data: { rooms: { cdr: { recovered: false, reason: 'epoch' } } } })
    t.equal(frames()[connected + 1]?.command, 'WSSnapshot')
  })

  t.test('others are told of changes only while the event is on site', async t => {
    const stand = await startStand(t)
    const ada = await signIn(t, browser, stand, 'Ada')
    const maud = await signIn(t, browser, stand, 'Maud')
    await ada.getByLabel('Event').selectOption('Closed')
    for (const page of [ada, maud]) await shows(page.getByText('The event is not on site'))
    const frames = framesOf(maud)
    await step(ada, 'Emeka Obi', 'Paid').check()
    await shows(card(ada, 'Emeka Obi').getByText(/ · Ada$/)) // the server has it

    await ada.getByLabel('Event').selectOption('On site')
    for (const page of [ada, maud]) await page.getByText('The event is not on site').waitFor({ state: 'hidden' })
    await shows(step(maud, 'Emeka Obi', 'Paid', true))
    t.notOk(frames().some(({ command }) => command === 'UPDATE_USER'))
    await shows(feed(maud, 'One file changed in the meantime'))
    await step(ada, 'Emeka Obi', 'Registered').check()
    await shows(feed(maud, 'Ada marked Emeka Obi as registered'))
  })

  t.test('who writes a note is seen writing by the others', async t => {
    const stand = await startStand(t)
    const ada = await signIn(t, browser, stand, 'Ada')
    const maud = await signIn(t, browser, stand, 'Maud')
    const seen = shows(card(maud, 'Yuki Tanaka').getByText('Ada is writing…'))
    const frames = framesOf(ada)
    await card(ada, 'Yuki Tanaka').getByLabel('Note').pressSequentially('Speaks')
    await seen
    await until(() => frames().some(({ command, data }) => command === 'WRITING' && data?.by === 'Ada')) // as a message, not as the reply
    t.notOk(await card(ada, 'Yuki Tanaka').getByText('Ada is writing…').isVisible())
    await card(maud, 'Yuki Tanaka').getByText('Ada is writing…').waitFor({ state: 'hidden' })
  })

  t.test('two processes behind one port are one board, and one that is killed is replaced', async t => {
    const redis = await startRedis(t)
    const stand = await startStand(t, { REDIS_URL: redis.url }, ['--processes', '2'])
    const pages = await Promise.all(['Ada', 'Maud', 'Zoé', 'Léo'].map(name => signIn(t, browser, stand, name)))
    const [ada, maud] = pages as [Page, Page]
    await shows(ada.getByText('4 volunteers here'))
    await step(ada, 'Priya Raman', 'Paid').check()
    for (const page of pages) await shows(feed(page, 'Ada marked Priya Raman as paid'))

    const workers = await childrenOf(stand.pid)
    t.equal(workers.length, 2)
    process.kill(workers[0] as number, 'SIGKILL')
    await until(async () => (await childrenOf(stand.pid)).some(pid => pid !== workers[0] && pid !== workers[1]))
    await step(maud, 'Priya Raman', 'Tee-shirt').check()
    for (const page of pages) await shows(step(page, 'Priya Raman', 'Tee-shirt', true))
    for (const page of pages) await shows(state(page, /^Live$/))
    t.equal(await stand.end('SIGTERM'), 0)
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
    await shows(feed(page, 'One file changed in the meantime'))
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
  const second = spawnExample(t, 'stand', { PORT: stand.port })
  t.equal(await second.exited, 1)
  t.match(second.output(), `Port ${stand.port} of 127.0.0.1 is taken.`)
})

t.test('several processes need a Redis, and say so', async t => {
  const stand = spawnExample(t, 'stand', {}, ['--processes', '2'])
  t.equal(await stand.exited, 1)
  t.match(stand.output(), 'Several processes need a Redis that joins them')
})

t.test('several processes that cannot start end, and say why', async t => {
  const stand = spawnExample(t, 'stand', { REDIS_URL: 'redis://127.0.0.1:1' }, ['--processes', '2'])
  t.equal(await stand.exited, 1)
  t.match(stand.output(), 'Redis cannot be reached at 127.0.0.1:1.')
})

t.test('what cannot be understood on the command line, or of the variables, is named, with what can', async t => {
  const [unknown, wrong] = [spawnExample(t, 'stand', {}, ['--proceses', '2']), spawnExample(t, 'stand', {}, ['--processes', 'two'])]
  t.equal(await unknown.exited, 1)
  t.match(unknown.output(), 'npm start -- --processes 2')
  t.equal(await wrong.exited, 1)
  t.match(wrong.output(), '--processes must be a number from 1 to 99, and is two.')
  const endless = spawnExample(t, 'stand', { TOKEN_LIFETIME: 'for ever' })
  t.equal(await endless.exited, 1)
  t.match(endless.output(), 'TOKEN_LIFETIME must be a time such as 20s or 1 hour, and is for ever.')
})

t.test('a change whose message cannot be sent is made all the same, is logged, and is seen as soon as it can', async t => {
  const redis = await startRedis(t)
  const stand = await startStand(t, { REDIS_URL: redis.url })
  const { url, token, patch } = await visit(stand)
  const member = await join(t, url, token)
  await member.next('WSSnapshot')
  // Files can still be written, but nothing can be appended to the history of the room.
  await run('redis-cli', ['-p', String(redis.port), 'ACL', 'SETUSER', 'default', '-eval', '-evalsha'])
  const response = await patch('/cdr/users/1', { paid: true })
  t.equal(response.status, 200)
  t.match(await response.json(), { id: '1', paid: true })
  await until(() => stand.output().includes('message could not be sent to the room'))

  await run('redis-cli', ['-p', String(redis.port), 'ACL', 'SETUSER', 'default', '+eval', '+evalsha'])
  const told = await member.next('WSStatus')
  t.equal(told.data?.status, 'resync')
  t.notOk(member.frames.some(({ command }) => command === 'UPDATE_USER'))
  const again = await join(t, url, token)
  const { data } = await again.next('WSSnapshot') as unknown as { data: { students: object[] } }
  t.match(data.students[0], { id: '1', paid: true })
})

t.test('Redis says nothing to whoever sends messages: a change does not wait for that', async t => {
  const redis = await startRedis(t)
  const proxy = await FaultProxy.start(redis.port)
  t.teardown(() => proxy.close())
  const stand = await startStand(t, { REDIS_URL: `redis://127.0.0.1:${proxy.port}` })
  const { url, token, patch } = await visit(stand)
  const member = await join(t, url, token)
  await member.next('WSSnapshot')
  const [, ...ofRooms] = proxy.links() // the first connection is that of the files
  for (const link of ofRooms) link.mode = 'blackhole'
  proxy.arriving = 'refuse'
  const response = await patch('/cdr/users/1', { paid: true })
  t.equal(response.status, 200)
  t.match(await response.json(), { id: '1', paid: true })
  await until(() => stand.output().includes('message could not be sent to the room'))
  proxy.arriving = 'pass'
  t.equal((await member.next('WSStatus')).data?.status, 'resync')
  t.equal((await patch('/cdr/users/2', { paid: false })).status, 200)
  t.match(await member.next('UPDATE_USER'), { data: { id: '2', paid: false } })
})

t.test('Redis hangs: a change is refused in time, and can be made when it is over', async t => {
  const redis = await startRedis(t)
  const stand = await startStand(t, { REDIS_URL: redis.url })
  const { patch } = await visit(stand)
  await redis.kill('SIGSTOP')
  const refused = await patch('/cdr/users/1', { paid: true })
  t.equal(refused.status, 503)
  t.match(await refused.json(), { message: /^The files cannot be reached now/ })
  await redis.kill('SIGCONT')
  await until(async () => (await patch('/cdr/users/1', { paid: true })).status === 200)
})

t.test('a client that knows nothing but WebSocket and JSON is served', async t => {
  const stand = await startStand(t)
  const { url, token, patch } = await visit(stand)
  const client = await open(t, url)
  client.send({ token })
  t.match(await client.next(), { command: 'WSStatus', data: { status: 'connected', rooms: { cdr: { seq: 0 } } } })
  const snapshot = await client.next() as unknown as { command: string, data: { event: object, students: object[] } }
  t.equal(snapshot.command, 'WSSnapshot')
  t.strictSame(snapshot.data.event, { status: 'onsite' })
  t.equal(snapshot.data.students.length, 12)

  const answer = await (await patch('/cdr/users/4', { note: 'Speaks Japanese' })).json()
  const told = await client.next('UPDATE_USER')
  t.strictSame(told.data, answer, 'one schema for the answer and the message')
  t.equal(told.seq, 1)

  await patch('/cdr/event', { status: 'pending' })
  t.strictSame((await client.next('EVENT')).data, { status: 'pending' })
  t.equal((await patch('/cdr/users/4', { note: '' })).status, 200)
  await patch('/cdr/event', { status: 'onsite' })
  t.strictSame((await client.next('EVENT')).data, { status: 'onsite' })
  t.equal(client.frames.filter(({ command }) => command === 'UPDATE_USER').length, 1)

  client.send({ command: 'WRITING', data: { id: '4' } })
  t.match(await client.next('WRITING'), { data: { id: '4', by: 'Ada' } })
  client.send({ command: 'WRITING', data: { id: 4 }, id: 1 })
  t.match(await client.next('WSError'), { id: 1, data: { code: 'FST_ROOMS_INVALID_COMMAND' } })
})

t.test('a client that comes back is sent what it has missed, and no snapshot', async t => {
  const { url, token, patch } = await visit(await startStand(t))
  const before = await join(t, url, token)
  await patch('/cdr/users/1', { paid: true })
  const { seq, mid } = await before.next('UPDATE_USER')
  const { epoch } = (before.frames[0]?.data as { rooms: { cdr: { epoch: string } } }).rooms.cdr
  before.socket.terminate()
  await patch('/cdr/users/2', { teeShirt: true })

  const after = await open(t, url)
  after.send({ token, recover: { cdr: { epoch, seq, mid } } })
  t.match(await after.next(), { data: { status: 'connected', rooms: { cdr: { recovered: true, seq } } } })
  t.match(await after.next('UPDATE_USER'), { data: { id: '2', teeShirt: true } })
  t.notOk(after.frames.some(({ command }) => command === 'WSSnapshot'))
})

t.test('a web client of Hyperion works on the board with no change on its side', async t => {
  const { address, token, patch } = await visit(await startStand(t))
  const client = new HyperionClient(address, token)
  t.teardown(() => client.close())
  client.show(await (await fetch(`${address}/cdr/users`, { headers: { authorization: `Bearer ${token}` } })).json() as Array<{ id: string }>)
  t.equal(client.users.size, 12)
  client.open()
  await until(() => client.statuses.length === 1)
  const answer = await (await patch('/cdr/users/7', { registered: true })).json()
  await until(() => client.statuses.length === 2)
  t.strictSame(client.users.get('7'), answer)
  client.send('{"command":"HELLO","data":{}}')
  await patch('/cdr/event', { status: 'pending' })
  await patch('/cdr/users/7', { paid: true }) // of which nobody is told
  await patch('/cdr/event', { status: 'onsite' })
  await patch('/cdr/users/8', { paid: true })
  await until(() => client.statuses.length === 3)
  t.match(client.users.get('8'), { paid: true })
  t.match(client.users.get('7'), { paid: false })
  t.equal(client.sockets, 3, 'one for each list that it had, and none for what it does not know')
  t.strictSame(client.statuses, ['connected', 'connected', 'connected'])
  t.strictSame(client.errors, [])

  const other = new HyperionClient(address, 'nonsense')
  other.open()
  await until(() => other.codes.length === 1)
  t.strictSame([other.statuses, other.codes], [['invalid_token'], [4401]])
})

t.test('who is no volunteer, or nobody, is not let in', async t => {
  const { url, guest, address } = await visit(await startStand(t))
  t.match(await refusalOf(t, url, { token: guest }), { frames: [status('forbidden')], code: 4403 })
  t.match(await refusalOf(t, url, { token: 'nonsense' }), { frames: [status('invalid_token')], code: 4401 })
  t.equal((await fetch(`${address}/cdr/users`, { headers: { authorization: `Bearer ${guest}` } })).status, 403)
})

t.test('only a signed-in volunteer changes files, and only what there is to change', async t => {
  const { address, post, patch } = await visit(await startStand(t))
  t.equal((await post({ name: '   ' })).status, 400)
  t.equal((await post({ name: 'a'.repeat(41) })).status, 400)
  t.equal((await fetch(`${address}/cdr/users`)).status, 401)
  t.equal((await patch('/cdr/users/1', { paid: true }, 'Bearer nonsense')).status, 401)
  t.equal((await patch('/cdr/users/1', {})).status, 400)
  t.equal((await patch('/cdr/users/1', { paid: 'true' })).status, 400)
  t.equal((await patch('/cdr/users/1', { promo: 1900 })).status, 400)
  t.equal((await patch('/cdr/users/99', { paid: true })).status, 404)
  t.equal((await patch('/cdr/users/__proto__', { paid: true })).status, 404)
  t.equal((await patch('/cdr/event', { status: 'open' })).status, 400)
  t.match(await (await patch('/cdr/users/1', { paid: true })).json(), { paid: true, version: 1, change: { by: 'Ada', fields: ['paid'] } })
})

t.test('a good token is renewed for the same volunteer, and no other is', async t => {
  const { address, token, guest } = await visit(await startStand(t))
  const renew = (token?: string) => fetch(`${address}/session/renewal`, { method: 'POST', ...token !== undefined && { headers: { authorization: `Bearer ${token}` } } })
  t.equal((await renew()).status, 401)
  t.equal((await renew('nonsense')).status, 401)
  t.equal((await renew(guest)).status, 403)
  const renewed = await (await renew(token)).json() as { name: string, token: string }
  t.equal(renewed.name, 'Ada')
  const { sub } = claimsOf(token)
  t.match(claimsOf(renewed.token), { sub, name: 'Ada', volunteer: true, exp: Number })
})

t.test('the page may load nothing from elsewhere, and run no script in it but its import map', async t => {
  const { address } = await startStand(t)
  const response = await fetch(address)
  const map = /<script type="importmap">(.*)<\/script>/.exec(await response.text())?.[1] as string
  const hash = createHash('sha256').update(map).digest('base64')
  t.ok(response.headers.get('content-security-policy')?.startsWith(`default-src 'none'; script-src 'self' 'sha256-${hash}'; `))
})

t.test('of the package, a page is served what pages need', async t => {
  const { address } = await startStand(t)
  for (const path of ['client/index.js', 'client/define.js', 'lib/contract.js']) {
    t.match((await fetch(`${address}/fastify-rooms/${path}`)).headers.get('content-type'), /^(text|application)\/javascript/)
  }
  for (const path of ['', 'index.js', 'lib/route.js', 'client/index.d.ts', '..%2fpackage.json', 'client/..%2findex.js']) {
    t.equal((await fetch(`${address}/fastify-rooms/${path}`)).status, 404, path)
  }
})

interface Stand extends Example {
  readonly curl: string
}

/** The demo as `npm start` runs it, on a free port, and listening. */
async function startStand (t: Test, env: Record<string, string> = {}, args: string[] = []): Promise<Stand> {
  const stand = await startExample(t, 'stand', { JWT_SECRET, ...env }, args)
  return { ...stand, curl: /^curl .+$/m.exec(stand.output())?.[0] ?? '' }
}

/** A page of its own, as on a tablet of its own. */
async function signIn (t: Test, browser: Browser, stand: Stand, name: string): Promise<Page> {
  const context = await browser.newContext()
  t.teardown(() => context.close())
  context.setDefaultTimeout(60_000)
  const page = await context.newPage()
  await enter(page, stand, name)
  return page
}

async function enter (page: Page, { address }: Stand, name: string): Promise<void> {
  watch(page)
  await page.goto(address)
  await page.getByLabel('Your name').fill(name)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await shows(state(page, /^Live$/))
}

/** Notes what its sockets receive, and what goes wrong in it. */
function watch (page: Page): void {
  const frames: Frame[] = []
  recorded.set(page, frames)
  page.on('websocket', socket => socket.on('framereceived', ({ payload }) => frames.push(JSON.parse(payload.toString()))))
  page.on('pageerror', error => faults.push(error.message))
  page.on('console', message => { if (message.text().includes('Content Security Policy')) faults.push(message.text()) })
}

/** The token that a page has now. */
async function tokenOf (page: Page): Promise<string> {
  return JSON.parse(await page.evaluate(() => sessionStorage.getItem('session')) as string).token
}

/** What the sockets of a page that was entered receive from now on. */
function framesOf (page: Page): () => Frame[] {
  const frames = recorded.get(page) as Frame[]
  const from = frames.length
  return () => frames.slice(from)
}

/** What a program has who uses the API and no browser. */
async function visit ({ address }: Stand) {
  const json = (method: string, path: string, body: object, authorization?: string) => fetch(`${address}${path}`, {
    method, headers: { 'content-type': 'application/json', ...authorization !== undefined && { authorization } }, body: JSON.stringify(body)
  })
  const post = (body: object) => json('POST', '/session', body)
  const { token } = await (await post({ name: ' Ada ' })).json() as { token: string }
  return {
    address,
    url: `${address.replace('http', 'ws')}/cdr/users/ws`,
    token,
    /** Good, but for somebody who is no volunteer. */
    guest: handmadeToken({ alg: 'HS256', typ: 'JWT' }, { sub: 'guest', name: 'Guest', exp: Math.floor(Date.now() / 1_000) + 3_600 }, JWT_SECRET),
    post,
    patch: (path: string, body: object, authorization = `Bearer ${token}`) => json('PATCH', path, body, authorization)
  }
}

function claimsOf (token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] as string, 'base64url').toString())
}

function isConnected ({ data }: Frame): boolean {
  return data?.status === 'connected'
}

async function childrenOf (pid: number): Promise<number[]> {
  const { stdout } = await run('ps', ['-A', '-o', 'pid=,ppid='])
  return stdout.split('\n').map(line => line.trim().split(/\s+/).map(Number)).filter(([, parent]) => parent === pid).map(([child]) => child as number)
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
