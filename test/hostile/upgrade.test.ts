import t from 'tap'
import { Attacker, upgradeRequest } from '../../hostile/shared.js'
import { until } from '../helpers/app.js'
import { arrive, assertDiscreet, besiege, startVictim, unharmed } from './siege.js'

besiege(t, 'upgrade')

const GARBAGE: Array<[what: string, bytes: Buffer]> = [
  ['is no HTTP', Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03])],
  ['has a body, which would be frames', Buffer.concat([upgradeRequest('/rooms/room', ['Content-Length: 5']), Buffer.from('hello')])],
  ['has two lengths', upgradeRequest('/rooms/room', ['Content-Length: 5', 'Content-Length: 6'])],
  ['is chunked and has a length', upgradeRequest('/rooms/room', ['Content-Length: 5', 'Transfer-Encoding: chunked'])],
  ['has a header with a zero byte', upgradeRequest('/rooms/room', ['X-Zero: a\0b'])],
  ['has a path that is no URL', upgradeRequest('/rooms/%zz')],
  ['leads nowhere', upgradeRequest('//rooms/room/../../etc/passwd')],
  ['has a key that is none', Buffer.from(upgradeRequest('/rooms/room').toString().replace('AAAA==', ''))],
  ['has another version', Buffer.from(upgradeRequest('/rooms/room').toString().replace('Version: 13', 'Version: 14'))]
]

t.test('C10: an upgrade that is none is answered or cut off, and tells nothing', async t => {
  const victim = await startVictim(t, { options: { authTimeout: 200 } })
  for (const [what, bytes] of GARBAGE) {
    const attacker = await Attacker.connect(victim.port)
    t.teardown(() => attacker.leave())
    attacker.write(bytes)
    t.match(String(await attacker.end()), /^(HTTP 4\d\d|cut|1002|4408)$/, what)
    assertDiscreet(t, attacker, what)
  }
  await unharmed(t, victim)
})

t.test('C10: half an upgrade, and a client that is gone, leave nothing', async t => {
  const victim = await startVictim(t)
  const connections = await victim.ask<number>('connections')
  const whole = upgradeRequest('/rooms/room')
  for (let length = 1; length <= whole.length; length += 7) {
    const attacker = await Attacker.connect(victim.port)
    attacker.write(whole.subarray(0, length))
    attacker.leave()
  }
  await unharmed(t, victim)
  await until(async () => await victim.ask('connections') === connections)
})

t.test('C12: compression is not negotiated by default, whatever is offered', async t => {
  const victim = await startVictim(t)
  for (const offer of ['permessage-deflate', 'permessage-deflate; server_max_window_bits=8', 'permessage-deflate; client_max_window_bits, x-webkit-deflate-frame', ';;;,,,']) {
    const { head = '' } = await arrive(t, victim, '/rooms/room', [`Sec-WebSocket-Extensions: ${offer}`])
    t.notMatch(head, /sec-websocket-extensions/i, offer)
  }
  await unharmed(t, victim)
})
