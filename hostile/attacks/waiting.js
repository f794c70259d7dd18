import { CONTINUATION, frame, PING } from '../frames.js'

const SOON = { options: { authTimeout: 300 } }

export const attacks = [{
  id: 'C1',
  subject: 'first-frame',
  what: 'sockets that say nothing',
  ends: 'are closed with 4408',
  count: 200,
  wanted: SOON,
  endings: [4408],
  async run (stage, count) {
    await stage.upgrade(count)
    await stage.ends()
  }
}, {
  id: 'C1',
  subject: 'first-frame',
  what: 'sockets that send a ping and a pong now and then, and no token',
  ends: 'are closed with 4408',
  count: 200,
  wanted: SOON,
  endings: [4408],
  async run (stage, count) {
    await stage.upgrade(count)
    stage.repeat(100, attacker => attacker.write(frame('', { opcode: PING })))
    await stage.ends()
  }
}, {
  id: 'C1',
  subject: 'first-frame',
  what: 'first frames that come fragment by fragment and never end',
  ends: 'are closed with 4408',
  count: 50,
  wanted: SOON,
  endings: [4408],
  async run (stage, count) {
    for (const attacker of await stage.upgrade(count)) attacker.write(frame('{"token":"', { fin: false }))
    stage.repeat(100, attacker => attacker.write(frame('x', { opcode: CONTINUATION, fin: false })))
    await stage.ends()
  }
}, {
  id: 'C1',
  subject: 'first-frame',
  what: 'first frames that come byte by byte and never end',
  ends: 'are closed with 4408',
  count: 50,
  wanted: SOON,
  endings: [4408],
  async run (stage, count) {
    for (const attacker of await stage.upgrade(count)) attacker.write(frame('{"token":"', { claim: 8_000 }))
    stage.repeat(50, attacker => attacker.write(Buffer.from('x')))
    await stage.ends()
  }
}, {
  id: 'C2',
  subject: 'first-frame',
  what: 'first frames of 1 MB',
  ends: 'are closed with 1009',
  count: 50,
  endings: [1009],
  async run (stage, count) {
    for (const attacker of await stage.upgrade(count)) attacker.text(`{"token":"${'x'.repeat(1_024 * 1_024)}"}`)
    await stage.ends()
  }
}]
