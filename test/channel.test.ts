import t from 'tap'
import { MemoryBroker } from '../index.js'
import type { BrokerEvents } from '../index.js'
import { Channel, Channels } from '../lib/channel.js'
import { createApp, until } from './helpers/app.js'
import { join, open } from './helpers/client.js'

/**
 * A broker in memory whose answers the test gives: each call waits for its verdict. What a server does that is slow,
 * refuses, or dies, in an order of the test's choice.
 */
class SlowBroker extends MemoryBroker {
  readonly calls: Array<{ call: string, allow: () => void, refuse: () => void }> = []
  events: BrokerEvents | undefined

  override start (events: BrokerEvents): void {
    this.events = events
    super.start(events)
  }

  override async subscribe (channel: string): Promise<void> {
    if (channel !== 'rooms:!revoked') await this.#verdict('subscribe')
    await super.subscribe(channel)
  }

  override async unsubscribe (channel: string): Promise<void> {
    await this.#verdict('unsubscribe')
    await super.unsubscribe(channel)
  }

  override async close (): Promise<void> {}

  /** Waits for the next call that was not answered, which must be this one. */
  async next (call: string): Promise<{ allow: () => void, refuse: () => void }> {
    await until(() => this.calls.length > 0)
    const first = this.calls.shift()
    if (first?.call !== call) throw new Error(`expected ${call}, not ${first?.call}`)
    return first
  }

  async #verdict (call: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.calls.push({ call, allow: resolve, refuse: () => reject(new Error('refused')) })
    })
  }
}

const message = { command: 'UPDATE_USER', data: 1 }

t.test('a member is told `connected` only when the broker has confirmed the subscription', async t => {
  const broker = new SlowBroker()
  const { app, url, token } = await createApp(t, { rooms: { broker } })
  const client = await open(t, url)
  client.send({ token: token() })
  const subscribe = await broker.next('subscribe')
  t.equal(client.frames.length, 0)
  await app.ws.sendToRoom('cdr', message)
  subscribe.allow()
  t.match(await client.next(), { data: { status: 'connected' } }, 'and what was sent before does not come before it')
  await app.ws.sendToRoom('cdr', { command: 'AFTER' })
  t.equal((await client.next()).command, 'AFTER')
})

t.test('members who arrive while the subscription is made wait for the same one', async t => {
  const broker = new SlowBroker()
  const { url, token, app } = await createApp(t, { rooms: { broker } })
  const clients = [await open(t, url), await open(t, url), await open(t, url)]
  for (const client of clients) client.send({ token: token() })
  const subscribe = await broker.next('subscribe')
  await until(() => app.ws.stats().waiting === 0)
  subscribe.allow()
  for (const client of clients) t.match(await client.next(), { data: { status: 'connected' } })
  t.equal(broker.calls.length, 0)
})

t.test('a subscription that is never answered: `connected` says degraded, and resync follows when one is', async t => {
  const broker = new SlowBroker()
  const { app, url, token, logs } = await createApp(t, { rooms: { broker, subscribeTimeout: 500 } })
  const client = await open(t, url)
  client.send({ token: token() })
  const hung = await broker.next('subscribe')
  t.match(await client.next(), { data: { status: 'connected', degraded: true } })
  const again = await broker.next('subscribe')
  hung.allow() // too late to count: nobody knows any more what it was for
  again.allow()
  t.match(await client.next(), { data: { status: 'resync' } })
  await app.ws.sendToRoom('cdr', message)
  t.strictSame(await client.next(), message)
  t.ok(logs.some(({ msg }) => msg === 'broker refused a subscription, trying again'))
})

t.test('a subscription that is refused is asked for again', async t => {
  const broker = new SlowBroker()
  const { url, token } = await createApp(t, { rooms: { broker } })
  const client = await open(t, url)
  client.send({ token: token() })
  ;(await broker.next('subscribe')).refuse()
  ;(await broker.next('subscribe')).allow()
  t.match(await client.next(), { data: { status: 'connected' } })
})

