import t from 'tap'
import type { Test } from 'tap'
import { endings } from '../../hostile/shared.js'
import type { Attacker, Victim } from '../../hostile/shared.js'
import { startRedis } from '../helpers/redis.js'
import type { RedisServer } from '../helpers/redis.js'
import { enter, startVictim, tokenOf, unharmed } from './siege.js'

const seconds = (): number => Math.floor(Date.now() / 1_000)
const old = { iat: seconds() - 10 }

/** Three processes, whose members hear what the first one sends: it is the last to be asked whether anybody was harmed. */
async function startVictims (t: Test, redis: RedisServer, options: object): Promise<Victim[]> {
  return await Promise.all([50, 0, 0].map(rate => startVictim(t, { rate, redis: { port: redis.port }, options })))
}

t.test('C6: a user who is disconnected loses 1,000 sockets in three processes, and comes back with no old token', async t => {
  const redis = await startRedis(t)
  const [a, b, c] = await startVictims(t, redis, { keepAlive: 600_000 }) as [Victim, Victim, Victim]
  const victims = [b, c, a]
  const sockets: Attacker[] = []
  for (let count = 0; count < 1_000; count += 50) {
    sockets.push(...await Promise.all(Array.from({ length: 50 }, (_, number) => enter(t, victims[number % 3] as Victim, '/rooms/room', old))))
  }
  t.strictSame(endings(sockets), { open: 1_000 })
  await a.ask('disconnectUser', { user: 'mallory' })
  t.strictSame([...new Set(await Promise.all(sockets.map(socket => socket.end())))], [4410])
  t.strictSame(sockets.filter(({ heard }) => !heard.at(-1)?.includes('"disconnected"')).length, 0, 'and it is the last that each of them hears')
  for (const victim of victims) {
    const again = await enter(t, victim, '/rooms/room', old)
    t.equal(await again.end(), 4401)
    const fresh = await enter(t, victim, '/rooms/room', { iat: seconds() + 5 })
    t.equal(fresh.ended, undefined, 'with a new one it may')
    await unharmed(t, victim)
  }
})

t.test('C6: also while Redis hangs: here at once, elsewhere as soon as it can be told', async t => {
  const redis = await startRedis(t)
  const [here, there] = await startVictims(t, redis, {}) as [Victim, Victim]
  const [near, far] = [await enter(t, here, '/rooms/room', old), await enter(t, there, '/rooms/room', old)]
  await redis.kill('SIGSTOP')
  const revoking = here.ask('disconnectUser', { user: 'mallory' }).catch(() => {})
  t.equal(await near.end(), 4410)
  await revoking
  t.equal(far.ended, undefined)
  await redis.kill('SIGCONT')
  t.equal(await far.end(), 4410)
  for (const victim of [here, there]) t.equal(await (await enter(t, victim, '/rooms/room', old)).end(), 4401)
})

t.test('C17: who is removed from a room while inside is closed with 4403, hears nothing more, and others stay', async t => {
  const redis = await startRedis(t)
  const [a, b] = await startVictims(t, redis, { closeTimeout: 1_000 }) as [Victim, Victim]
  const sockets = [await enter(t, a, '/rooms/room', old), await enter(t, b, '/rooms/room', old)]
  const other = await enter(t, b, '/rooms/room', { sub: 'ada', ...old })
  await a.ask('removeFromRoom', { room: 'room', user: 'mallory' })
  for (const socket of sockets) {
    t.equal(await socket.end(), 4403)
    const { length } = socket.heard
    await socket.until(() => false)
    t.equal(socket.heard.length, length)
  }
  t.equal(await (await enter(t, b, '/rooms/room', old)).end(), 4403, 'nor is it let in again with the same token')
  t.equal(other.ended, undefined)
  t.equal((await enter(t, b, '/rooms/elsewhere', old)).ended, undefined, 'other rooms are open to it')
  for (const victim of [b, a]) await unharmed(t, victim)
})

t.test('C17: a room that is closed is closed for all, with 4410, and other rooms go on', async t => {
  const victim = await startVictim(t)
  const sockets = [await enter(t, victim, '/rooms/closing', old), await enter(t, victim, '/rooms/closing', { sub: 'ada', ...old })]
  const other = await enter(t, victim, '/rooms/open', old)
  await victim.ask('closeRoom', { room: 'closing' })
  t.strictSame(await Promise.all(sockets.map(socket => socket.end())), [4410, 4410])
  t.equal(other.ended, undefined)
  await unharmed(t, victim)
})

t.test('C7: a token of another user, on an open socket, ends it with 4403, and a bad one with 4401', async t => {
  const victim = await startVictim(t)
  for (const [token, code] of [[tokenOf({ sub: 'ada' }), 4403], [tokenOf({ sub: 'mallory ' }), 4403], [tokenOf({ exp: 1 }), 4401], ['nonsense', 4401], [`${tokenOf()}x`, 4401]] as const) {
    const attacker = await enter(t, victim)
    attacker.text(JSON.stringify({ token }))
    t.equal(await attacker.end(), code)
    t.notOk(attacker.heard.some(text => text.includes('"refreshed"')))
  }
  await unharmed(t, victim)
})

t.test('C7: 50 tokens in one packet are one refresh at a time, and the socket is whose it was', async t => {
  const victim = await startVictim(t)
  const attacker = await enter(t, victim, '/desk')
  for (let count = 0; count < 50; count++) attacker.text(JSON.stringify({ token: tokenOf({ exp: seconds() + 3_600 }), id: count }))
  await attacker.until(() => attacker.ended !== undefined || new Set(attacker.heard.flatMap(text => JSON.parse(text).id ?? [])).size === 50)
  t.equal(attacker.ended, undefined)
  for (const text of attacker.heard.filter(text => JSON.parse(text).id !== undefined)) t.match(text, /"refreshed"|FST_ROOMS_REFRESHING/)
  await unharmed(t, victim)
})

t.test('C5: a refresh that comes too late is none', async t => {
  const victim = await startVictim(t)
  const attacker = await enter(t, victim, '/rooms/room', { exp: seconds() + 2 })
  t.equal(await attacker.end(), 4419)
  attacker.text(JSON.stringify({ token: tokenOf() }))
  await attacker.until(() => false)
  t.notOk(attacker.heard.some(text => text.includes('"refreshed"')))
  await unharmed(t, victim)
})
