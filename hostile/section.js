import { table } from '../bench/tables.js'

const BEGIN = '<!-- npm run test:hostile writes from here -->'
const END = '<!-- to here -->'

/** The part of docs/reliability.md that is about attacks, from what one run of them has found. */
export function section ({ date, machine, versions, members, rate, rounds, results }) {
  const missed = results.flatMap(({ id, what, outcomes }) => outcomes.rooms.failures.map(failure => [`${id}: ${what.replace(/,$/, '')}`, failure]))
  const unknown = results.filter(({ outcomes }) => outcomes.rooms.verdict === 'unknown').length
  return `${BEGIN}
## Under attack

Written by \`npm run test:hostile\` on ${date}; changes by hand are lost.

One server in a process of its own, with Redis, and all its defaults; ${members} members of a room who are sent ${rate} messages per
second; and attackers in another process, who send what bytes they like. All of them but the server have machines of their own, as a
rule; so the attackers get what time the processors have left, and members and Redis run ahead of everyone where that is allowed.
Socket.IO has its redis-adapter and goes through the same, one after the other. Fewer of the attackers come once before, so that what a
process holds after its first time is not counted.

${table(['machine', ''], Object.entries(machine))}

${table(['version', ''], Object.entries(versions))}

- How the attackers' sockets ended: the close code, \`HTTP\` and a status before the upgrade, \`cut\` where the connection was ended without
  a word, \`open\` where it was not, within 7 s.
- What each of them held of the server's memory, after garbage collection, 2 s after the attack began, or when it was over: sockets that were
  ended are gone by then, for the most part. Tests look at once.
- The members' p99: within how many milliseconds 99 of 100 messages came, before the attack and while it lasted. ${rounds === 1
    ? 'There was one round; more, which is the default, are better where the machine has other things to do.'
    : `The lowest of up to ${rounds} rounds counts, each by itself, since what else the machine does only adds.`}
  Where that is more than half and 5 ms above what it was before, the third number is what the same attack on another server of the
  kind does, in a process of its own on this machine, to the members whom nobody attacks: so many connections slow everyone on two
  cores, whoever accepts them. It excuses nothing.
  A \`?\` stands where it was above 15 ms without any attack: the machine had too much else to do, and nothing can be said.

${table(['attack', 'Socket.IO', 'held each', 'p99, ms', 'fastify-rooms', 'held each', 'p99, ms'], results.map(({ id, what, count, outcomes }) => [
    `${id}: ${count.toLocaleString('en')} × ${what.replace(/,$/, '')}`, ...cells(outcomes.socketio), ...cells(outcomes.rooms)
  ]))}

For this plugin, every attacker has to end as [protocol.md](protocol.md#how-sockets-end) says, to hold less than 100 KB, and to slow no
member by more than half and 5 ms. No member may miss a message, and the process has to live. ${missed.length === 0 ? 'In this run, all of that held' : 'Of that did not hold in this run what follows'}${unknown === 0 ? '' : `; but of ${unknown} of ${results.length} attacks it could not be said whether they slow members`}${missed.length === 0 ? '.' : ':'}
${missed.length === 0 ? '' : `\n${table(['attack', 'what was found'], missed)}\n`}
The attacks are in [hostile/attacks](../hostile/attacks); [test/hostile](../test/hostile) has these and more, as tests.
${END}`
}

/** A page with its section in the place of the one that it had. */
export function withSection (page, section) {
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (from !== -1) return page.slice(0, from) + section + page.slice(to + END.length)
  const at = page.indexOf('## What was done, and what came of it')
  return `${page.slice(0, at)}${section}\n\n${page.slice(at)}`
}

/** The section of a page, with its marks; empty where there is none. */
export function sectionOf (page) {
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)]
  return from === -1 ? '' : page.slice(from, to + END.length)
}

function cells ({ ended, death, held, before, during, elsewhere, verdict, harm = [] }) {
  if (death !== undefined) return [`the process ended: \`${death}\``, '-', '-']
  const sockets = Object.entries(ended).map(([how, count]) => `${count.toLocaleString('en')} ${how}`).join(', ')
  return [[sockets, ...harm].join('; '), size(held), verdict === 'unknown' ? '?' : [before, during, elsewhere].filter(ms => ms !== undefined).map(ms => ms.toFixed(1)).join(', ')]
}

function size (bytes) {
  return bytes < 1_024 * 1_024 ? `${Math.round(bytes / 1_024)} KB` : `${(bytes / 1_024 / 1_024).toFixed(1)} MB`
}
