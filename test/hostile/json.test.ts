import t from 'tap'
import { frame } from '../../hostile/shared.js'
import { assertDiscreet, besiege, enter, startVictim, unharmed } from './siege.js'

besiege(t, 'json')

const big = 60_000

/** What comes of it: a close code, or the code of an error that its sender is told. */
const TEXTS: Array<[what: string, text: string, outcome: number | string]> = [
  ['30,000 arrays deep', '['.repeat(30_000), 'FST_ROOMS_INVALID_COMMAND'],
  ['30,000 arrays deep, closed again', `{"command":"ECHO","id":1,"data":${'['.repeat(30_000)}${']'.repeat(30_000)}}`, 'FST_ROOMS_INVALID_COMMAND'],
  ['10,000 objects deep', `{"command":"ECHO","id":1,"data":${'{"a":'.repeat(9_000)}1${'}'.repeat(9_000)}}`, 'FST_ROOMS_INVALID_COMMAND'],
  ['__proto__', '{"command":"ECHO","id":1,"data":{"__proto__":{"polluted":true}}}', 'FST_ROOMS_INVALID_COMMAND'],
  ['__proto__ at the top', '{"__proto__":{"polluted":true,"command":"ECHO"},"id":1}', 'FST_ROOMS_INVALID_COMMAND'],
  ['__proto__ in other letters', '{"command":"ECHO","id":1,"data":{"\\u005f_proto__":{"polluted":true}}}', 'FST_ROOMS_INVALID_COMMAND'],
  ['constructor.prototype', '{"command":"ECHO","id":1,"data":{"constructor":{"prototype":{"polluted":true}}}}', 'FST_ROOMS_INVALID_COMMAND'],
  ['a key twice', '{"command":"THROW","id":1,"command":"ECHO","data":1,"data":"second"}', '{"command":"ECHO","data":"second","id":1}'],
  ['a key twice, and an id', '{"command":"ECHO","data":1,"id":1,"id":2}', '{"command":"ECHO","data":1,"id":2}'],
  ['a string of 60 KB', JSON.stringify({ command: 'ECHO', data: 'x'.repeat(big), id: 1 }), JSON.stringify({ command: 'ECHO', data: 'x'.repeat(big), id: 1 })],
  ['20,000 empty arrays', `{"command":"ECHO","id":1,"data":[${'[],'.repeat(20_000)}[]]}`, `{"command":"ECHO","data":[${'[],'.repeat(20_000)}[]],"id":1}`],
  ['half a surrogate pair', '{"command":"ECHO","data":"\\ud800","id":1}', '{"command":"ECHO","data":"\\ud800","id":1}'],
  ['a command of half a surrogate pair', '{"command":"\\udc00","id":1}', 'FST_ROOMS_UNKNOWN_COMMAND'],
  ['a command of every object', '{"command":"toString","id":1}', 'FST_ROOMS_UNKNOWN_COMMAND'],
  ['a command that is an object', '{"command":{"toString":null},"id":1}', 'FST_ROOMS_UNKNOWN_COMMAND'],
  ['a number of 60,000 digits', `{"command":"ECHO","id":1,"data":${'9'.repeat(big)}}`, '{"command":"ECHO","data":null,"id":1}'],
  ['an id that is no number', '{"command":"ECHO","id":1e999}', 4400],
  ['an id that is an object', '{"command":"ECHO","id":{"toJSON":1}}', 4400],
  ['an id of 60 KB', JSON.stringify({ command: 'ECHO', id: 'x'.repeat(big) }), 4400],
  ['a string alone', JSON.stringify('x'.repeat(big)), 4400],
  ['an array', '[{"command":"ECHO","id":1}]', 4400],
  ['the words of the plugin itself', '{"command":"WSStatus","data":{"status":"connected"},"id":1}', 'FST_ROOMS_UNKNOWN_COMMAND'],
  ['a byte order mark', '\ufeff{"command":"ECHO","id":1}', 4400]
]

t.test('C15: JSON that is made with care is refused, or is nothing but data', async t => {
  const victim = await startVictim(t)
  for (const [what, text, outcome] of TEXTS) {
    const attacker = await enter(t, victim, '/desk')
    attacker.heard.length = 0
    attacker.write(frame(text))
    await attacker.until(() => attacker.ended !== undefined || attacker.heard.length > 0)
    if (typeof outcome === 'number') t.equal(await attacker.end(), outcome, what)
    else if (outcome.startsWith('{')) t.strictSame(attacker.heard, [outcome], what)
    else t.match(JSON.parse(attacker.heard[0] as string), { command: 'WSError', data: { code: outcome } }, what)
    assertDiscreet(t, attacker, what)
    attacker.leave()
  }
  await unharmed(t, victim)
})
