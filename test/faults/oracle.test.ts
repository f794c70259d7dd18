import t from 'tap'
import { failuresOf, judge, Publisher, RoomsMember } from '../../faults/shared.js'
import type { FaultEvent, FaultMember, FaultSend, Must, Verdict } from '../../faults/shared.js'

/** Messages of the publisher `p`, one per millisecond, all accepted unless it is said otherwise. */
function sends (count: number, claims: Record<number, string> = {}): FaultSend[] {
  return Array.from({ length: count }, (_, index) => {
    const n = index + 1
    return { publisher: 'p', process: 'a', room: 'room', n, at: 1_000 * n, claim: claims[n] ?? 'accepted', settled: 1_000 * n + 5 }
  })
}

let clock = 0

/** What a member saw: numbers are messages that came a little after they were sent, anything else is an event at a time. */
function member (id: string, ...saw: Array<number | [type: FaultEvent['type'], at: number, details?: object]>): FaultMember {
  const events = saw.map((what): FaultEvent => {
    if (typeof what === 'number') return { type: 'message', at: 1_000 * what + 10 + clock++ / 1_000, key: `p:${what}` }
    const [type, at, details] = what
    return { type, at, ...type === 'connected' && { process: 'b' }, ...details }
  })
  return { id, room: 'room', events }
}

const connected = (at: number, details = {}): ['connected', number, object] => ['connected', at, details]

function failures (verdict: Verdict, must: Must = {}, history = true): string[] {
  return failuresOf({ ...verdict, deaths: [], failures: [] }, must, { history })
}

t.test('everybody got everything: there is nothing to find', async t => {
  const verdict = judge({ sends: sends(4), members: [member('1', connected(0), 1, 2, 3, 4), member('2', connected(2_500), 3, 4)] })
  t.match(verdict, { sent: 4, due: 6, silent: 0, told: 0, doubled: 0, disordered: 0, differing: 0, forked: 0, falseClaims: 0, away: 0, evidence: [] })
  t.equal(verdict.slowestClaim, 5)
  t.strictSame(failures(verdict), [])
  t.strictSame(failures(verdict, { told: 0, epochs: 0 }), [])
})

t.test('a message that never came', async t => {
  t.test('without a word, is lost in silence', async t => {
    const verdict = judge({ sends: sends(4), members: [member('1', connected(0), 1, 3, 4)] })
    t.match(verdict, { due: 4, silent: 1, told: 0 })
    t.strictSame(verdict.evidence, ['1 never got p:2 (accepted) and was not told'])
    t.match(failures(verdict, {}, false), ['lost in silence: 1, at most 0'])
  })

  t.test('and the member was told to load anew, is told of', async t => {
    const verdict = judge({ sends: sends(4), members: [member('1', connected(0), 1, 3, ['resync', 3_500], 4)] })
    t.match(verdict, { silent: 0, told: 1, slowestTelling: 1_500, notices: { resync: 1 } })
    t.strictSame(failures(verdict, {}, false), [])
    t.match(failures(verdict), ['lost, though Redis had them: 1, at most 0'])
    t.strictSame(failures(verdict, { lossy: true }), [])
    t.match(failures(verdict, { told: 0 }, false), ['lost and told: 1, at most 0'])
  })

  t.test('and the member was told too late, or during the fault, which is not too late', async t => {
    const members = [member('1', connected(0), 1, ['resync', 6_000])]
    t.match(failures(judge({ sends: sends(2), members }), {}, false), ['milliseconds until a member was told of a loss: 4000, at most 3500'])
    t.equal(judge({ sends: sends(2), members, faults: [{ from: 1_500, to: 5_900 }] }).slowestTelling, 100)
  })

  t.test('and the member was told of something before, is lost in silence', async t => {
    t.match(judge({ sends: sends(3), members: [member('1', connected(0), 1, ['resync', 1_500], 3)] }), { silent: 1, told: 0 })
  })

  t.test('and the member was told of a new epoch only, is lost in silence', async t => {
    t.match(judge({ sends: sends(3), members: [member('1', connected(0), 1, 3, ['epoch', 3_500, { epoch: '2', seq: 0 }])] }), { silent: 1, notices: { epoch: 1 } })
  })

  t.test('because it was sent before the member came, or was not accepted, is not due', async t => {
    t.match(judge({ sends: sends(4, { 3: 'unknown', 4: 'pending' }), members: [member('1', connected(1_500), 2)] }), { due: 1, silent: 0, told: 0 })
  })

  t.test('to a member that never came in at all, is not due', async t => {
    t.match(judge({ sends: sends(4), members: [member('1')] }), { due: 0, silent: 0, told: 0 })
  })

  t.test('and was served to one process only, must be told of elsewhere', async t => {
    t.match(judge({ sends: sends(2, { 2: 'degraded' }), members: [member('1', connected(0), 1), member('2', connected(0), 1, 2)] }), { silent: 1 })
    t.match(failures(judge({ sends: sends(2, { 2: 'degraded' }), members: [member('2', connected(0), 1, 2)] })), ['sends to a room with history that were served to one process only: 1, at most 0'])
  })
})

