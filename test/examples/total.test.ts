import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import type { Page } from 'playwright-core'
import { until } from '../helpers/app.js'
import { launchBrowser } from '../helpers/chromium.js'
import { isLive, Pages, spawnExample, startExample } from '../helpers/example.js'
import { CLOSE_FRAME, frame, openRaw } from '../helpers/raw.js'
import { startRedis } from '../helpers/redis.js'
import { openText } from '../helpers/text-client.js'
import type { TextClient } from '../helpers/text-client.js'

const run = promisify(execFile)

// A browser and several processes, on a machine that may be slow.
t.setTimeout(300_000)

t.test('the pages of the running total', async t => {
  const pages = new Pages(await launchBrowser(t))

  t.test('what one adds, all see, and who comes later sees the total', async t => {
    const total = await startExample(t, 'total')
    const [ada, maud] = [await pages.open(t, total), await pages.open(t, total)]
    for (const page of [ada, maud]) await shows(page, '0')
    await add(ada, '12')
    for (const page of [ada, maud]) await shows(page, '12')
    await maud.getByRole('button', { name: '+100' }).click()
    await maud.getByRole('button', { name: '−1' }).click()
    for (const page of [ada, maud]) {
      await shows(page, '111')
      await page.getByRole('listitem').nth(2).waitFor()
      t.strictSame(await page.getByRole('listitem').allInnerTexts(), ['Server records total=111', 'Server records total=112', 'Server records total=12'])
    }
    await shows(await pages.open(t, total), '111')
  })

  t.test('what is no number is said to be none, to who has sent it', async t => {
    const total = await startExample(t, 'total')
    const [ada, maud] = [await pages.open(t, total), await pages.open(t, total)]
    await add(ada, 'twelve')
    await ada.getByRole('alert').filter({ hasText: 'number must be integer' }).waitFor()
    await add(ada, '12')
    for (const page of [ada, maud]) await shows(page, '12')
    t.equal(await maud.locator('#problem').textContent(), '')
  })

  t.test('a page comes back by itself after the server was killed, and looks again', async t => {
    const redis = await startRedis(t)
    const total = await startExample(t, 'total', { REDIS_URL: redis.url })
    const page = await pages.open(t, total)
    await add(page, '12')
    await shows(page, '12')
    await total.end('SIGKILL')
    await page.getByText('Reconnecting…').waitFor()
    await run('redis-cli', ['-p', String(redis.port), 'INCRBY', 'example:total', '30'])
    await startExample(t, 'total', { PORT: total.port, REDIS_URL: redis.url })
    await isLive(page)
    await shows(page, '42')
  })

  t.test('in all this, no script of a page has failed or met the content security policy', async t => {
    t.strictSame(pages.faults, [])
  })
})

t.test('a client of bare bytes sends numbers as text, and reads the total as text', async t => {
  const total = await startExample(t, 'total')
  const client = await openRaw(t, `${total.ws}/ws`)
  client.write(frame('5'), frame('7\n'), frame(' -2 '))
  for (const expected of ['Server records total=5', 'Server records total=12', 'Server records total=10']) await client.received(expected)
  client.write(CLOSE_FRAME)
  t.equal(await client.closeCode(), 1000)
  t.notMatch(client.text(), 'WS', 'nothing of the protocol')
})

t.test('what is no number is answered, changes nothing, and nobody else hears of it', async t => {
  const total = await startExample(t, 'total')
  const [client, other] = [await openText(t, `${total.ws}/ws`), await openText(t, `${total.ws}/ws`)]
  for (const text of ['', 'x', '1.5', 'Infinity', 'NaN', '{"number":1}', '[1]', '1 2', 'true', 'null', '1000000001', '-1000000001']) {
    client.send(text)
    t.match(await client.next(), /^The command cannot be carried out: number must be/, text)
  }
  other.send('12')
  for (const each of [client, other]) t.equal(await each.next(), 'Server records total=12')
  t.equal(other.texts.length, 1)
  t.equal(await (await fetch(`${total.address}/total`)).text(), '12')
})

