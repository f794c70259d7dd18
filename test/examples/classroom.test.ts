import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import type { Test } from 'tap'
import type { Page } from 'playwright-core'
import { until } from '../helpers/app.js'
import { launchBrowser } from '../helpers/chromium.js'
import { isLive, Pages, startExample } from '../helpers/example.js'
import type { Example } from '../helpers/example.js'
import { frame, openRaw } from '../helpers/raw.js'
import { startRedis } from '../helpers/redis.js'
import type { RedisServer } from '../helpers/redis.js'
import { openText } from '../helpers/text-client.js'
import type { TextClient } from '../helpers/text-client.js'

const run = promisify(execFile)
const KEY = 'a key of the tests'
const HELLO = '{"user":"ada","message":"hello"}'

// A browser, several processes and thousands of sockets, on a machine that may be slow.
t.setTimeout(300_000)

const start = (t: Test, env: Record<string, string> = {}) => startExample(t, 'classroom', { SCORE_KEY: KEY, ...env })

t.test('the pages of the classroom', async t => {
  const pages = new Pages(await launchBrowser(t))

  t.test('what one says, all see, and the score too', async t => {
    const classroom = await start(t)
    const [ada, maud] = [await pages.open(t, classroom), await pages.open(t, classroom)]
    for (const page of [ada, maud]) await shows(page, 0, 0)
    await say(ada, 'Ada', 'Hello, <i>all</i>')
    await say(maud, 'Maud', 'Hello, Ada')
    for (const page of [ada, maud]) {
      await page.getByRole('listitem').nth(1).waitFor()
      t.strictSame((await page.getByRole('listitem').allInnerTexts()).sort(), ['AdaHello, <i>all</i>', 'MaudHello, Ada'])
    }
    const [, curl = ''] = /^(curl .+)$/m.exec(classroom.output()) ?? []
    t.equal((await run('sh', ['-c', curl])).stdout, '{"home":1,"away":0}')
    for (const page of [ada, maud, await pages.open(t, classroom)]) await shows(page, 1, 0)
  })

  t.test('what redis-cli publishes on the channel appears on the pages of every process', async t => {
    const redis = await startRedis(t)
    const classrooms = [await start(t, { REDIS_URL: redis.url }), await start(t, { REDIS_URL: redis.url })]
    const shown = await Promise.all(classrooms.map(classroom => pages.open(t, classroom)))
    await subscribed(t, redis, 2)
    const [, command = ''] = /^redis-cli -u \S+ (PUBLISH .+)$/m.exec(classrooms[0]?.output() ?? '') ?? []
    t.equal((await run('sh', ['-c', `redis-cli -p ${redis.port} ${command}`])).stdout.trim(), '2')
    for (const page of shown) await page.getByRole('listitem').filter({ hasText: 'outsideHello' }).waitFor()
  })

  t.test('what may not be said is answered on the page', async t => {
    const page = await pages.open(t, await start(t))
    await say(page, ' ', 'Hello')
    await page.getByRole('alert').filter({ hasText: 'user must match pattern' }).waitFor()
    await say(page, 'Ada', 'Hello')
    await page.getByRole('listitem').filter({ hasText: 'AdaHello' }).waitFor()
    t.equal(await page.getByRole('listitem').count(), 1)
  })

  t.test('a page comes back by itself after the server was killed', async t => {
    const classroom = await start(t)
    const page = await pages.open(t, classroom)
    await classroom.end('SIGKILL')
    await page.getByText('Reconnecting…').waitFor()
    await start(t, { PORT: classroom.port })
    await isLive(page)
    await say(page, 'Ada', 'Back')
    await page.getByRole('listitem').filter({ hasText: 'AdaBack' }).waitFor()
  })

  t.test('in all this, no script of a page has failed or met the content security policy', async t => {
    t.strictSame(pages.faults, [])
  })
})

t.test('a client of bare bytes writes on one socket and reads on another, and only JSON of the two', async t => {
  const { ws } = await start(t)
  const [sender, receiver] = [await openRaw(t, `${ws}/ws/send`), await openRaw(t, `${ws}/ws/receive`)]
  sender.write(frame(HELLO))
  await receiver.received(HELLO)
  sender.write(frame('{"user":"ada"}'))
  await sender.received('{"error":"The command cannot be carried out: it must have required property \'message\'."}')
  t.notMatch(sender.text(), HELLO, 'who speaks is not told what was said')
  t.notMatch(sender.text() + receiver.text(), 'WS', 'nothing of the protocol')
})