t.test('a member that was away', async t => {
  const whileAway = (...rest: Parameters<typeof member>[1][]): FaultMember => member('1', connected(0), 1, ['closed', 1_500, { code: 1006 }], ...rest)

  t.test('and was let in anew, was told', async t => {
    t.match(judge({ sends: sends(4), members: [whileAway(connected(3_500), 4)] }), { silent: 0, told: 2, slowestTelling: 0, notices: { connected: 1 } })
  })

  t.test('and recovered, must have everything', async t => {
    t.match(judge({ sends: sends(4), members: [whileAway(connected(3_500, { recovered: true }), 2, 3, 4)] }), { silent: 0, told: 0 })
    const verdict = judge({ sends: sends(4), members: [whileAway(connected(3_500, { recovered: true }), 3, 4)] })
    t.match(verdict, { silent: 1, falseClaims: 1 })
    t.match(failures(verdict), ['lost in silence: 1, at most 0', 'false claims: 1, at most 0'])
  })

  t.test('and was told that it has not recovered, was told', async t => {
    t.match(judge({ sends: sends(4), members: [whileAway(connected(3_500, { recovered: false }), 4)] }), { silent: 0, told: 2 })
  })

  t.test('and did not come back, though it wanted to, is missed', async t => {
    const verdict = judge({ sends: sends(4), members: [whileAway()] })
    t.match(verdict, { silent: 0, told: 3, away: 1 })
    t.match(failures(verdict, { lossy: true }), ['members that did not come back: 1, at most 0'])
  })

  t.test('and gave up, is nobody any more', async t => {
    t.match(judge({ sends: sends(4), members: [whileAway(['closed', 1_700, { code: 'left' }])] }), { due: 1, told: 0, away: 0 })
  })

  t.test('and left for good, is nobody any more', async t => {
    t.match(judge({ sends: sends(4), members: [member('1', connected(0), 1, ['closed', 1_500, { code: 'left' }])] }), { due: 1, told: 0 })
  })
})

t.test('a message that came twice', async t => {
  t.match(judge({ sends: sends(3), members: [member('1', connected(0), 1, 2, 2, 3)] }), { doubled: 1, disordered: 0 })
  t.match(judge({ sends: sends(2), members: [member('1', connected(0), 1, 2, ['resync', 2_500], 2)] }), { doubled: 0 }, 'is new to one who has loaded anew')
  const again = [member('1', connected(0), 1, 2, ['closed', 2_500], connected(2_600, { recovered: true }), 2)]
  t.match(judge({ sends: sends(2), members: again }), { doubled: 1 }, 'and not to one who has recovered')
})

t.test('order', async t => {
  t.test('a message that comes after a later one of its publisher', async t => {
    t.match(judge({ sends: sends(3), members: [member('1', connected(0), 1, 3, 2)] }), { disordered: 1 })
    t.match(judge({ sends: sends(3, { 2: 'unknown' }), members: [member('1', connected(0), 1, 3, 2)] }), { disordered: 0 }, 'unless nobody confirmed it')
    t.match(judge({ sends: sends(3, { 2: 'degraded' }), members: [member('1', connected(0), 1, 3, 2)] }), { disordered: 0 }, 'or it was served outside of the order')
  })

  t.test('members that see different orders', async t => {
    const verdict = judge({ sends: sends(3, { 2: 'unknown' }), members: [member('1', connected(0), 1, 2, 3), member('2', connected(0), 1, 3, 2)] })
    t.match(verdict, { disordered: 0, differing: 1 })
    t.match(failures(verdict), ['in different orders for different members: 1, at most 0'])
    t.match(judge({ sends: sends(4), members: [member('1', connected(0), 1, 2, 4), member('2', connected(0), 1, 3, 4)] }), { differing: 0 }, 'not where each lacks another')
  })

  t.test('the place of a message whose publisher was killed before it could say that it had sent it', async t => {
    const verdict = judge({ sends: sends(2), members: [member('1', connected(0), 1, 2, 3), member('2', connected(0), 1, 2)] })
    t.match(verdict, { silent: 0, due: 5 })
  })
})

