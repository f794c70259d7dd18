import t from 'tap'
import type { Test } from 'tap'
import { Attacker, frame, PING, PONG } from '../../hostile/shared.js'
import type { Victim } from '../../hostile/shared.js'
import { arrive, enter, linesOf, startVictim, tokenOf, unharmed } from './siege.js'

const [LOUD, QUIET] = ['127.0.0.77', '127.0.0.78']

async function from (t: Test, { port }: Victim, address: string): Promise<Attacker> {
  const attacker = await Attacker.upgrade(port, { path: '/rooms/room', address })
  t.teardown(() => attacker.leave())
  return attacker
}

t.test('C8: one address is refused with 503 beyond its share, and another is served', async t => {
  const victim = await startVictim(t, { options: { maxConnectionsPerAddress: 50 } })
  const loud = []
  for (let count = 0; count < 200; count++) loud.push(await from(t, victim, LOUD))
  t.equal(loud.filter(({ status }) => status === 101).length, 50)
  for (const { status, head } of loud.slice(50)) t.match({ status, head }, { status: 503, head: /\r\nretry-after: \d+/i })
  const quiet = await from(t, victim, QUIET)
  quiet.text(JSON.stringify({ token: tokenOf() }))
  await quiet.until(() => quiet.ended !== undefined || quiet.heard.length > 0)
  t.match(quiet.heard[0], /"connected"/)

  for (const attacker of loud) attacker.leave()
  await unharmed(t, victim)
  const again = await from(t, victim, LOUD)
  t.equal(again.status, 101, 'who is gone does not count')
})

t.test('C8: a header does not make one address look like many', async t => {
  const victim = await startVictim(t, { members: 0, rate: 0, options: { maxConnectionsPerAddress: 5 } })
  const statuses = []
  for (let count = 0; count < 10; count++) statuses.push((await arrive(t, victim, '/rooms/room', [`X-Forwarded-For: 10.0.0.${count}`, `X-Real-IP: 10.0.0.${count}`])).status)
  t.strictSame(statuses, [...Array(5).fill(101), ...Array(5).fill(503)])
})

t.test('C8: upgrades beyond `maxConnections` and `acceptRate` are answered with 503, and members stay', async t => {
  for (const options of [{ maxConnections: 30 }, { acceptRate: 30 }]) {
    const victim = await startVictim(t, { options })
    const attackers = await Promise.all(Array.from({ length: 300 }, () => arrive(t, victim)))
    const refused = attackers.filter(({ status }) => status === 503)
    t.ok(refused.length > 200, `${refused.length} were refused by ${JSON.stringify(options)}`)
    t.strictSame(refused.filter(({ head = '' }) => !/\r\nretry-after: \d+/i.test(head)), [])
    await Promise.all(refused.map(attacker => attacker.until(() => false))) // the connection goes, too
    await unharmed(t, victim)
  }
})

t.test('C8: one user is closed with 1013 beyond `maxConnectionsPerUser`, and others are let in', async t => {
  const victim = await startVictim(t, { options: { maxConnectionsPerUser: 3 } })
  const mallory = []
  for (let count = 0; count < 6; count++) mallory.push(await enter(t, victim))
  t.strictSame(await Promise.all(mallory.slice(3).map(attacker => attacker.end())), [1013, 1013, 1013])
  t.strictSame(mallory.slice(0, 3).map(({ ended }) => ended), [undefined, undefined, undefined])
  t.equal((await enter(t, victim, '/rooms/room', { sub: 'ada' })).ended, undefined)
  await unharmed(t, victim)
})

t.test('C13: pings and pongs without end are closed with 4429, before the token and behind it', async t => {
  const victim = await startVictim(t)
  for (const opcode of [PING, PONG]) {
    for (const attacker of [await arrive(t, victim), await enter(t, victim)]) {
      const flood = Buffer.concat(Array.from({ length: 2_000 }, () => frame('', { opcode })))
      attacker.write(flood)
      // Of pings, `ws` may have seen enough before: more than 60 pongs that are not yet written.
      t.match(String(await attacker.end()), opcode === PING ? /^(4429|cut)$/ : /^4429$/)
    }
  }
  await unharmed(t, victim)
})

t.test('C14: few messages that are many bytes are closed with 4429', async t => {
  const victim = await startVictim(t)
  const attacker = await enter(t, victim, '/rooms/room')
  for (let count = 0; count < 100; count++) attacker.text(JSON.stringify({ command: 'X', data: 'x'.repeat(60_000) }))
  t.equal(await attacker.end(), 4429)
  await unharmed(t, victim)
})

const UPGRADE = { routes: [{ path: '/with-upgrade', room: 'room', options: { authenticate: 'upgrade' } }] }

t.test('C3: a token that comes with the upgrade and is no good is answered with 401, and neither echoed nor logged', async t => {
  const victim = await startVictim(t, UPGRADE)
  for (const protocols of ['rooms.v1', 'rooms.v1, bearer.', 'rooms.v1, bearer.nonsense', 'rooms.v1, bearer.a.b.c', `rooms.v1, bearer.${tokenOf({ exp: 1 })}`, `rooms.v1, bearer.${tokenOf()}, bearer.${tokenOf()}`, `rooms.v1, bearer.${tokenOf()}x`]) {
    const attacker = await arrive(t, victim, '/with-upgrade', [`Sec-WebSocket-Protocol: ${protocols}`])
    t.match(String(await attacker.end()), /^HTTP 40[01]$/, protocols.slice(0, 40))
    t.notMatch(attacker.head, /bearer\.|eyJ/)
  }
  const huge = await arrive(t, victim, '/with-upgrade', [`Sec-WebSocket-Protocol: rooms.v1, bearer.${'x'.repeat(100 * 1_024)}`])
  t.match(String(await huge.end()), /^HTTP 4(00|01|31)$/)
  const good = await arrive(t, victim, '/with-upgrade', [`Sec-WebSocket-Protocol: rooms.v1, bearer.${tokenOf()}`])
  await good.until(() => good.ended !== undefined || good.heard.length > 0)
  t.match(good.heard[0], /"connected"/)
  t.match(good.head, /\r\nsec-websocket-protocol: rooms\.v1(\r\n|$)/i)
  t.notMatch(good.head, /bearer\.|eyJ/)
  await unharmed(t, victim)
  t.notMatch(linesOf(victim).join('\n'), /bearer\.|eyJ/)
})
