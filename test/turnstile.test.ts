import { AsyncLocalStorage } from 'node:async_hooks'
import { createServer } from 'node:http'
import { Socket } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { Turnstile } from '../lib/turnstile.js'
import { createApp, until } from './helpers/app.js'
import type { Settings, TestApp } from './helpers/app.js'
import { sendRaw, upgradeRequest } from './helpers/raw.js'
import type { RawClient } from './helpers/raw.js'
import { watchForStrays } from './helpers/strays.js'

const noStrays = watchForStrays(t)

const CROWD = 40
const EACH_TURN = 2

interface Crowd extends TestApp {
  readonly raws: RawClient[]
  /** How many have passed in each turn of the event loop, and who, in order. */
  readonly passed: number[]
  readonly order: string[]
  /** In which order they have come to the server. */
  readonly arrived: string[]
  /** Sends what their requests lack, so that all of them are there in one and the same turn. */
  readonly rush: () => void
}

/** For the same time each, on a machine however fast, so that it is known what a turn takes. */
const WORK = 2

function block (ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}

/** Clients whose upgrades lack a last line. @param busy what else each turn has to do, in milliseconds */
async function gather (t: Test, settings: Settings = {}, { path = '/cdr/users/ws', work = WORK, busy = 0 } = {}): Promise<Crowd> {
  const turns: number[] = []
  const order: string[] = []
  const arrived: string[] = []
  let turn = 0
  let rushed = false
  const tick = (): void => {
    turn++
    if (rushed) block(busy)
    ticking = setImmediate(tick)
  }
  let ticking = setImmediate(tick)
  t.teardown(() => clearImmediate(ticking))
  const built = await createApp(t, {
    ...settings,
    async setup (app) {
      app.server.prependListener('upgrade', request => arrived.push(request.headers['x-number'] as string))
      app.addHook('onRequest', (request, _reply, done) => {
        turns[turn] = (turns[turn] ?? 0) + 1
        order.push(request.headers['x-number'] as string)
        block(work)
        done()
      })
      await settings.setup?.(app)
    }
  })
  const head = upgradeRequest(new URL(path, built.url).href).toString().slice(0, -2)
  const raws = Array.from({ length: CROWD }, (_, number) => sendRaw(t, built.url, Buffer.from(`${head}X-Number: ${number}\r\n`)))
  await until(() => new Promise(resolve => built.app.server.getConnections((_error, count) => resolve(count === CROWD))))
  return {
    ...built,
    raws,
    order,
    arrived,
    get passed () { return Object.values(turns) },
    rush () {
      rushed = true
      for (const raw of raws) raw.write(Buffer.from('\r\n'))
    }
  }
}

t.test('of a crowd that comes at once, a few upgrades pass in each turn of the event loop, in the order in which they came', async t => {
  const crowd = await gather(t)
  crowd.rush()
  await Promise.all(crowd.raws.map(raw => raw.received('101 Switching Protocols')))
  t.ok(Math.max(...crowd.passed) < CROWD / 2, `in each turn, ${crowd.passed.join()}`)
  t.strictSame(crowd.order, crowd.arrived)
})

t.test('who leaves while they wait is let go of, and the others are let in', async t => {
  const crowd = await gather(t)
  crowd.rush()
  const [left, stay] = [crowd.raws.slice(CROWD / 2), crowd.raws.slice(0, CROWD / 2)]
  for (const { socket } of left) socket.resetAndDestroy()
  await Promise.all(stay.map(raw => raw.received('101 Switching Protocols')))
  await until(() => crowd.app.ws.stats().connections === stay.length)
  t.ok(crowd.order.length < CROWD, `${crowd.order.length} upgrades have passed`)
})

t.test('where turns are long for other reasons, more upgrades pass in each', async t => {
  const crowd = await gather(t, {}, { work: 0, busy: 30 })
  crowd.rush()
  await Promise.all(crowd.raws.map(raw => raw.received('101 Switching Protocols')))
  t.ok(Math.max(...crowd.passed) > EACH_TURN, `in each turn, ${crowd.passed.join()}`)
})

t.test('who waits keeps what the application has stored for it', async t => {
  const storage = new AsyncLocalStorage<string>()
  const stored: Array<string | undefined> = []
  const crowd = await gather(t, {
    setup (app) {
      app.server.prependListener('upgrade', request => storage.enterWith(request.headers['x-number'] as string))
      app.addHook('onRequest', async () => { stored.push(storage.getStore()) })
    }
  })
  crowd.rush()
  await Promise.all(crowd.raws.map(raw => raw.received('101 Switching Protocols')))
  t.strictSame(stored, crowd.order)
})

t.test('who is put out with an error while they wait does not pass, and does not end the process', async t => {
  const turnstile = new Turnstile(10)
  turnstile.watch(createServer())
  const passed: unknown[] = []
  turnstile.on('upgrade', request => passed.push(request))
  const sockets = Array.from({ length: EACH_TURN + 2 }, () => new Socket())
  for (const [number, socket] of sockets.entries()) turnstile.emit('upgrade', number, socket, Buffer.alloc(0))
  t.equal(turnstile.size, 2)
  sockets[EACH_TURN]?.destroy(new Error('put out')) // which comes in a later tick
  turnstile.flush()
  t.strictSame(passed, [0, 1, 3])
  await new Promise(resolve => { sockets[EACH_TURN]?.once('close', resolve) })
})

t.test('the end of a turn is asked for once, also where all have passed before it comes, and others follow', async t => {
  const turnstile = new Turnstile(10)
  turnstile.watch(createServer())
  const come = (count: number): void => {
    for (let number = 0; number < count; number++) turnstile.emit('upgrade', number, new Socket(), Buffer.alloc(0))
  }
  const asked = (): number => process.getActiveResourcesInfo().filter(resource => resource === 'Immediate').length
  come(EACH_TURN + 1)
  await new Promise(resolve => setImmediate(resolve)) // by then its own has come, and has asked again for whoever waited
  turnstile.flush()
  const before = asked()
  come(EACH_TURN)
  t.equal(asked(), before)
  come(1)
  t.equal(turnstile.size, 1)
  await new Promise(resolve => setImmediate(resolve))
  await new Promise(resolve => setImmediate(resolve))
  t.equal(turnstile.size, 0)
})

t.test('where more come than may wait, one passes for each of them', async t => {
  const crowd = await gather(t, { rooms: { maxWaiting: 10 }, setup: app => { app.get('/plain', { websocket: true }, () => {}) } }, { path: '/plain' })
  crowd.rush()
  await Promise.all(crowd.raws.map(raw => raw.received('101 Switching Protocols')))
  const [first = 0] = crowd.passed
  t.ok(first >= CROWD - 10, `${first} upgrades have passed in one turn`)
  t.strictSame(crowd.order, crowd.arrived)
})

t.test('who waits when the application closes is refused, and whoever was let in is told to come back', async t => {
  const crowd = await gather(t)
  crowd.rush()
  await until(() => crowd.order.length > 0)
  t.ok(crowd.app.ws.stats().waiting >= CROWD - crowd.order.length, 'and counts as waiting until then')
  const { length: passed } = crowd.order
  t.ok(passed < CROWD, `${passed} upgrades have passed`)
  await crowd.app.close()
  for (const raw of crowd.raws.slice(0, passed)) t.equal(await raw.closeCode(), 1012)
  for (const raw of crowd.raws.slice(passed)) {
    await raw.closed
    t.match(raw.text(), /^HTTP\/1\.1 503 /)
  }
})

noStrays()
