import { once } from 'node:events'
import net from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { now } from '../../faults/shared.js'
import { Attacker, CLOSE, frame, rooms, Victim } from '../../hostile/shared.js'
import type { FrameBits } from '../../hostile/shared.js'
import { startVictim } from './siege.js'

const ANSWER = Buffer.from('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n')
const SHORT = 'short'
const LONG = 'x'.repeat(200)
const HUGE = 'x'.repeat(70_000)

/** A frame of a server, which masks none. */
const said = (what: string | Buffer, bits: FrameBits = {}): Buffer => frame(what, { masked: false, ...bits })

/** An attacker, and the other end of its connection: a server that says what it is told to. */
async function connect (t: Test): Promise<{ attacker: Attacker, server: Socket }> {
  const listener = net.createServer().listen(0, '127.0.0.1')
  t.teardown(() => listener.close())
  await once(listener, 'listening')
  const [attacker, [server]] = await Promise.all([Attacker.connect((listener.address() as AddressInfo).port), once(listener, 'connection')])
  t.teardown(() => attacker.leave())
  return { attacker, server }
}

t.test('an attacker hears the same, in whatever pieces it comes', async t => {
  const { attacker, server } = await connect(t)
  server.setNoDelay(true)
  const bytes = Buffer.concat([ANSWER, said(SHORT), said(LONG), said(HUGE), said(SHORT)])
  const small = ANSWER.length + said(SHORT).length + said(LONG).length + 20 // with all that tells the length of the huge one
  for (let at = 0; at < small; at++) {
    server.write(bytes.subarray(at, at + 1))
    await once(attacker.socket, 'data')
  }
  server.write(bytes.subarray(small))
  await attacker.until(() => attacker.heard.length === 4)
  t.equal(attacker.status, 101)
  t.strictSame(attacker.heard, [SHORT, LONG, HUGE, SHORT])
})

t.test('an attacker knows how it was ended: the close code, or that there was none', async t => {
  for (const [bytes, ended] of [[said(Buffer.from([0x11, 0x4d]), { opcode: CLOSE }), 4429], [said('', { opcode: CLOSE }), 1005], [Buffer.alloc(0), 'cut']] as const) {
    const { attacker, server } = await connect(t)
    server.end(Buffer.concat([ANSWER, bytes]))
    t.equal(await attacker.end(), ended)
  }
})

t.test('of an attacker that is sent a great deal, what came last is kept', async t => {
  const { attacker, server } = await connect(t)
  server.end(Buffer.concat([ANSWER, ...Array.from({ length: 1_500 }, (_, number) => said(String(number)))]))
  await attacker.end()
  t.strictSame([attacker.heard.length, attacker.heard[0], attacker.heard.at(-1)], [1_000, '500', '1499'])
})

t.test('whatever a server does to its members is found: harm is what they have seen, and not what it says', async t => {
  const victim = await Victim.start({ ...rooms, file: new URL('harmful.js', import.meta.url).href }, { members: 2, rate: 0 })
  t.teardown(() => victim.close())
  t.strictSame(await victim.harm(), ['what objects are has been changed'], 'before anything was sent')
  const journals = victim.members.map(({ journal }) => journal)
  await victim.ask('send', { name: 'p', room: 'room', count: 4 })
  await victim.ask('settled', { name: 'p' }) // and so is known here
  await Promise.all(journals.map(journal => journal.until(({ type }) => type === 'closed')))
  const harm = await victim.harm()
  t.strictSame(harm.slice(0, 6), [
    '2 messages did not come',
    '2 messages came twice or out of order',
    '2 messages were not due any more',
    'what objects are has been changed',
    'member 0 was cut off with 1011',
    'member 1 was cut off with 1011'
  ])
  t.ok(harm.includes('member 0 got p:2 twice'), 'with what speaks for it')

  process.kill(victim.pid, 'SIGKILL')
  await t.rejects(victim.ask('members'), { message: 'victim has ended' })
  t.match((await victim.harm())[0], /^victim ended with SIGKILL/)
})

t.test('a victim that does not start says so at once', async t => {
  await t.rejects(Victim.start(rooms, { wanted: { options: { authTimeout: 'never' } } }), { message: /^victim ended with 1/ })
})

t.test('how long messages took is said of those that were sent in a time, to each member', async t => {
  const victim = await startVictim(t, { members: 3 })
  const from = now()
  await victim.flow()
  const to = now()
  const during = victim.latencies(from, to)
  t.ok(during.length > 0 && during.every(ms => ms > 0))
  t.equal(victim.latencies(0, from).length + during.length + victim.latencies(to, Infinity).length, victim.latencies(0, Infinity).length)
  t.strictSame(victim.latencies(to, to), [])
})