t.test('what is no message is answered, and reaches nobody', async t => {
  const { ws } = await start(t)
  const [sender, receiver] = [await openText(t, `${ws}/ws/send`), await openText(t, `${ws}/ws/receive`)]
  const bad = ['', 'hello', '[]', '7', 'null', '{}', '{"user":"ada","message":""}', '{"user":"","message":"x"}', '{"user":["ada"],"message":{}}', '{"user":"ada","message":"x","__proto__":{}}', `{"user":"ada","message":"${'x'.repeat(501)}"}`]
  for (const text of bad) {
    sender.send(text)
    t.match(await sender.next(), /^{"error":"The command cannot be carried out: /, text)
  }
  sender.send('{"user":"ada","message":"hello","more":1}')
  t.equal(await receiver.next(), HELLO, 'and of a message goes out what it has to have')
  receiver.send(HELLO)
  t.strictSame(await receiver.rest(), [], 'who listens does not speak')
})

t.test('on the channel is what clients write, and what is no message there harms nobody', async t => {
  const redis = await startRedis(t)
  const { ws } = await start(t, { REDIS_URL: redis.url })
  const [listening, outside] = [redis.client(), redis.client()]
  t.teardown(() => { listening.disconnect(); outside.disconnect() })
  const receiver = await openText(t, `${ws}/ws/receive`)
  await subscribed(t, redis, 1)
  const heard: string[] = []
  listening.on('message', (_channel, text) => heard.push(text))
  await listening.subscribe('chat')
  const sender = await openText(t, `${ws}/ws/send`, HELLO)
  t.equal(await receiver.next(), HELLO)
  for (const text of ['', 'hello', '[]', '{"user":"ada"}', '{"user":1,"message":"x"}', '{"command":"WSStatus","data":{"status":"resync"}}']) await outside.publish('chat', text)
  await outside.publish('chat', '{"message":"after","user":"outside","at":12}')
  t.equal(await receiver.next(), '{"user":"outside","message":"after"}')
  t.equal(heard[0], HELLO)
  t.strictSame(await sender.rest(), [])
})

t.test('first in, first out: on two channels, from two processes and from outside, to every client of both', async t => {
  const redis = await startRedis(t)
  const classrooms = [await start(t, { REDIS_URL: redis.url }), await start(t, { REDIS_URL: redis.url })]
  const outside = redis.client()
  t.teardown(() => outside.disconnect())
  const senders = await all(t, classrooms, '/ws/send')
  const receivers = [...await all(t, classrooms, '/ws/receive'), ...await all(t, classrooms, '/ws/receive')]
  const readers = await all(t, classrooms, '/ws/score')
  for (const reader of readers) t.equal(await reader.next(), '{"home":0,"away":0}')
  await until(async () => {
    await outside.publish('chat', '{"user":"probe","message":""}')
    return receivers.every(({ texts }) => texts.length > 0)
  })

  const [ROUNDS, TOGETHER] = [5, 20] // no more than a client may have waiting
  const line = (user: string, number: number): string => JSON.stringify({ user, message: String(number) })
  for (let round = 0; round < ROUNDS; round++) {
    const numbers = Array.from({ length: TOGETHER }, (_, index) => round * TOGETHER + index)
    for (const number of numbers) {
      for (const [index, sender] of senders.entries()) sender.send(line(`process ${index}`, number))
      outside.publish('chat', line('outside', number))
    }
    for (const [index, goals] of [round * 2 + 1, round * 2 + 2].entries()) t.equal(await write(classrooms[index] as Example, { home: goals, away: 0 }), 200)
    const last = numbers.at(-1) as number
    await until(() => receivers.every(({ texts }) => ['process 0', 'process 1', 'outside'].every(user => texts.includes(line(user, last)))))
  }

  const [first, ...others] = receivers.map(({ texts }) => texts.filter(text => !text.includes('probe')))
  t.equal(first?.length, 3 * ROUNDS * TOGETHER)
  for (const other of others) t.strictSame(other, first, 'one order for all')
  const inOrder = Array.from({ length: ROUNDS * TOGETHER }, (_, number) => number)
  for (const user of ['process 0', 'process 1', 'outside']) t.strictSame(first?.filter(text => text.includes(user)), inOrder.map(number => line(user, number)), user)
  for (const reader of readers) {
    for (let goals = 1; goals <= ROUNDS * 2; goals++) t.equal(await reader.next(), `{"home":${goals},"away":0}`)
  }
})

t.test('one writes the score and two thousand read it, each the last one at once', async t => {
  const redis = await startRedis(t)
  const classrooms = [await start(t, { REDIS_URL: redis.url }), await start(t, { REDIS_URL: redis.url })]
  t.equal(await write(classrooms[0] as Example, { home: 1, away: 0 }), 200)
  const readers: TextClient[] = []
  while (readers.length < 2_000) {
    const some = await Promise.all(Array.from({ length: 250 }, (_, index) => openText(t, `${classrooms[index % 2]?.ws}/ws/score`)))
    for (const reader of some) if (await reader.next() !== '{"home":1,"away":0}') t.fail('the last score comes first')
    readers.push(...some)
  }
  t.equal(await write(classrooms[1] as Example, { home: 1, away: 1 }), 200)
  for (const reader of readers) if (await reader.next() !== '{"home":1,"away":1}') t.fail('the next one follows')
  t.ok(readers.every(({ texts }) => texts.length === 2))
})

t.test('the score outlives the processes that have told it', async t => {
  const redis = await startRedis(t)
  const before = await start(t, { REDIS_URL: redis.url })
  t.equal(await write(before, { home: 3, away: 2 }), 200)
  const reader = await openText(t, `${before.ws}/ws/score`)
  t.equal(await reader.next(), '{"home":3,"away":2}')
  t.equal(await before.end('SIGTERM'), 0)
  t.equal(await reader.closed, 1012)
  t.match(before.output(), /Ctrl\+C stops it\.\n*$/, 'nothing has gone wrong')
  const after = await openText(t, `${(await start(t, { REDIS_URL: redis.url })).ws}/ws/score`)
  t.equal(await after.next(), '{"home":3,"away":2}')
})

t.test('only who has the key writes a score, and only one that is one', async t => {
  const classroom = await start(t)
  const reader = await openText(t, `${classroom.ws}/ws/score`)
  t.equal(await reader.next(), '{"home":0,"away":0}')
  for (const authorization of ['Bearer nonsense', '', `bearer ${KEY}`, KEY]) t.equal(await write(classroom, { home: 9, away: 9 }, authorization), 401, authorization)
  for (const score of [{}, { home: 1 }, { home: -1, away: 0 }, { home: 1_000, away: 0 }, { home: 'one', away: 0 }]) t.equal(await write(classroom, score), 400)
  t.equal(await write(classroom, { home: 1, away: 0, note: 'x' }), 200)
  t.equal(await reader.next(), '{"home":1,"away":0}')
})

t.test('a score that cannot be sent is not said to be', async t => {
  const redis = await startRedis(t)
  const classroom = await start(t, { REDIS_URL: redis.url })
  t.equal(await write(classroom, { home: 1, away: 0 }), 200)
  await redis.kill()
  t.equal(await write(classroom, { home: 2, away: 0 }), 503)
})

t.test('what the server prints has no password in it', async t => {
  const redis = await startRedis(t, ['--requirepass', 'a-password'])
  const classroom = await start(t, { REDIS_URL: redis.url.replace('//', '//:a-password@') })
  t.match(classroom.output(), `redis-cli -u ${redis.url} PUBLISH chat`)
  t.notMatch(classroom.output(), 'a-password')
})

/** A client in each process. */
async function all (t: Test, classrooms: Example[], path: string): Promise<TextClient[]> {
  return await Promise.all(classrooms.map(({ ws }) => openText(t, ws + path)))
}

async function write ({ address }: Example, score: object, authorization = `Bearer ${KEY}`): Promise<number> {
  const { status } = await fetch(`${address}/score`, {
    method: 'PUT', headers: { 'content-type': 'application/json', authorization }, body: JSON.stringify(score)
  })
  return status
}

/** Waits until so many processes hear the channel `chat`. */
async function subscribed (t: Test, redis: RedisServer, processes: number): Promise<void> {
  const client = redis.client()
  t.teardown(() => client.disconnect())
  await until(async () => (await client.pubsub('NUMSUB', 'chat'))[1] === processes)
}

async function say (page: Page, user: string, message: string): Promise<void> {
  await page.getByLabel('Your name').fill(user)
  await page.getByLabel('Message').fill(message)
  await page.getByRole('button', { name: 'Send' }).click()
}

async function shows (page: Page, home: number, away: number): Promise<void> {
  await page.locator('#home').filter({ hasText: new RegExp(`^${home}$`) }).waitFor()
  await page.locator('#away').filter({ hasText: new RegExp(`^${away}$`) }).waitFor()
}
