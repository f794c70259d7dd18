/** Which of a room's messages have a place in its order: what one process served alone is outside it. */
export class Ranks {
  #sends

  constructor (sends) {
    this.#sends = sends
  }

  /** The messages of a member, once each, in the order in which they came. */
  of ({ events }) {
    const keys = new Set()
    for (const { type, key } of events) if (type === 'message' && this.#sends.get(key)?.claim !== 'degraded') keys.add(key)
    return [...keys]
  }

  get (key) {
    return this.#sends.get(key)
  }
}

/**
 * How many messages came to a member after a later one of the same publisher. Of those that nobody confirmed no publisher
 * may expect a place.
 */
export function inversions (ranks, members, evidence) {
  let count = 0
  for (const member of members) {
    const latest = new Map()
    for (const key of ranks.of(member)) {
      const { publisher, n, claim } = ranks.get(key)
      if (claim === 'unknown' || claim === 'pending') continue
      if (n < (latest.get(publisher) ?? 0)) {
        count++
        if (evidence.length < 20) evidence.push(`${member.id} got ${key} after ${publisher}:${latest.get(publisher)}`)
      } else {
        latest.set(publisher, n)
      }
    }
  }
  return count
}

/** How many messages came to a member at another place than to the one who got most. */
export function differences (ranks, members, evidence) {
  let count = 0
  const orders = members.map(member => ranks.of(member))
  const [longest] = orders.toSorted((one, other) => other.length - one.length)
  const places = new Map(longest?.map((key, place) => [key, place]))
  orders.forEach((keys, number) => {
    let last = -1
    for (const key of keys) {
      const place = places.get(key)
      if (place === undefined) continue
      if (place < last) {
        count++
        if (evidence.length < 20) evidence.push(`${members[number].id} and another member got ${key} and ${longest[last]} in different orders`)
      } else {
        last = place
      }
    }
  })
  return count
}

/** How many numbers of an epoch stand for different messages, or went back within one. */
export function forks (members, evidence) {
  const names = new Map()
  let count = 0
  for (const { id, events } of members) {
    let epoch
    let last = 0
    for (const event of events) {
      if (event.epoch !== undefined && (event.type !== 'message' || event.epoch !== epoch)) {
        epoch = event.epoch
        last = event.type === 'message' ? 0 : event.seq
      }
      if (event.type !== 'message' || event.seq === undefined) continue
      const place = `${event.epoch} ${event.seq}`
      if (!names.has(place)) names.set(place, event.mid)
      const another = names.get(place) !== event.mid
      if (another || event.seq <= last) {
        count++
        if (evidence.length < 20) evidence.push(`${id} got number ${place} ${another ? 'for another message than others' : `after ${last}`}`)
      }
      last = Math.max(last, event.seq)
    }
  }
  return count
}
