import { constants, deflateRawSync } from 'node:zlib'
import t from 'tap'
import { BINARY, CLOSE, closeFrame, CONTINUATION, frame, PING, PONG, TEXT } from '../../hostile/shared.js'
import { arrive, assertDiscreet, besiege, enter, startVictim, unharmed } from './siege.js'

besiege(t, 'frames')

const BAD_UTF8 = Buffer.from([0x22, 0xc3, 0x28, 0x22])

const KINDS: Array<[what: string, bytes: Buffer, code: number]> = [
  ['a frame that is not masked', frame('{}', { masked: false }), 1002],
  ...[1, 2, 4, 7].map((rsv): [string, Buffer, number] => [`a frame with the reserved bits ${rsv}`, frame('{}', { rsv }), 1002]),
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode): [string, Buffer, number] => [`a frame of the reserved kind ${opcode}`, frame('', { opcode }), 1002]),
  ['a ping in fragments', frame('', { opcode: PING, fin: false }), 1002],
  ['a ping of 126 bytes', frame('x'.repeat(126), { opcode: PING }), 1002],
  ['a pong of 64 KB', frame('x'.repeat(65_000), { opcode: PONG }), 1002],
  ['a fragment of nothing', frame('x', { opcode: CONTINUATION }), 1002],
  ['a message within a message', Buffer.concat([frame('a', { fin: false }), frame('b', { opcode: TEXT })]), 1002],
  ['a length of 64 bits with its highest bit set', frame('', { claim: 2n ** 63n }), 1009],
  ['a length of 2^53', frame('', { claim: 2n ** 53n }), 1009],
  ['a length just over `maxPayload`', frame('', { claim: 65_537 }), 1009],
  ['fragments that are too long together', Buffer.concat([frame('x'.repeat(40_000), { fin: false }), frame('x'.repeat(40_000), { opcode: CONTINUATION })]), 1009],
  ['a text that is not UTF-8', frame(BAD_UTF8), 1007],
  ['a text that is not UTF-8, in fragments', Buffer.concat([frame(BAD_UTF8.subarray(0, 2), { fin: false }), frame(BAD_UTF8.subarray(2), { opcode: CONTINUATION })]), 1007],
  ['a text of half a surrogate pair', frame(Buffer.from([0xed, 0xa0, 0x80])), 1007],
  ['a close frame whose reason is not UTF-8', closeFrame(1000, BAD_UTF8), 1007],
  ['a close frame of one byte', frame('x', { opcode: CLOSE }), 1002],
  ...[0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65_535].map((code): [string, Buffer, number] => [`a close frame with the code ${code}`, closeFrame(code), 1002])
]

for (const who of ['a member', 'a stranger']) {
  t.test(`C11: of ${who}, a frame that is against the rules ends its socket with its code`, async t => {
    const victim = await startVictim(t)
    for (const [what, bytes, code] of KINDS) {
      const attacker = who === 'a member' ? await enter(t, victim, '/desk') : await arrive(t, victim, '/desk')
      attacker.write(bytes)
      t.equal(await attacker.end(), code, what)
      assertDiscreet(t, attacker, what)
    }
    await unharmed(t, victim)
  })
}

t.test('C11: a small frame whose length has 64 bits is read like any other', async t => {
  const victim = await startVictim(t)
  const member = await enter(t, victim, '/desk')
  member.write(frame('{"command":"ECHO","data":"wide","id":1}', { wide: true }))
  await member.until(() => member.heard.some(text => text === '{"command":"ECHO","data":"wide","id":1}'))
  t.equal(member.ended, undefined)
  await unharmed(t, victim)
})

t.test('C11: a message as big as it may be is read, also where the network cuts it into small pieces', async t => {
  const victim = await startVictim(t)
  const member = await enter(t, victim, '/desk')
  const call = { command: 'ECHO', data: '', id: 1 }
  const bytes = frame(JSON.stringify({ ...call, data: 'x'.repeat(65_536 - JSON.stringify(call).length) }))
  for (let at = 0; at < bytes.length; at += 536) {
    member.write(bytes.subarray(at, at + 536))
    await new Promise(resolve => setImmediate(resolve))
  }
  await member.until(() => member.ended !== undefined || member.heard.some(text => text.includes('"id":1')))
  t.equal(member.ended, undefined)
  await unharmed(t, victim)
})

t.test('C11: a binary message of a member ends its socket with 4400', async t => {
  const victim = await startVictim(t)
  const member = await enter(t, victim, '/desk')
  member.write(frame('{"command":"ECHO"}', { opcode: BINARY }))
  t.equal(await member.end(), 4400)
  await unharmed(t, victim)
})

t.test('C12: what unfolds to more than `maxPayload` is closed with 1009, where compression is on', async t => {
  const victim = await startVictim(t, { options: { perMessageDeflate: true } })
  const before = await victim.heap()
  const bomb = deflateRawSync(Buffer.alloc(50 * 1_024 * 1_024, 0x20), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4)
  t.ok(bomb.length < 65_536, `it is ${bomb.length} bytes long`)
  for (let bombs = 0; bombs < 5; bombs++) {
    const attacker = await arrive(t, victim, '/rooms/room', ['Sec-WebSocket-Extensions: permessage-deflate'])
    t.match(attacker.head, /sec-websocket-extensions: permessage-deflate/i)
    attacker.write(frame(bomb, { rsv: 4 }))
    t.equal(await attacker.end(), 1009)
    const fragmented = await arrive(t, victim, '/rooms/room', ['Sec-WebSocket-Extensions: permessage-deflate'])
    fragmented.write(frame(bomb.subarray(0, 1_000), { rsv: 4, fin: false }), frame(bomb.subarray(1_000), { opcode: CONTINUATION }))
    t.equal(await fragmented.end(), 1009)
  }
  t.ok((await victim.heap() - before) / 10 < 100 * 1_024)
  await unharmed(t, victim)
})
