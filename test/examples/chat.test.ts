import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { Page } from 'playwright-core'
import { launchBrowser } from '../helpers/chromium.js'
import { isLive, Pages, spawnExample, startExample } from '../helpers/example.js'
import { CLOSE_FRAME, frame, openRaw } from '../helpers/raw.js'
import { startRedis } from '../helpers/redis.js'
import { openText } from '../helpers/text-client.js'
import type { TextClient } from '../helpers/text-client.js'
import type { Test } from 'tap'

// A browser and several processes, on a machine that may be slow.
t.setTimeout(300_000)

/** What a tutorial would have, on a server of its own: an input, a list, and a WebSocket to `/ws/<number>`. No more. */
const tutorialFor = (ws: string): string => `<!doctype html>
<title>A tutorial's page</title>
<p>Number <b id="number"></b></p>
<form onsubmit="say(event)"><input type="text" id="words"><button>Go</button></form>
<ul id="lines"></ul>
<script>
  const number = Date.now()
  document.querySelector('#number').textContent = number
  const socket = new WebSocket('${ws}/ws/' + number)
  socket.onmessage = event => {
    const line = document.createElement('li')
    line.appendChild(document.createTextNode(event.data))
    document.getElementById('lines').appendChild(line)
  }
  function say (event) {
    const words = document.getElementById('words')
    socket.send(words.value)
    words.value = ''
    event.preventDefault()
  }
</script>`

t.test('the pages of the chat', async t => {
  const pages = new Pages(await launchBrowser(t))

  t.test('what one writes, all see, and that somebody has left', async t => {
    const chat = await startExample(t, 'chat')
    const [ada, maud] = [await pages.open(t, chat), await pages.open(t, chat)]
    const [id] = /#\d+/.exec(await ada.locator('#me').innerText()) as unknown as [string]
    await write(maud, 'Is anybody there?')
    await ada.getByText('Is anybody there?').waitFor()
    await write(ada, 'I am. <b>Hello</b>')
    await said(ada, 'You', 'I am. <b>Hello</b>').waitFor()
    await ada.locator('.mine.heard').waitFor()
    await said(maud, `Client ${id}`, 'I am. <b>Hello</b>').waitFor()
    t.equal(await ada.getByRole('listitem').count(), 2, 'what comes back to who has written it is no second message')
    await ada.close()
    await maud.getByText(`Client ${id} left the chat`).waitFor()
  })

  t.test('a page comes back by itself after the server was killed', async t => {
    const chat = await startExample(t, 'chat')
    const page = await pages.open(t, chat)
    await chat.end('SIGKILL')
    await page.getByText('Reconnecting…').waitFor()
    await write(page, 'lost')
    await page.getByRole('alert').filter({ hasText: 'Not sent' }).waitFor()
    t.equal(await page.getByLabel('Message').inputValue(), 'lost', 'and may be sent again')
    await startExample(t, 'chat', { PORT: chat.port })
    await isLive(page)
    await write(page, 'found')
    await said(page, 'You', 'found').waitFor()
  })

  t.test('a page as in a tutorial works as it is', async t => {
    const chat = await startExample(t, 'chat')
    const other = await openText(t, `${chat.ws}/ws/7`, 'here')
    t.equal(await other.next(), 'You wrote: here')
    t.equal(await other.next(), 'Client #7 says: here')

    const page = await pages.blank(t)
    await page.goto(await served(t, tutorialFor(chat.ws)))
    await page.evaluate('new Promise(resolve => socket.readyState === WebSocket.OPEN ? resolve() : socket.addEventListener("open", resolve))')
    const number = await page.locator('#number').innerText()
    await page.locator('#words').fill('hi')
    await page.getByRole('button').click()
    await page.locator('#lines li').nth(1).waitFor()
    t.strictSame(await page.locator('#lines li').allInnerTexts(), ['You wrote: hi', `Client #${number} says: hi`])
    t.equal(await other.next(), `Client #${number} says: hi`)
    await page.close()
    t.equal(await other.next(), `Client #${number} left the chat`)
  })

  t.test('in all this, no script of a page has failed or met the content security policy', async t => {
    t.strictSame(pages.faults, [])
  })
})