t.test('a client that leaves while the broker is asked leaves nothing behind', async t => {
  const broker = new SlowBroker()
  const { app, url, token } = await createApp(t, { rooms: { broker, linger: 1 } })
  const client = await open(t, url)
  client.send({ token: token() })
  const subscribe = await broker.next('subscribe')
  client.socket.terminate()
  await until(() => app.ws.stats().connections === 0)
  subscribe.allow()
  ;(await broker.next('unsubscribe')).allow()
  await until(async () => (await app.ws.sendToRoom('cdr', message)).subscribers === 0)
  t.match(app.ws.stats(), { members: 0, rooms: 0, waiting: 0 })
})

t.test('leaving and coming back', async t => {
  t.test('within the linger nothing is asked of the broker', async t => {
    const broker = new SlowBroker()
    const { app, url, token } = await createApp(t, { rooms: { broker } })
    const joining = join(t, url, token())
    ;(await broker.next('subscribe')).allow()
    ;(await joining).socket.terminate()
    await until(() => app.ws.stats().connections === 0)
    await join(t, url, token())
    t.equal(broker.calls.length, 0)
  })

  t.test('while the room is given back, the two operations come one after the other', async t => {
    const broker = new SlowBroker()
    const { app, url, token } = await createApp(t, { rooms: { broker, linger: 1 } })
    const joining = join(t, url, token())
    ;(await broker.next('subscribe')).allow()
    ;(await joining).socket.terminate()
    const unsubscribe = await broker.next('unsubscribe')
    const client = await open(t, url)
    client.send({ token: token() })
    await until(() => app.ws.stats().connections === 1 && app.ws.stats().waiting === 0)
    t.equal(broker.calls.length, 0, 'one operation is in flight')
    unsubscribe.allow()
    ;(await broker.next('subscribe')).allow()
    t.match(await client.next(), { data: { status: 'connected' } })
    await app.ws.sendToRoom('cdr', message)
    t.strictSame(await client.next(), message)
  })

  t.test('an unsubscription that failed may have worked, so the next member subscribes anew', async t => {
    const broker = new SlowBroker()
    const { app, url, token } = await createApp(t, { rooms: { broker, linger: 1 } })
    const joining = join(t, url, token())
    ;(await broker.next('subscribe')).allow()
    ;(await joining).socket.terminate()
    ;(await broker.next('unsubscribe')).refuse()
    const client = await open(t, url)
    client.send({ token: token() })
    ;(await broker.next('subscribe')).allow()
    t.match(await client.next(), { data: { status: 'connected' } })
    await app.ws.sendToRoom('cdr', message)
    t.strictSame(await client.next(), message)
  })

  t.test('an unsubscription that failed is tried again', async t => {
    const broker = new SlowBroker()
    const { app, url, token } = await createApp(t, { rooms: { broker, linger: 1 } })
    const joining = join(t, url, token())
    ;(await broker.next('subscribe')).allow()
    ;(await joining).socket.terminate()
    ;(await broker.next('unsubscribe')).refuse()
    ;(await broker.next('unsubscribe')).allow()
    await until(async () => (await app.ws.sendToRoom('cdr', message)).subscribers === 0)
  })
})

t.test('an unsubscription that is never answered is tried again', async t => {
  const broker = new SlowBroker()
  const { app, url, token } = await createApp(t, { rooms: { broker, linger: 1, subscribeTimeout: 500 } })
  const joining = join(t, url, token())
  ;(await broker.next('subscribe')).allow()
  ;(await joining).socket.terminate()
  await broker.next('unsubscribe')
  ;(await broker.next('unsubscribe')).allow()
  await until(async () => (await app.ws.sendToRoom('cdr', message)).subscribers === 0)
})

