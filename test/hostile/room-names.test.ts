import t from 'tap'
import { handmadeToken } from '../helpers/token.js'
import { startRedis } from '../helpers/redis.js'
import { arrive, assertDiscreet, enter, linesOf, startVictim, tokenOf, unharmed } from './siege.js'

const BAD = [
  '*', 'a*', 'roo?', '[r]oom', '{x}', '{room}', 'ro\nom', 'ro\r\nom', 'room\0', '\0', 'ro\tom', 'room\u001b[2J', 'room ', ' room', '', 'r'.repeat(129),
  'r'.repeat(10_240), '\u{1f600}', 'caf\u00e9', 'ro\u0336om', '\u202eroom', '"room"', "room'", '<script>', '$(id)', 'room;', 'room\\', 'a|b', '^', '`'
]

/** Good names that are not the members' room, however near they come to its channel and its stream. */
const ISOLATED = ['..', '../room', 'room/../own', './room', 'ROOM', 'room1', 'roo', 'rooms:room', ':room', 'room:', 'room:s', 'rooms:room:s', 'room.', '%2Froom', '~room', '__proto__', 'constructor', 'toString', 'hasOwnProperty', '__keyspace@0__:room', 'WSStatus']

t.test('C16: a room name that means something elsewhere is refused, and neither Redis nor the log is shown it as it is', async t => {
  const redis = await startRedis(t)
  const admin = redis.client()
  t.teardown(() => admin.disconnect())
  const victim = await startVictim(t, { redis: { port: redis.port } })
  for (const name of BAD) {
    const attacker = await arrive(t, victim, `/query?room=${encodeURIComponent(name)}`)
    attacker.text(JSON.stringify({ token: tokenOf() }))
    t.equal(await attacker.end(), 4403, JSON.stringify(name.slice(0, 40)))
    assertDiscreet(t, attacker, name.slice(0, 40))
  }
  const [channels, keys] = [await admin.pubsub('CHANNELS') as string[], await admin.keys('*')]
  t.ok(channels.includes('rooms:room'))
  t.strictSame(BAD.filter(name => channels.includes(`rooms:${name}`) || keys.some(key => key.startsWith(`{rooms:${name}}`))), [], 'nobody has subscribed to any of them, or written')
  t.equal(await admin.pubsub('NUMPAT'), 0, 'and nobody listens to patterns')
  for (const line of linesOf(victim)) t.doesNotThrow(() => JSON.parse(line), 'a line of the log is one line')
  await unharmed(t, victim)
})

t.test('C16: a room name in the path of a route is refused before or behind the upgrade', async t => {
  const victim = await startVictim(t)
  for (const name of BAD) {
    const attacker = await arrive(t, victim, `/rooms/${encodeURIComponent(name)}`)
    attacker.text(JSON.stringify({ token: tokenOf() }))
    t.match(String(await attacker.end()), /^(4403|HTTP 4\d\d)$/, JSON.stringify(name.slice(0, 40)))
  }
  await unharmed(t, victim)
})

t.test('C16: a name that comes near another room’s channel, stream, or what every object has, is a room of its own', async t => {
  const redis = await startRedis(t)
  const victim = await startVictim(t, { redis: { port: redis.port }, options: { history: { size: 100, ttl: 60_000 } } })
  const attackers = []
  for (const name of ISOLATED) {
    const attacker = await arrive(t, victim, `/query?room=${encodeURIComponent(name)}`)
    attacker.text(JSON.stringify({ token: tokenOf(), recover: { room: { epoch: '1', seq: 1, mid: 'x' }, [name]: { epoch: '1', seq: 0, mid: '' } } }))
    await attacker.until(() => attacker.ended !== undefined || attacker.heard.length > 0)
    t.match(JSON.parse(attacker.heard[0] as string).data, { status: 'connected' }, name)
    t.strictSame(Object.keys(JSON.parse(attacker.heard[0] as string).data.rooms), [name])
    attackers.push(attacker)
  }
  await victim.flow(20)
  for (const attacker of attackers) t.strictSame(attacker.heard.filter(text => text.includes('"N"')), [], 'and hears nothing of the other')
  await unharmed(t, victim)
})

t.test('C17: whoever may not enter a room is closed with 4403, and hears nothing of it', async t => {
  const victim = await startVictim(t)
  for (const [path, rooms] of [['/own', undefined], ['/own', 'own'.slice(0, 2)], ['/own', ['owner']], ['/named/room', ['own']], ['/several', ['own']], ['/several', []]] as const) {
    const attacker = await enter(t, victim, path, { rooms })
    t.equal(await attacker.end(), 4403, `${path} ${JSON.stringify(rooms)}`)
    t.strictSame(attacker.heard.map(text => JSON.parse(text).data.status), ['forbidden'])
  }
  const control = await enter(t, victim, '/named/room', { rooms: ['room'] })
  await control.until(() => control.ended !== undefined || control.heard.some(text => text.includes('"N"')))
  t.equal(control.ended, undefined, 'who may, may')
  await unharmed(t, victim)
})

t.test('C17: claims that only look like the right ones do not open a room', async t => {
  const victim = await startVictim(t)
  for (const rooms of ['{"includes":"own"}', '{"0":"own","length":1}', '[["own"]]', '["own "]', '["OWN"]', 'null', '1']) {
    const attacker = await arrive(t, victim, '/own')
    attacker.text(JSON.stringify({ token: handmadeToken({ alg: 'HS256' }, `{"sub":"mallory","rooms":${rooms}}`, 'a secret of the bench') }))
    t.match(String(await attacker.end()), /^(4403|1011)$/, rooms)
    assertDiscreet(t, attacker, rooms)
  }
  await unharmed(t, victim)
})
