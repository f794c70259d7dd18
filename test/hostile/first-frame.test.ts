import t from 'tap'
import { BINARY, CONTINUATION, frame } from '../../hostile/shared.js'
import { arrive, assertDiscreet, besiege, startVictim, tokenOf, unharmed } from './siege.js'

besiege(t, 'first-frame')

const text = (value: unknown): Buffer => frame(typeof value === 'string' ? value : JSON.stringify(value))

const FIRST: Array<[what: string, bytes: Buffer, code: number]> = [
  ['is no JSON', text('{"token":'), 4401],
  ['is binary', frame(JSON.stringify({ token: tokenOf() }), { opcode: BINARY }), 4401],
  ['is empty', text(''), 4401],
  ['is an array', text([{ token: tokenOf() }]), 4401],
  ['is null', text('null'), 4401],
  ['has a number for a token', text({ token: 7 }), 4401],
  ['has an object for a token', text({ token: { toString: 'x' } }), 4401],
  ['has a token in its prototype', text(`{"__proto__":{"token":"${tokenOf()}"}}`), 4401],
  ['is 5,000 arrays deep', text('['.repeat(5_000)), 4401],
  ['is a command', text({ command: 'ECHO', data: 1, id: 1 }), 4401],
  ['is longer than `maxAuthPayload`', text({ token: 'x'.repeat(9_000) }), 1009]
]

t.test('C2: a first frame that is no good ends its socket, with one word at most', async t => {
  const victim = await startVictim(t)
  for (const [what, bytes, code] of FIRST) {
    const attacker = await arrive(t, victim)
    attacker.write(bytes)
    t.equal(await attacker.end(), code, what)
    t.strictSame(attacker.heard, code === 1009 ? [] : ['{"command":"WSStatus","data":{"status":"invalid_token"}}'], what)
    assertDiscreet(t, attacker, what)
  }
  await unharmed(t, victim)
})

t.test('C7: what is sent before the token is no way in, and a command is not carried out', async t => {
  const victim = await startVictim(t)
  const attacker = await arrive(t, victim, '/desk')
  attacker.write(text({ command: 'ECHO', data: 'before', id: 1 }), text({ token: tokenOf() }))
  t.equal(await attacker.end(), 4401)
  t.notMatch(attacker.heard.join('\n'), /before|connected/)
  await unharmed(t, victim)
})

t.test('C7: of a token and another in one packet, the first one counts', async t => {
  const victim = await startVictim(t)
  for (const tokens of [[tokenOf(), 'nonsense'], ['nonsense', tokenOf()]]) {
    const attacker = await arrive(t, victim)
    attacker.write(...tokens.map(token => text({ token })))
    await attacker.until(() => attacker.heard.length > 0)
    t.match(attacker.heard[0], tokens[0] === 'nonsense' ? /"invalid_token"/ : /"connected"/)
    if (tokens[0] === 'nonsense') t.equal(await attacker.end(), 4401)
    t.equal(attacker.heard.filter(heard => heard.includes('"connected"')).length, tokens[0] === 'nonsense' ? 0 : 1)
  }
  await unharmed(t, victim)
})

t.test('C1: a flood before the token is not kept', async t => {
  const victim = await startVictim(t, { options: { authTimeout: 300 } })
  const before = await victim.heap()
  const flood = Buffer.concat(Array.from({ length: 400 }, () => text({ command: 'ECHO', data: 'x'.repeat(5_000) })))
  for (let attackers = 0; attackers < 10; attackers++) {
    const attacker = await arrive(t, victim, '/desk')
    attacker.write(frame('{"token":"', { fin: false }))
    for (let fragment = 0; fragment < 50; fragment++) attacker.write(frame('x'.repeat(100), { opcode: CONTINUATION, fin: false }))
    attacker.write(flood)
    await attacker.end()
  }
  t.ok((await victim.heap() - before) / 10 < 100 * 1_024)
  await unharmed(t, victim)
})
