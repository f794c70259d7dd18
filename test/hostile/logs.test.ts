import t from 'tap'
import { frame, BINARY } from '../../hostile/shared.js'
import { startRedis } from '../helpers/redis.js'
import { handmadeToken } from '../helpers/token.js'
import { arrive, enter, linesOf, startVictim, tokenOf, unharmed } from './siege.js'

const PASSWORD = 'the-password-of-a-redis'
const PAYLOAD = 'the canary of a payload'

t.test('C19: no token, no payload, no password and no secret is in the log, at whatever level, whatever has gone wrong', async t => {
  const redis = await startRedis(t, ['--requirepass', PASSWORD])
  const admin = redis.client()
  t.teardown(() => admin.disconnect())
  const victim = await startVictim(t, { redis: { port: redis.port, password: PASSWORD }, options: { authTimeout: 300, commandTimeout: 200, history: { size: 1_000, ttl: 60_000 } } })
  const bad = [tokenOf({ exp: 1, note: PAYLOAD }), handmadeToken({ alg: 'none' }, { sub: PAYLOAD }), handmadeToken({ alg: 'HS256' }, { sub: PAYLOAD }, 'another'), `${PAYLOAD}.x.y`]
  for (const token of bad) {
    const attacker = await arrive(t, victim)
    attacker.text(JSON.stringify({ token }))
    await attacker.end()
  }
  for (const bytes of [frame(`{"token":"${PAYLOAD}`), frame(PAYLOAD, { opcode: BINARY }), frame(PAYLOAD, { rsv: 7 }), frame(`${PAYLOAD}${'x'.repeat(70_000)}`)]) {
    for (const path of ['/desk', '/rooms/room']) {
      for (const attacker of [await arrive(t, victim, path), await enter(t, victim, path)]) {
        attacker.write(bytes)
        await attacker.end()
      }
    }
  }
  const member = await enter(t, victim, '/desk', { note: PAYLOAD })
  for (const command of ['ECHO', 'THROW', 'REJECT', 'NEVER', PAYLOAD, 'WSStatus']) member.text(JSON.stringify({ command, data: PAYLOAD, id: PAYLOAD }))
  await member.until(() => member.ended !== undefined || member.heard.filter(text => text.includes('"id"')).length === 6)
  t.equal(member.ended, undefined)
  for (const room of [PAYLOAD, `${PAYLOAD}\n`]) {
    const attacker = await arrive(t, victim, '/desk')
    attacker.text(JSON.stringify({ token: tokenOf(), recover: { desk: { epoch: room, seq: 1, mid: PAYLOAD } } }))
    await attacker.until(() => attacker.heard.length > 0)
  }
  for (const payload of [PAYLOAD, `{"command":"${PAYLOAD}","data":`, `!seq ${PAYLOAD}\n{}`, Buffer.from(`${PAYLOAD}\xff`, 'latin1')]) await admin.publish('rooms:room', payload)
  await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
  await unharmed(t, victim)

  const lines = linesOf(victim)
  const text = lines.join('\n')
  for (const told of ['socket refused', 'socket sent a bad frame', 'command failed', 'broker']) t.ok(text.includes(told), `there is a line about it: ${told}`)
  for (const secret of [PASSWORD, PAYLOAD, 'a secret of', ...bad, tokenOf().split('.')[2] as string]) t.notOk(text.includes(secret), `${secret.slice(0, 30)} is in no line`)
  t.notMatch(text, /\beyJ[\w-]+\./)
})

t.test('C19: nor is a wrong password of Redis, though the server cannot get in', async t => {
  const redis = await startRedis(t, ['--requirepass', PASSWORD])
  const victim = await startVictim(t, { members: 0, rate: 0, redis: { port: redis.port, password: `${PASSWORD}-of-yesterday` } })
  const attacker = await enter(t, victim)
  t.equal(attacker.ended, undefined, 'clients are let in, and told that it is degraded')
  t.match(attacker.heard[0], /"degraded":true/)
  const text = linesOf(victim).join('\n')
  t.notOk(text.includes(PASSWORD))
  t.match(text, /"level":[45]0/, 'there is a line about it')
})
