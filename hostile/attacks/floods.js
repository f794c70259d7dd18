import { closeFrame, frame, PING, PONG, TEXT } from '../frames.js'

const many = (count, bytes) => Buffer.concat(Array.from({ length: count }, () => bytes))
const PINGS = many(1_000, frame('x'.repeat(125), { opcode: PING }))
const PONGS = many(1_000, frame('', { opcode: PONG }))

export const attacks = [{
  id: 'C13',
  subject: 'floods',
  what: 'pings without end, of members who read no pong,',
  ends: 'are cut off',
  count: 10,
  endings: ['cut', 4429],
  async run (stage, count) {
    for (const attacker of await stage.enter(count)) attacker.socket.pause()
    stage.repeat(5, attacker => { if (attacker.socket.writableLength === 0) attacker.write(PINGS) })
    await stage.ends()
  }
}, {
  id: 'C13',
  subject: 'floods',
  what: '20,000 pongs that nobody has asked for',
  ends: 'hold nothing',
  count: 10,
  endings: ['open', 4429],
  async run (stage, count) {
    const attackers = await stage.enter(count)
    for (let time = 0; time < 20; time++) for (const attacker of attackers) attacker.write(PONGS)
    await Promise.all(attackers.map(attacker => attacker.read()))
  }
}, {
  id: 'C13',
  subject: 'floods',
  what: '1,000 close frames',
  ends: 'are answered with one',
  count: 50,
  endings: [1000],
  async run (stage, count) {
    for (const attacker of await stage.enter(count)) attacker.write(many(1_000, closeFrame(1_000)))
    await stage.ends()
  }
}, {
  id: 'C14',
  subject: 'floods',
  what: '10,000 messages per second of ten members',
  ends: 'are closed with 4429',
  count: 10,
  endings: [4429],
  async run (stage, count) {
    await stage.enter(count)
    const messages = many(10, frame(stage.say('ECHO', 'x'.repeat(100)), { opcode: TEXT }))
    stage.repeat(10, attacker => attacker.write(messages))
    await stage.ends()
  }
}]
