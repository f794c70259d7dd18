import t from 'tap'
import type { Test } from 'tap'
import { startCounterpart } from '../helpers/counterpart.js'
import { follow } from '../helpers/room-client.js'
import type { Follower } from '../helpers/room-client.js'

/** A page, as far as a client looks at it. The real one is in browser.test.ts. */
class Page extends EventTarget {
  readonly navigator: { readonly onLine: boolean }
  readonly document = { hidden: false }
  online = true
  /** Told each time that somebody asks whether there is a network. */
  asked = (): void => {}

  constructor (t: Test) {
    super()
    const page = this
    this.navigator = {
      get onLine () {
        page.asked()
        return page.online
      }
    }
    const properties = { navigator: this.navigator, document: this.document, addEventListener: this.addEventListener.bind(this), removeEventListener: this.removeEventListener.bind(this) }
    for (const [name, value] of Object.entries(properties)) t.intercept(globalThis as unknown as Record<string, unknown>, name, { value, configurable: true })
  }

  tell (type: 'online' | 'offline' | 'visibilitychange'): void {
    this.dispatchEvent(new Event(type))
  }
}

t.test('one that answers is left alone, however quiet it is otherwise', async t => {
  const server = await startCounterpart(t)
  const follower = follow(t, 'cdr', { url: server.url, token: () => 'abc', pongTimeout: 1_020 })
  const { peer } = await server.admitted(undefined, { keepAlive: 1 })
  for (let pings = 0; pings < 3; pings++) {
    t.strictSame(await peer.next(), { command: 'WSPing' })
    peer.send(pings === 1 ? { command: 'UPDATE', data: 'anything will do' } : { command: 'WSPong' })
  }
  await peer.closed // the fourth one is not answered
  t.match(await follower.reaches('waiting'), { code: 1006 })
})

t.test('an interval that no timer can take is no reason to ask all the time', async t => {
  const server = await startCounterpart(t)
  const follower = follow(t, 'cdr', { url: server.url, token: () => 'abc' })
  for (const keepAlive of [2 ** 31, 'nonsense']) {
    const { peer } = await server.admitted(undefined, { keepAlive })
    await follower.reaches('connected')
    follower.room.send('FIRST').catch(() => {})
    t.match(await peer.next(), { command: 'FIRST' })
    peer.socket.terminate()
  }
})

t.test('when the network comes or goes, the server is asked at once', async t => {
  const page = new Page(t)
  const server = await startCounterpart(t)
  const follower = follow(t, 'cdr', { url: server.url, token: () => 'abc', pongTimeout: 1_200 })
  page.tell('online') // while it connects, there is nobody to ask
  const { peer } = await server.admitted()
  await follower.reaches('connected')
  for (const change of ['offline', 'online'] as const) {
    page.tell(change)
    page.tell(change)
    t.strictSame(await peer.next(), { command: 'WSPing' })
    peer.send({ command: 'UPDATE', data: change })
    await follower.until(() => follower.dataOf('UPDATE').includes(change))
  }
  page.tell('offline')
  await follower.reaches('waiting')
  t.equal(await peer.closed, 1000)
})

t.test('a page that is looked at again asks only if it has heard nothing for too long', async t => {
  const page = new Page(t)
  const server = await startCounterpart(t)
  const follower = follow(t, 'cdr', { url: server.url, token: () => 'abc' })
  const { peer } = await server.admitted()
  await follower.reaches('connected')
  page.tell('visibilitychange')
  page.document.hidden = true
  t.intercept(Date, 'now', { value: () => performance.timeOrigin + performance.now() + 60_000, configurable: true })
  page.tell('visibilitychange')
  follower.room.send('STILL').catch(() => {})
  t.match(await peer.next(), { command: 'STILL' })
  page.document.hidden = false
  page.tell('visibilitychange')
  t.strictSame(await peer.next(), { command: 'WSPing' })
})

t.test('a clock that is set back hides no silence', async t => {
  const page = new Page(t)
  const server = await startCounterpart(t)
  const follower = follow(t, 'cdr', { url: server.url, token: () => 'abc' })
  const { peer } = await server.admitted()
  await follower.reaches('connected')
  t.intercept(Date, 'now', { value: () => performance.timeOrigin + performance.now() - 3_600_000, configurable: true })
  page.tell('visibilitychange')
  t.strictSame(await peer.next(), { command: 'WSPing' })
})

t.test('without a network, nothing is tried until there is one', async t => {
  const page = new Page(t)
  const server = await startCounterpart(t)
  const follower = follow(t, 'cdr', { url: server.url, token: () => 'abc', firstDelay: 1 })
  const { peer } = await server.admitted()
  await follower.reaches('connected')
  page.online = false
  const due = async (): Promise<void> => await new Promise(resolve => { page.asked = resolve })
  const first = due()
  peer.socket.terminate()
  await follower.reaches('waiting')
  await first
  const second = due()
  page.tell('visibilitychange') // somebody looks, which does not help
  await second
  t.equal(server.count, 1)
  t.equal(follower.room.state, 'waiting')
  page.online = true
  page.tell('online')
  await server.admitted()
  await follower.reaches('connected')
  follower.room.close()
  page.tell('online')
  t.equal(follower.room.state, 'closed')
})

t.test('who waits for long comes sooner when somebody looks, but not where the server has asked for time', async t => {
  const page = new Page(t)
  const server = await startCounterpart(t)
  t.intercept(Math, 'random', { value: () => 0.5 })
  const [patient, impatient] = [4429, 1012].map(code => ({ code, follower: follow(t, 'cdr', { url: server.url, token: () => String(code), firstDelay: 1e7, maxDelay: 1e8 }) })) as [Waiting, Waiting]
  for (const { code, follower } of [patient, impatient]) {
    const { peer } = await server.admitted()
    await follower.reaches('connected')
    peer.socket.close(code)
    t.strictSame(await follower.reaches('waiting'), { code, delay: code === 4429 ? 3e7 : 5e6 })
  }
  t.intercept(Math, 'random', { value: () => 0 })
  page.tell('visibilitychange')
  t.match((await server.admitted()).hello, { token: '1012' })
  await impatient.follower.reaches('connected')
  t.equal(patient.follower.room.state, 'waiting')
  t.equal(server.count, 3)
})

interface Waiting {
  code: number
  follower: Follower
}
