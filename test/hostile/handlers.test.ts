import t from 'tap'
import { arrive, assertDiscreet, besiege, enter, linesOf, startVictim, tokenOf, unharmed } from './siege.js'

besiege(t, 'handlers')

t.test('C18: a handler that throws, rejects, or takes the process for 200 ms has its answer, and nothing else ends', async t => {
  const victim = await startVictim(t)
  const member = await enter(t, victim, '/desk')
  for (const [command, code] of [['THROW', 'FST_ROOMS_COMMAND_FAILED'], ['REJECT', 'FST_ROOMS_COMMAND_FAILED'], ['NOTHING', 'FST_ROOMS_COMMAND_FAILED'], ['BLOCK', undefined], ['ECHO', undefined]]) {
    member.heard.length = 0
    member.text(JSON.stringify({ command, id: 1 }))
    await member.until(() => member.ended !== undefined || member.heard.length > 0)
    t.match(JSON.parse(member.heard[0] as string), code === undefined ? { command, id: 1 } : { command: 'WSError', data: { code }, id: 1 }, `${command}`)
    assertDiscreet(t, member, String(command))
  }
  t.equal(member.ended, undefined)
  await unharmed(t, victim)
})

t.test('C18: a command that never ends is answered when its time is over, and those behind it are carried out', async t => {
  const victim = await startVictim(t, { options: { commandTimeout: 200 } })
  const member = await enter(t, victim, '/desk')
  member.text('{"command":"NEVER","id":1}')
  member.text('{"command":"ECHO","data":2,"id":2}')
  await member.until(() => member.heard.some(text => text.includes('"id":2')))
  t.match(member.heard.slice(-2).map(text => JSON.parse(text)), [{ data: { code: 'FST_ROOMS_COMMAND_TIMEOUT' }, id: 1 }, { command: 'ECHO', data: 2, id: 2 }])
  await unharmed(t, victim)
})

/** What becomes of the socket whose hook fails. */
const FATES: Record<string, number | 'stays'> = {
  authenticate: 1011, authorize: 1011, userId: 1011, expiresAt: 1011, snapshot: 1011, onJoin: 1011, onLeave: 'stays', onError: 1011
}

t.test('C18: a hook that fails ends its own socket at most, with 1011, and tells nothing', async t => {
  const victim = await startVictim(t)
  for (const [hook, fate] of Object.entries(FATES)) {
    for (const how of ['throws', 'rejects']) {
      const attacker = await arrive(t, victim, `/broken/${hook}/${how}`)
      attacker.text(JSON.stringify({ token: tokenOf() }))
      if (fate === 'stays') {
        await attacker.until(() => attacker.ended !== undefined || attacker.heard.some(text => text.includes('"connected"')))
        t.equal(attacker.ended, undefined, `${hook} ${how}`)
        attacker.leave()
      } else {
        t.equal(await attacker.end(), fate, `${hook} ${how}`)
      }
      assertDiscreet(t, attacker, `${hook} ${how}`)
    }
  }
  await unharmed(t, victim)
  t.ok(linesOf(victim).some(line => line.includes('a detail that nobody may read')), 'it is in the log of the server, where it belongs')
})

t.test('C18: a hook that takes the process for 200 ms is waited for, by everybody, and that is all', async t => {
  const victim = await startVictim(t)
  for (const hook of Object.keys(FATES).filter(hook => !['authorize', 'onError', 'onLeave'].includes(hook))) {
    const attacker = await arrive(t, victim, `/broken/${hook}/blocks`)
    attacker.text(JSON.stringify({ token: tokenOf() }))
    await attacker.until(() => attacker.ended !== undefined || attacker.heard.some(text => text.includes('"connected"')))
    assertDiscreet(t, attacker, hook)
    attacker.leave()
  }
  await unharmed(t, victim)
})