t.test('two processes have one total, and every client is told it in one order', async t => {
  const { url } = await startRedis(t)
  const examples = [await startExample(t, 'total', { REDIS_URL: url }), await startExample(t, 'total', { REDIS_URL: url })]
  const clients = await Promise.all(examples.flatMap(({ ws }) => [openText(t, `${ws}/ws`), openText(t, `${ws}/ws`)]))
  // Each is in when it hears of its own number; then all of them are.
  for (const [index, client] of clients.entries()) {
    client.send('1')
    await heard(client, `Server records total=${index + 1}`)
  }
  for (const client of clients.slice(0, -1)) await heard(client, 'Server records total=4')

  const [ROUNDS, TOGETHER] = [5, 10] // no more than a client may have waiting
  for (let round = 1; round <= ROUNDS; round++) {
    for (const client of clients) for (let i = 0; i < TOGETHER; i++) client.send('3')
    for (const client of clients) await heard(client, `Server records total=${4 + round * TOGETHER * 3 * clients.length}`)
  }
  const expected = Array.from({ length: ROUNDS * TOGETHER * clients.length }, (_, index) => `Server records total=${4 + 3 * (index + 1)}`)
  for (const { texts } of clients) t.strictSame(texts.slice(texts.indexOf('Server records total=4') + 1), expected)
  for (const { address } of examples) t.equal(await (await fetch(`${address}/total`)).text(), '604')
})

t.test('a total in Redis outlives its processes, and is not rounded', async t => {
  const redis = await startRedis(t)
  const first = await startExample(t, 'total', { REDIS_URL: redis.url })
  await run('redis-cli', ['-p', String(redis.port), 'SET', 'example:total', '9007199254740000'])
  const client = await openText(t, `${first.ws}/ws`, '990')
  t.equal(await client.next(), 'Server records total=9007199254740990')
  t.equal(await first.end('SIGTERM'), 0)
  t.equal(await client.closed, 1012)
  t.match(first.output(), /Ctrl\+C stops it\.\n*$/, 'nothing has gone wrong')
  const second = await startExample(t, 'total', { REDIS_URL: redis.url })
  t.equal(await (await fetch(`${second.address}/total`)).text(), '9007199254740990')
})

t.test('a Redis that is not there is named, by all examples alike, and one that goes away takes no socket with it', async t => {
  for (const example of ['total', 'chat', 'classroom', 'stand']) {
    const without = spawnExample(t, example, { REDIS_URL: 'redis://:a-password@127.0.0.1:1' })
    t.equal(await without.exited, 1, example)
    t.equal(without.output(), 'Redis cannot be reached at 127.0.0.1:1. Start one there, or leave REDIS_URL out.\n')
  }

  const redis = await startRedis(t)
  const total = await startExample(t, 'total', { REDIS_URL: redis.url })
  const client = await openText(t, `${total.ws}/ws`, '12')
  t.equal(await client.next(), 'Server records total=12')
  await redis.kill()
  client.send('1')
  t.match(await client.next(), /^The command/)
  await redis.start()
  const outside = redis.client()
  t.teardown(() => outside.disconnect())
  await until(async () => (await outside.pubsub('NUMSUB', 'rooms:total'))[1] === 1)
  let answer = ''
  while (!answer.startsWith('Server records total=')) {
    client.send('1')
    answer = await client.next()
  }
  t.equal(answer, 'Server records total=1', 'the Redis of this test keeps nothing over its end')
})

async function heard (client: TextClient, text: string): Promise<void> {
  while (await client.next() !== text);
}

async function add (page: Page, number: string): Promise<void> {
  await page.getByLabel('Add a number').fill(number)
  await page.getByRole('button', { name: 'Add', exact: true }).click()
}

async function shows (page: Page, total: string): Promise<void> {
  await page.locator('#total').filter({ hasText: new RegExp(`^${total}$`) }).waitFor()
}
