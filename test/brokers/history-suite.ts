import type { Test } from 'tap'
import type { BrokerHistory, Entry, HistoryBounds } from '../../index.js'
import { numbered } from '../../lib/protocol.js'
import { until } from '../helpers/app.js'
import type { Started } from './suite.js'

const BOUNDS: HistoryBounds = { size: 100, ttl: 60_000 }

let rooms = 0

/** Brokers of several tests may share what keeps the messages. */
export function aRoom (): string {
  return `rooms:history-${rooms++}`
}

export function historyOf ({ broker }: Started): BrokerHistory {
  return broker.history as BrokerHistory
}

/** A text as the plugin would give it to `append`. */
export function textOf (data: unknown): string {
  return JSON.stringify({ command: 'SAY', data })
}

/** What a broker must do that keeps messages; one that does not has no `history`. @param pair makes two brokers that are joined with each other */
export function historySuite (t: Test, pair: (t: Test) => Promise<[Started, Started]>): Promise<unknown> {
  return t.test('history', async t => {
    const [{ broker }] = await pair(t)
    if (broker.history === undefined) return
    const append = (started: Started, channel: string, mid: string, bounds = BOUNDS) => historyOf(started).append(channel, textOf(mid), mid, bounds)

    t.test('messages are numbered, kept, and handed to all subscribers as members get them, with their positions', async t => {
      const [a, b] = await pair(t)
      const room = aRoom()
      await a.broker.subscribe(room)
      await b.broker.subscribe(room)
      const text = '{"command":"UPDATE_USER","data":"é ☃ \\u0000 \\r\\n"}'
      const first = await historyOf(a).append(room, text, 'one', BOUNDS)
      const second = await historyOf(b).append(room, textOf(2), 'two', BOUNDS)
      const { epoch } = first
      t.match(epoch, /^\d+$/)
      t.strictSame([first, second], [{ epoch, seq: 1, subscribers: 2 }, { epoch, seq: 2, subscribers: 2 }])
      await until(() => a.messages.length === 2 && b.messages.length === 2)
      t.strictSame(a.messages, [
        { channel: room, payload: numbered(text, 1, 'one'), position: { epoch, seq: 1, mid: 'one' } },
        { channel: room, payload: numbered(textOf(2), 2, 'two'), position: { epoch, seq: 2, mid: 'two' } }
      ])
      t.strictSame(b.messages, a.messages)
      t.match(await historyOf(b).tail(room, 9), [
        { epoch, seq: 0, mid: /./, text: '' },
        { epoch, seq: 1, mid: 'one', text },
        { epoch, seq: 2, mid: 'two', text: textOf(2) }
      ], 'the history begins with the beginning of the epoch')
    })

    t.test('nobody is subscribed: the message is kept, and the sender is told so', async t => {
      const [a] = await pair(t)
      const room = aRoom()
      t.match(await append(a, room, 'one'), { seq: 1, subscribers: 0 })
      t.match(await historyOf(a).tail(room, 1), [{ seq: 1, mid: 'one' }])
    })

    t.test('the messages of two senders have one order and no gap, for all who listen and in what is kept', async t => {
      const [a, b] = await pair(t)
      const room = aRoom()
      await a.broker.subscribe(room)
      await b.broker.subscribe(room)
      const bounds = { size: 1_000, ttl: 60_000 }
      const sends = []
      for (let i = 0; i < 500; i++) sends.push(append(a, room, `a${i}`, bounds), append(b, room, `b${i}`, bounds))
      const receipts = await Promise.all(sends)
      await until(() => a.messages.length === 1_000 && b.messages.length === 1_000)
      t.strictSame(a.messages, b.messages)
      const positions = a.messages.map(({ position }) => position)
      t.strictSame(positions.map(position => position?.seq), Array.from({ length: 1_000 }, (_, i) => i + 1))
      for (const sender of ['a', 'b']) {
        const own = positions.map(position => position?.mid as string).filter(mid => mid.startsWith(sender))
        t.strictSame(own, Array.from({ length: 500 }, (_, i) => `${sender}${i}`), 'and each sender’s own order is kept')
      }
      t.strictSame(receipts.map(({ seq }) => seq).sort((one, other) => one - other), positions.map(position => position?.seq))
      const kept = await historyOf(a).tail(room, 1_000)
      t.strictSame(kept.map(({ epoch, seq, mid }) => ({ epoch, seq, mid })), positions)
    })

    t.test('rooms have numbers of their own', async t => {
      const [a, b] = await pair(t)
      const room = aRoom()
      const receipts = await Promise.all(Array.from({ length: 300 }, (_, i) => append(i % 2 ? a : b, `${room}-${i % 100}`, `m${i}`)))
      for (let i = 0; i < 100; i++) t.strictSame([i, i + 100, i + 200].map(at => receipts[at]?.seq).sort(), [1, 2, 3])
    })

    t.test('the end of a history can be asked for, and there is one from then on', async t => {
      const [a, b] = await pair(t)
      const room = aRoom()
      const { last, entries, broken } = await historyOf(a).read(room, undefined, BOUNDS, 10)
      t.match(last, { epoch: /^\d+$/, seq: 0, mid: /./ })
      t.strictSame([entries, broken], [[], undefined])
      t.strictSame(await historyOf(b).read(room, undefined, BOUNDS, 10), { last, entries: [] }, 'the same for all')
      t.match(await append(b, room, 'one'), { epoch: last.epoch, seq: 1 })
      const { last: { epoch, seq, mid } } = await historyOf(a).read(room, undefined, BOUNDS, 10)
      t.strictSame({ epoch, seq, mid }, { epoch: last.epoch, seq: 1, mid: 'one' })
    })

    t.test('what came after a position is read, at most so much at a time', async t => {
      const [a, b] = await pair(t)
      const room = aRoom()
      const { last: start } = await historyOf(a).read(room, undefined, BOUNDS, 10)
      for (let i = 1; i <= 7; i++) await append(a, room, `m${i}`)
      const read: string[] = []
      for (let from = start, more = true; more;) {
        const range = await historyOf(b).read(room, from, BOUNDS, 3)
        t.match(range.last, { epoch: start.epoch, seq: 7, mid: 'm7' })
        t.equal(range.broken, undefined)
        read.push(...range.entries.map(({ mid }) => mid))
        more = range.entries.length > 0
        from = range.entries.at(-1) ?? from
      }
      t.strictSame(read, ['m1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7'])
    })

    t.test('a history keeps its size, and who has missed exactly so much can still be told all of it', async t => {
      const [a] = await pair(t)
      const room = aRoom()
      const bounds = { size: 5, ttl: 60_000 }
      for (let i = 1; i <= 12; i++) await append(a, room, `m${i}`, bounds)
      const { epoch } = (await historyOf(a).tail(room, 1))[0] as Entry
      t.strictSame((await historyOf(a).tail(room, 99)).map(({ seq }) => seq), [7, 8, 9, 10, 11, 12])
      const at = (seq: number) => historyOf(a).read(room, { epoch, seq, mid: `m${seq}` }, bounds, 99)
      t.strictSame((await at(7)).entries.map(({ seq }) => seq), [8, 9, 10, 11, 12])
      const { last, entries, broken } = await at(6)
      t.strictSame([last.seq, last.epoch, entries, broken], [12, epoch, [], 'trimmed'])
    })

    t.test('messages of one turn that are more than the history keeps are all numbered', async t => {
      const [a] = await pair(t)
      const room = aRoom()
      const bounds = { size: 5, ttl: 60_000 }
      const receipts = await Promise.all(Array.from({ length: 300 }, (_, i) => append(a, room, `m${i}`, bounds)))
      t.strictSame(receipts.map(({ seq }) => seq), Array.from({ length: 300 }, (_, i) => i + 1))
      t.strictSame((await historyOf(a).tail(room, 99)).map(({ seq }) => seq), [295, 296, 297, 298, 299, 300])
    })

    t.test('the last entries, in order; none where there is no history, and none begins by looking', async t => {
      const [a, b] = await pair(t)
      const room = aRoom()
      t.strictSame(await historyOf(a).tail(room, 10), [])
      t.strictSame(await historyOf(a).tail(room, 10), [])
      for (let i = 1; i <= 5; i++) await append(a, room, `m${i}`)
      t.strictSame((await historyOf(b).tail(room, 2)).map(({ mid, text }) => [mid, text]), [['m4', textOf('m4')], ['m5', textOf('m5')]])
    })

    t.test('a position that should be there and is not: the history was rewritten, and a new epoch begins, once for all who notice', async t => {
      const [a, b] = await pair(t)
      const room = aRoom()
      const { epoch } = await append(a, room, 'one')
      await append(a, room, 'two')
      const lost = { epoch, seq: 3, mid: 'three' }
      const [one, other] = await Promise.all([a, b].map(started => historyOf(started).read(room, lost, BOUNDS, 10)))
      t.match([one, other], [{ broken: 'rewritten', entries: [] }, { broken: 'rewritten', entries: [] }])
      t.strictSame(one?.last, other?.last)
      t.equal(one?.last.seq, 0)
      t.ok(Number(one?.last.epoch) > Number(epoch))
      t.match(await append(b, room, 'four'), { epoch: one?.last.epoch, seq: 1 })
      const kept = await historyOf(a).read(room, { epoch, seq: 1, mid: 'one' }, BOUNDS, 10)
      t.strictSame(kept.entries.map(({ seq, text }) => [seq, text]), [[2, textOf('two')], [0, ''], [1, textOf('four')]], 'who was not hit reads on')
    })

    t.test('another message under the same number is a rewrite as well', async t => {
      const [a] = await pair(t)
      const room = aRoom()
      const { epoch } = await append(a, room, 'one')
      const { last, broken } = await historyOf(a).read(room, { epoch, seq: 1, mid: 'other' }, BOUNDS, 10)
      t.equal(broken, 'rewritten')
      t.ok(Number(last.epoch) > Number(epoch))
    })

    t.test('a position of an epoch that is past is told so, and begins nothing', async t => {
      const [a] = await pair(t)
      const room = aRoom()
      const { epoch } = await append(a, room, 'one')
      const { last } = await historyOf(a).read(room, { epoch, seq: 9, mid: 'nine' }, BOUNDS, 10)
      const again = await historyOf(a).read(room, { epoch, seq: 9, mid: 'nine' }, BOUNDS, 10)
      t.equal(again.broken, 'rewritten')
      t.equal(again.last.epoch, last.epoch)
      const old = await historyOf(a).read(room, { epoch: '1', seq: 9, mid: 'nine' }, BOUNDS, 10)
      t.equal(old.broken, 'trimmed')
      t.equal(old.last.epoch, last.epoch)
    })

    t.test('a position that nobody can have been at is told to be rewritten', async t => {
      const [a] = await pair(t)
      const room = aRoom()
      const { epoch } = await append(a, room, 'one')
      for (const from of [{ epoch: 'garbage', seq: 1, mid: 'one' }, { epoch, seq: 1.5, mid: 'one' }, { epoch, seq: -1, mid: 'one' }, { epoch: '+', seq: NaN, mid: '' }]) {
        t.match(await historyOf(a).read(room, from, BOUNDS, 10), { broken: /rewritten|trimmed/, entries: [] }, JSON.stringify(from))
      }
    })

    t.test('a history is forgotten after its time, which each message and each reader begins anew; then an epoch begins', async t => {
      const [a, b] = await pair(t)
      const room = aRoom()
      const bounds = { size: 5, ttl: 2_500 }
      const one = await append(a, room, 'one', bounds)
      const position = { epoch: one.epoch, seq: 1, mid: 'one' }
      const lapses = performance.now() + bounds.ttl // of what nobody reads
      let broken: string | undefined
      await until(async () => {
        broken = (await historyOf(b).read(room, position, bounds, 1)).broken
        return broken !== undefined || performance.now() > lapses
      })
      t.equal(broken, undefined)
      await until(async () => (await historyOf(a).tail(room, 1)).length === 0)
      const two = await append(a, room, 'two', bounds)
      t.equal(two.seq, 1)
      t.ok(Number(two.epoch) > Number(one.epoch))
      t.match(await historyOf(b).read(room, position, bounds, 1), { broken: 'trimmed', entries: [], last: { epoch: two.epoch, seq: 1 } })
    })

    t.test('a message for members that nobody keeps takes no number', async t => {
      const [a] = await pair(t)
      const room = aRoom()
      await a.broker.subscribe(room)
      await append(a, room, 'one')
      await a.broker.publish(room, textOf('volatile'), 'v')
      t.match(await append(a, room, 'two'), { seq: 2 })
      await until(() => a.messages.length === 3)
      t.strictSame(a.messages.map(({ position }) => position?.seq), [1, undefined, 2])
    })
  })
}