t.test('a client of bare bytes is served: plain text, both ways', async t => {
  const chat = await startExample(t, 'chat')
  const listener = await joined(t, chat.ws, 8)
  const client = await openRaw(t, `${chat.ws}/ws/7`)
  client.write(frame('hi'))
  await client.received('You wrote: hi')
  await client.received('Client #7 says: hi')
  client.write(CLOSE_FRAME)
  t.equal(await client.closeCode(), 1000)
  t.equal(await listener.next(), 'Client #7 says: hi')
  t.equal(await listener.next(), 'Client #7 left the chat')
  t.notMatch(client.text(), 'WS', 'nothing of the protocol')
})

t.test('two processes are one chat', async t => {
  const { url } = await startRedis(t)
  const [here, there] = [await startExample(t, 'chat', { REDIS_URL: url }), await startExample(t, 'chat', { REDIS_URL: url })]
  const one = await joined(t, here.ws, 1)
  const two = await joined(t, there.ws, 2)
  t.equal(await one.next(), 'Client #2 says: here')
  one.send('hi')
  t.equal(await one.next(), 'You wrote: hi')
  t.equal(await one.next(), 'Client #1 says: hi')
  t.equal(await two.next(), 'Client #1 says: hi')
  one.socket.terminate()
  t.equal(await two.next(), 'Client #1 left the chat')
})

t.test('who has no number is not let in, and what is too long is not said', async t => {
  const chat = await startExample(t, 'chat')
  for (const id of ['ada', '-1', '1.5', '9007199254740993']) {
    t.equal((await fetch(`${chat.address}/ws/${id}`)).status, 400, id)
  }
  const [client, other] = [await joined(t, chat.ws, 7), await joined(t, chat.ws, 8)]
  t.equal(await client.next(), 'Client #8 says: here')
  client.send('x'.repeat(1_001))
  t.match(await client.next(), 'must NOT have more than 1000 characters')
  client.send('still here')
  t.equal(await client.next(), 'You wrote: still here')
  t.equal(await other.next(), 'Client #7 says: still here')
  client.send(Buffer.from('binary'))
  t.equal(await client.closed, 4400)
  t.equal(await other.next(), 'Client #7 left the chat')
})

t.test('SIGTERM ends the process properly, although sockets are open, and nothing has gone wrong', async t => {
  const chat = await startExample(t, 'chat')
  const clients = [await joined(t, chat.ws, 7), await joined(t, chat.ws, 8)]
  t.equal(await chat.end('SIGTERM'), 0)
  for (const { closed } of clients) t.equal(await closed, 1012)
  t.match(chat.output(), /Ctrl\+C stops it\.\n*$/)
})

t.test('a port that is taken is named, with what to do', async t => {
  const chat = await startExample(t, 'chat')
  const second = spawnExample(t, 'chat', { PORT: chat.port })
  t.equal(await second.exited, 1)
  t.match(second.output(), `Port ${chat.port} of 127.0.0.1 is taken.`)
  t.match(second.output(), 'PORT=3001 npm run example:chat')
})

/** Where a page is that some other server has. */
async function served (t: Test, html: string): Promise<string> {
  const server = createServer((_request, response) => response.setHeader('content-type', 'text/html').end(html))
  t.teardown(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A client that is certainly in the room. */
async function joined (t: Test, ws: string, id: number): Promise<TextClient> {
  const client = await openText(t, `${ws}/ws/${id}`, 'here')
  while (await client.next() !== `Client #${id} says: here`);
  return client
}

async function write (page: Page, text: string): Promise<void> {
  await page.getByLabel('Message').fill(text)
  await page.getByRole('button', { name: 'Send' }).click()
}

function said (page: Page, name: string, text: string) {
  return page.getByRole('listitem').filter({ has: page.locator('.name', { hasText: name }) }).filter({ hasText: text })
}
