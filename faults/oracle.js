// Holds what members got against what publishers were told. It knows nothing of any contender: a publisher numbers its
// messages, a member writes down what came, and this says what that amounts to.
import { differences, forks, inversions, Ranks } from './order.js'

/** What a publisher is told of a message, and what that obliges to. Any other word is a failure of another kind. */
export const CLAIMS = {
  accepted: 'every member gets it, or is told that it may have missed something',
  degraded: 'every member of the same process gets it, and every other one is told that it may have missed something',
  unavailable: 'nobody gets it',
  unknown: 'it may come or not',
  pending: 'nothing was said'
}

/**
 * @param {import('./shared.js').FaultRecord} record
 * @returns {import('./shared.js').Verdict}
 */
export function judge ({ sends, members, faults = [] }) {
  const rooms = new Map()
  const room = name => {
    if (!rooms.has(name)) rooms.set(name, { sends: new Map(), members: [] })
    return rooms.get(name)
  }
  for (const send of sends) room(send.room).sends.set(`${send.publisher}:${send.n}`, send)
  for (const member of members) room(member.room).members.push(member)

  const verdict = {
    sent: sends.length,
    claims: tally(sends),
    due: 0,
    silent: 0,
    told: 0,
    doubled: 0,
    disordered: 0,
    differing: 0,
    forked: 0,
    falseClaims: falseClaims(rooms),
    slowestClaim: sends.reduce((slowest, { at, settled = at }) => Math.max(slowest, settled - at), 0),
    slowestTelling: 0,
    resumed: 0,
    longestPause: 0,
    away: members.filter(({ events }) => events.at(-1)?.type === 'closed' && events.at(-1).code !== 'left').length,
    notices: {},
    evidence: []
  }
  for (const { sends, members } of rooms.values()) {
    const ranks = new Ranks(sends)
    for (const member of members) judgeMember(verdict, member, sends, faults)
    verdict.disordered += inversions(ranks, members, verdict.evidence)
    verdict.differing += differences(ranks, members, verdict.evidence)
    verdict.forked += forks(members, verdict.evidence)
  }
  return verdict
}

function judgeMember (verdict, member, sends, faults) {
  const journal = readJournal(verdict, member, sends)
  const { notices, entered, arrivals } = journal
  if (entered === undefined) return
  for (const [key, send] of sends) {
    if (arrivals.has(key)) {
      verdict.due++
      continue
    }
    if (send.at <= entered || (send.claim !== 'accepted' && send.claim !== 'degraded')) continue
    const away = absenceAt(journal, send.at)
    if (away?.wanted === true && away.to === Infinity) continue // it has left for good
    verdict.due++
    const notice = notices.find(({ at }) => at >= send.at)
    if (notice !== undefined) {
      verdict.told++
      // Who is away knows it, and is told as soon as it is back.
      if (away === undefined) verdict.slowestTelling = Math.max(verdict.slowestTelling, notice.at - since(send.at, notice.at, faults))
    } else if (away?.to === Infinity || journal.absences.at(-1)?.to === Infinity) {
      verdict.told++ // and who never came back has to load anew in any case
    } else {
      verdict.silent++
      note(verdict, `${member.id} never got ${key} (${send.claim}) and was not told`)
      const recovery = member.events.find(({ type, at, recovered }) => type === 'connected' && recovered === true && at > send.at)
      if (recovery !== undefined) {
        verdict.falseClaims++
        note(verdict, `${member.id} was told that it had recovered all`)
      }
    }
  }
  measurePauses(verdict, member, sends, journal, faults)
}

/**
 * What one member saw, in order. Being let in anew and `resync` are notices: whoever gets one loads all anew, and so has what
 * was sent before. `epoch` is none: it tells where the member stands, and that alone is no reason to load anything.
 */
function readJournal (verdict, { id, events }, sends) {
  const journal = { arrivals: new Map(), notices: [], absences: [], entered: undefined }
  const { arrivals, notices, absences } = journal
  for (const { type, at, key, recovered, code } of events) {
    if (type === 'message') {
      const before = arrivals.get(key)
      if (before === undefined) arrivals.set(key, { at, told: notices.length })
      else if (before.told === notices.length) {
        verdict.doubled++
        note(verdict, `${id} got ${key} twice`)
      }
      if (!sends.has(key)) sends.set(key, unreported(key, at))
    } else if (type === 'closed') {
      const wanted = code === 'left'
      if (absences.at(-1)?.to === Infinity) absences.at(-1).wanted ||= wanted // it was waiting to come back, and gave up
      else absences.push({ from: at, to: Infinity, wanted })
    } else {
      const back = type === 'connected'
      if (back && journal.entered === undefined) {
        journal.entered = at
        continue
      }
      if (back && absences.at(-1) !== undefined) absences.at(-1).to = at
      if (back && recovered === true) continue
      verdict.notices[type] = (verdict.notices[type] ?? 0) + 1
      if (type !== 'epoch') notices.push({ at })
    }
  }
  return journal
}

/** What is sent in the moment in which a connection ends was sent to somebody who is not there any more. */
const ENDING = 100

function absenceAt ({ absences }, at) {
  return absences.find(({ from, to }) => from - ENDING <= at && at < to)
}

/** A process that is killed has no time to say what it had sent last. */
function unreported (key, at) {
  const [publisher, n] = key.split(':')
  return { publisher, process: publisher, n: Number(n), at, claim: 'unknown' }
}

/** From when on a member could have been told: as long as a fault lasts, nobody can reach anybody. */
function since (sent, told, faults) {
  const ends = faults.map(({ to }) => to).filter(to => to <= told)
  return Math.max(sent, ...ends)
}

/** How long nothing came from other processes, and how soon something did after each fault, to those who did not stay away. */
function measurePauses (verdict, { id, events }, sends, journal, faults) {
  let process
  let last
  const resumed = faults.map(() => undefined)
  for (const { type, at, key, process: name } of events) {
    if (type === 'connected') {
      process = name
      if (absences(journal, last, at).some(({ wanted }) => wanted)) last = undefined
    }
    if (type !== 'message' || journal.arrivals.get(key).at !== at) continue
    const send = sends.get(key)
    if (send.process === process) continue
    if (last !== undefined) verdict.longestPause = Math.max(verdict.longestPause, at - last)
    last = at
    faults.forEach(({ to }, number) => { if (send.at >= to) resumed[number] ??= at - to })
  }
  if (last === undefined) return // it hears nobody but its own process
  faults.forEach(({ to }, number) => {
    if (journal.entered > to || absenceAt(journal, to)?.wanted === true) return
    verdict.resumed = Math.max(verdict.resumed, resumed[number] ?? Infinity)
    if (resumed[number] === undefined) note(verdict, `${id} heard nothing from other processes after a fault`)
  })
}

function absences (journal, from = 0, to) {
  return journal.absences.filter(absence => absence.from >= from && absence.from <= to)
}

/** What was said not to have been sent, and came all the same. */
function falseClaims (rooms) {
  let count = 0
  for (const { sends, members } of rooms.values()) {
    const seen = new Set(members.flatMap(({ events }) => events.filter(({ type }) => type === 'message').map(({ key }) => key)))
    for (const [key, { claim }] of sends) if (claim === 'unavailable' && seen.has(key)) count++
  }
  return count
}

function tally (sends) {
  const claims = Object.fromEntries(Object.keys(CLAIMS).map(claim => [claim, 0]))
  for (const { claim } of sends) claims[claim] = (claims[claim] ?? 0) + 1
  return claims
}

function note (verdict, sentence) {
  if (verdict.evidence.length < 20) verdict.evidence.push(sentence)
}