t.test('numbers', async t => {
  const numbered = (key: number, seq: number, mid = `m${key}`): ['message', number, object] => ['message', 1_000 * key + 10, { key: `p:${key}`, epoch: '1', seq, mid }]
  const at = connected(0, { epoch: '1', seq: 0 })

  t.test('that mean the same to all', async t => {
    t.match(judge({ sends: sends(2), members: [member('1', at, numbered(1, 1), numbered(2, 2)), member('2', at, numbered(1, 1), numbered(2, 2))] }), { forked: 0 })
  })

  t.test('that stand for different messages', async t => {
    const verdict = judge({ sends: sends(2), members: [member('1', at, numbered(1, 1)), member('2', at, numbered(2, 1))] })
    t.match(verdict, { forked: 1 })
    t.match(failures(verdict, {}).at(-1), 'numbers that stand for two messages: 1, at most 0')
  })

  t.test('that go back', async t => {
    t.match(judge({ sends: sends(2), members: [member('1', at, numbered(1, 2), numbered(2, 1))] }), { forked: 1 })
  })

  t.test('of an epoch that nobody has announced', async t => {
    const other = ['message', 2_010, { key: 'p:2', epoch: '2', seq: 1, mid: 'm2' }] as ['message', number, object]
    t.match(judge({ sends: sends(2), members: [member('1', at, numbered(1, 5), other)] }), { forked: 0 })
  })

  t.test('that begin again with an epoch', async t => {
    const next = ['epoch', 1_500, { epoch: '2', seq: 0 }] as ['epoch', number, object]
    const events = [at, numbered(1, 5), next, ['message', 2_010, { key: 'p:2', epoch: '2', seq: 1, mid: 'm2' }]] as Parameters<typeof member>[1][]
    const verdict = judge({ sends: sends(2), members: [member('1', ...events)] })
    t.match(verdict, { forked: 0, notices: { epoch: 1 } })
    t.match(failures(verdict, { epochs: 0 }), ['new epochs: 1, at most 0'])
  })
})

t.test('claims', async t => {
  const arrived = judge({ sends: sends(2, { 2: 'unavailable' }), members: [member('1', connected(0), 1, 2), member('2', connected(0), 1, 2)] })
  t.match(arrived, { falseClaims: 1, claims: { accepted: 1, unavailable: 1 } }, 'what was not sent must not come')
  t.match(failures(judge({ sends: sends(1, { 1: 'pending' }), members: [] })), ['sends that never settled: 1, at most 0'])
  t.match(failures(judge({ sends: sends(1, { 1: 'threw something' }), members: [] })), ['1 sends failed with threw something'])
  const slow = sends(1).map(send => ({ ...send, settled: send.at + 2_600 }))
  t.match(failures(judge({ sends: slow, members: [] })), ['milliseconds until a send had settled: 2600, at most 2500'])
  t.strictSame(failures(judge({ sends: slow, members: [] }), { claim: 3_000 }), [])
})

t.test('pauses', async t => {
  const members = [member('1', connected(0), 1, 2, 5, 6)]
  const verdict = judge({ sends: sends(6, { 3: 'unknown', 4: 'unknown' }), members, faults: [{ from: 2_100, to: 3_000 }] })
  t.ok(verdict.longestPause > 2_900 && verdict.longestPause < 3_100)
  t.ok(verdict.resumed > 2_000 && verdict.resumed < 2_100)
  t.match(failures(verdict, { resumed: 1_000, pause: 2_000 }), [/first message of another process: 20\d\d, at most 1500/, /without a message of another process: 30\d\d, at most 2500/])

  t.equal(judge({ sends: sends(2), members: [member('1', connected(0), 1, 2)], faults: [{ from: 0, to: 3_000 }] }).resumed, Infinity, 'nothing came after the fault')
  t.equal(judge({ sends: sends(2), members: [member('1', connected(0, { process: 'a' }), 1, 2)], faults: [{ from: 0, to: 0 }] }).resumed, 0, 'a member that hears its own process only cannot tell')
  const away = [member('1', connected(0), 1, ['closed', 1_500, { code: 'left' }], connected(7_000, { recovered: true }), 2, 8)]
  t.match(judge({ sends: sends(8, { 3: 'unknown', 4: 'unknown', 5: 'unknown', 6: 'unknown', 7: 'unknown' }), members: away, faults: [{ from: 2_000, to: 3_000 }] }), { resumed: 0 }, 'nor one that stays away')
})

t.test('a member says what it was waiting for, and how far it had come', async t => {
  const member = new RoomsMember({ id: '7', room: 'room', doors: [{ name: 'nobody', port: 1 }], retry: { next: () => 1 } })
  t.teardown(() => member.stop())
  await t.rejects(member.journal.until(({ type }) => type === 'connected', { ms: 1 }), { message: /^7 waited in vain for .*'connected'/ })
})

t.test('a publisher sends no more than it is to, and writes down what it is told', async t => {
  const lines: unknown[][] = []
  const sent: unknown[] = []
  const publisher = new Publisher('p', async (_room, data) => {
    sent.push(data)
    if (sent.length === 2) throw new Error('no')
    return 'accepted'
  }, line => lines.push(line))
  await publisher.settled()
  publisher.start({ rooms: ['room'], rate: 1_000, size: 3, most: 2 })
  await new Promise(resolve => { setTimeout(resolve, 50) })
  await publisher.settled()
  t.strictSame(sent, [{ key: 'p:1', padding: 'xxx' }, { key: 'p:2', padding: 'xxx' }])
  t.match(lines.filter(([what]) => what === 'claimed').map(([,,, n, claim]) => [n, claim]), [[1, 'accepted'], [2, 'threw no']])
})