t.test('the drain begins in the moment in which the broker answers: nobody becomes a member any more', async t => {
  // How many turns lie between the two is an accident of the implementation, so all of a few are tried.
  for (let turns = 0; turns < 12; turns++) {
    const broker = new SlowBroker()
    const { app, url, token } = await createApp(t, { rooms: { broker } })
    const client = await open(t, url)
    client.send({ token: token() })
    const subscribe = await broker.next('subscribe')
    broker.flush = async () => {
      for (let turn = 0; turn < turns; turn++) await null
      subscribe.allow()
    }
    await app.close()
    t.strictSame(await client.closed, { code: 1012, reason: '' })
    t.match(app.ws.stats(), { members: 0, rooms: 0, connections: 0 })
  }
})

t.test('a socket is cut off in the moment in which the broker answers: it is no member, and nothing is left of it', async t => {
  for (let turns = 0; turns < 12; turns++) {
    const broker = new SlowBroker()
    const { app, url, token } = await createApp(t, { rooms: { broker } })
    const client = await open(t, url)
    client.send({ token: token() })
    const subscribe = await broker.next('subscribe')
    const [socket] = app.websocketServer.clients
    subscribe.allow()
    for (let turn = 0; turn < turns; turn++) await null
    socket?.terminate()
    await client.closed
    await until(() => app.ws.stats().connections === 0)
    t.match(app.ws.stats(), { members: 0, rooms: 0 })
    t.equal(await app.ws.count('cdr'), 0)
  }
})

t.test('the broker forgets everything', async t => {
  t.test('every subscription is made again when it is back, and members are told to look again', async t => {
    const broker = new SlowBroker()
    const { app, url, token } = await createApp(t, { rooms: { broker } })
    const joining = join(t, url, token())
    ;(await broker.next('subscribe')).allow()
    const client = await joining
    broker.events?.down()
    t.equal(app.ws.stats().broker, 'down')
    broker.events?.up()
    ;(await broker.next('subscribe')).allow()
    t.match(await client.next(), { data: { status: 'resync' } })
    t.equal(app.ws.stats().broker, 'up')
  })

  t.test('while it is asked: the answer no longer counts', async t => {
    const broker = new SlowBroker()
    const { url, token } = await createApp(t, { rooms: { broker } })
    const client = await open(t, url)
    client.send({ token: token() })
    const before = await broker.next('subscribe')
    broker.events?.down()
    before.allow()
    broker.events?.up()
    const after = await broker.next('subscribe')
    t.equal(client.frames.length, 0)
    after.allow()
    t.match(await client.next(), { data: { status: 'connected' } })
  })

  t.test('while a refused subscription waits for its next try', async t => {
    const broker = new SlowBroker()
    const { url, token } = await createApp(t, { rooms: { broker } })
    const client = await open(t, url)
    client.send({ token: token() })
    ;(await broker.next('subscribe')).refuse()
    await until(() => broker.calls.length === 0)
    broker.events?.down()
    broker.events?.up()
    ;(await broker.next('subscribe')).allow()
    t.match(await client.next(), { data: { status: 'connected' } })
  })

  t.test('while a room lingers without members: it is simply gone', async t => {
    const broker = new SlowBroker()
    const { app, url, token } = await createApp(t, { rooms: { broker, linger: 60_000 } })
    const joining = join(t, url, token())
    ;(await broker.next('subscribe')).allow()
    ;(await joining).socket.terminate()
    await until(() => app.ws.stats().connections === 0)
    broker.events?.down()
    const again = join(t, url, token())
    broker.events?.up()
    ;(await broker.next('subscribe')).allow()
    await again
  })
})

t.test('a channel that nobody holds, of a broker that is down, ends without a word to the broker', async t => {
  const broker = new SlowBroker()
  const channels = new Channels(broker, { subscribeTimeout: 1_000, linger: 1 })
  let idle = false
  const channel = new Channel('rooms:a', channels, { live: () => {}, idle: () => { idle = true }, failed: () => {} })
  channel.hold()
  channel.release()
  await until(() => idle)
  t.equal(broker.calls.length, 0)
  channels.close()
})
