import type { Test } from 'tap'
import type { Appended, BrokerHistory, Entry, HistoryBounds } from '../../index.js'

/** What senders were told about each of their messages, to be compared with what a history has. */
export class Ledger {
  readonly kept = new Map<string, Appended>()
  readonly unknown = new Set<string>()
  readonly unsent = new Set<string>()
  readonly all: string[] = []
  readonly #bounds: HistoryBounds

  constructor (bounds: HistoryBounds) {
    this.#bounds = bounds
  }

  /** Never rejects. */
  async append (history: BrokerHistory, channel: string, mid: string): Promise<void> {
    this.all.push(mid)
    try {
      this.kept.set(mid, await history.append(channel, `{"command":"SAY","data":"${mid}"}`, mid, this.#bounds))
    } catch (error) {
      const { code } = error as { code: string }
      if (code === 'FST_ROOMS_SEND_UNKNOWN') this.unknown.add(mid)
      else if (code === 'FST_ROOMS_BROKER_UNAVAILABLE') this.unsent.add(mid)
      else throw error
    }
  }

  /** That all that was said is true of what is there. */
  verify (t: Test, entries: readonly Entry[]): void {
    const there = entries.filter(({ seq }) => seq > 0)
    const mids = there.map(({ mid }) => mid)
    const set = new Set(mids)
    t.equal(mids.length, set.size, 'nothing is there twice')
    t.strictSame([...this.kept.keys()].filter(mid => !set.has(mid)), [], 'what was confirmed is there')
    t.strictSame([...this.unsent].filter(mid => set.has(mid)), [], 'what was said not to be sent is not')
    t.equal(this.kept.size + this.unsent.size + this.unknown.size, this.all.length, 'nothing was left open')
    const wrong = there.filter(({ mid, epoch, seq }) => {
      const said = this.kept.get(mid)
      return said !== undefined && (said.epoch !== epoch || said.seq !== seq)
    })
    t.strictSame(wrong, [], 'and has the numbers that were told')
  }
}
