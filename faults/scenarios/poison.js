import { sleep } from '../clock.js'
import { Single } from '../topologies/single.js'
import { underLoad } from './standard.js'

const RANDOM = 3_000

/** What is on the channels of a Redis that others use too, or that somebody has broken into. */
function payloads (random) {
  return [
    '', 'hello', '[]', 'null', '1', '{}', '{"command":1}', '{"command":""}', '{"command":"N","data":', '{"data":{"key":"nobody:1"}}',
    '{"command":"WSStatus","data":{"status":"invalid_token"}}', '{"__proto__":{"polluted":true}}',
    '!', '!seq', '!seq 1', '!seq x y z\n{}', '!seq 1 1 a\n', '!volatile', '!volatile\n', '!!\n{"command":"X"}',
    Buffer.from([0xc1]), Buffer.from([0x93, 0xc1, 0xc1, 0xc1]), Buffer.from([0xff, 0xfe, 0x00]),
    Buffer.from('{"command":"X","data":"\xff\xfe"}', 'latin1'),
    `{"command":"X","data":"${'x'.repeat(10 * 1_024 * 1_024)}"}`,
    '['.repeat(100_000),
    ...Array.from({ length: RANDOM }, () => random.bytes(random.between(1, 64)))
  ]
}

/** What a stream may hold that nobody of ours has written. */
function entries (random) {
  return [
    ['x', 'y'], ['m', ''], ['p', ''], ['m', 'a', 'p', '{'], ['m', 'a', 'p', '{"command":"WSStatus"}'], ['nsp', '/', 'type', 'x', 'data', '{'],
    ['nsp', '/', 'type', '3', 'data', '{"opts":1}'], ['uid', '1', 'nsp', '/', 'type', '3'],
    ...Array.from({ length: 100 }, () => [random.bytes(4), random.bytes(16)])
  ]
}

export const scenarios = [{
  id: 'A19',
  title: 'others publish garbage on the same channels',
  done: `${RANDOM.toLocaleString('en')} payloads of random bytes, and some made with care: truncated, with bad UTF-8, of 10 MB, nested 100,000 deep, 0xC1.`,
  topology: () => Single.start(),
  run: field => underLoad(field, async () => {
    const { admin } = field.topology.server
    const channel = field.contender.channel('room')
    for (const payload of payloads(field.random)) await admin.publish(channel, payload)
    await sleep(1_000)
  }, { after: 1_500 }),
  must: { told: 0 }
}, {
  id: 'A19-stream',
  title: 'others write garbage into the same streams',
  done: 'A hundred entries of random fields, and some made with care.',
  topology: () => Single.start(),
  only: ({ stream }) => stream !== undefined,
  run: field => underLoad(field, async () => {
    const { admin } = field.topology.server
    const stream = field.contender.stream('room')
    for (const entry of entries(field.random)) {
      // Behind the last, wherever that is: Redis takes nothing else.
      let added = false
      while (!added) {
        const [[last]] = await admin.xrevrange(stream, '+', '-', 'COUNT', 1)
        added = await admin.xadd(stream, `${last.split('-')[0]}-*`, ...entry).then(() => true, () => false)
      }
    }
    await sleep(1_000)
  }, { after: 1_500 }),
  // Who can write there can make a history look as if it had been written anew.
  must: { lossy: true }
}]
