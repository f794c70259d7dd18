import t from 'tap'
import { enter, startVictim, unharmed } from './siege.js'

const seconds = (): number => Math.floor(Date.now() / 1_000)

t.test('C4: a token that is good for 60 days is not cut off at once, though a timer of 60 days would be', async t => {
  const victim = await startVictim(t)
  const long = await enter(t, victim, '/desk', { exp: seconds() + 60 * 86_400 })
  const longer = await enter(t, victim, '/desk', { exp: 1e15 })
  const short = await enter(t, victim, '/desk', { exp: seconds() + 2 })
  t.equal(await short.end(), 4419)
  t.match(JSON.parse(short.heard.at(-1) as string), { command: 'WSStatus', data: { status: 'expired_token' } })
  t.strictSame([long.ended, longer.ended], [undefined, undefined])
  await unharmed(t, victim)
})

t.test('C5: after `expired_token` no message of the room comes, though the client does not answer the close', async t => {
  const victim = await startVictim(t, { rate: 500, options: { closeTimeout: 1_000 } })
  const attacker = await enter(t, victim, '/rooms/room', { exp: seconds() + 2 })
  t.equal(await attacker.end(), 4419)
  const heard = attacker.heard.length
  await attacker.until(() => false) // until the server has let go of it
  t.equal(attacker.heard.length, heard)
  t.ok(heard > 10, 'it was served before')
  t.match(JSON.parse(attacker.heard.at(-1) as string), { command: 'WSStatus', data: { status: 'expired_token' } })
  await unharmed(t, victim)
})

t.test('C5: a token that expires before its socket is let in does not let it in', async t => {
  const victim = await startVictim(t)
  for (const exp of [seconds() - 1, seconds() - 86_400, 0, -1]) {
    const attacker = await enter(t, victim, '/rooms/room', { exp })
    t.equal(await attacker.end(), 4401)
    t.strictSame(attacker.heard.length, 1)
  }
  await unharmed(t, victim)
})
