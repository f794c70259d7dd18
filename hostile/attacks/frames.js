import { CONTINUATION, fragments, frame } from '../frames.js'

/** Sent to sockets that are members, and to sockets that have not said who they are: the latter anybody can open. */
const member = { subject: 'frames', count: 50 }
const stranger = { ...member, stranger: true }

/** Sends the same to all, and sees that it has been read. */
function sending (bytes, { stranger = false } = {}) {
  return async (stage, count) => {
    const attackers = stranger ? await stage.upgrade(count) : await stage.enter(count)
    for (const attacker of attackers) attacker.write(bytes())
    await Promise.all(attackers.map(attacker => attacker.read()))
  }
}

/** So small and so slow that each is a read of its own for the server. */
async function trickle (stage, count) {
  const attackers = await stage.upgrade(count)
  for (const attacker of attackers) attacker.write(frame('x', { claim: 60_000 }))
  stage.repeat(2, attacker => attacker.write(Buffer.from('x')))
  await stage.ends()
}

export const attacks = [{
  ...member,
  id: 'C11',
  what: 'frames of more than `maxPayload`',
  ends: 'are closed with 1009',
  endings: [1009],
  run: sending(() => frame('x'.repeat(1_100_000)))
}, {
  ...member,
  id: 'C11',
  what: 'frames that claim to be 2^62 bytes long',
  ends: 'are closed with 1009',
  endings: [1009],
  run: sending(() => frame('x', { claim: 2n ** 62n }))
}, {
  ...stranger,
  id: 'C11',
  what: 'first frames that claim to be 2^40 bytes long',
  ends: 'are closed with 1009',
  endings: [1009],
  run: sending(() => frame('x', { claim: 2n ** 40n }), { stranger: true })
}, {
  ...member,
  id: 'C11',
  what: '16,000 fragments of one byte, of a message that never ends,',
  ends: 'are closed with 1008',
  endings: [1008],
  run: sending(() => fragments(16_000))
}, {
  ...stranger,
  id: 'C11',
  what: '16,000 fragments before the token',
  ends: 'are closed with 1008',
  endings: [1008],
  run: sending(() => fragments(16_000), { stranger: true })
}, {
  ...member,
  id: 'C11',
  what: '16,000 empty fragments',
  ends: 'are closed with 1008',
  endings: [1008],
  run: sending(() => fragments(16_000, ''))
}, {
  ...member,
  id: 'C11',
  what: 'messages of many fragments that never end, as big as they may be,',
  ends: 'hold no more than they are',
  endings: ['open'],
  run: sending(() => Buffer.concat([frame('x'.repeat(1_000), { fin: false }), ...Array.from({ length: 60 }, () => frame('x'.repeat(1_000), { opcode: CONTINUATION, fin: false }))]))
}, {
  ...stranger,
  id: 'C11',
  what: 'frames of 60,000 bytes that come byte by byte',
  ends: 'are closed with 1008',
  endings: [1008],
  run: trickle
}]
