import { table } from '../tables.js'
import { megabytes, percent, perSecond, share, sum, whole } from './limits.js'

/** What was found out, as a table that can be read. */
export function report ({ options, placement, redis, process, room, death, outage, rolling }, limits) {
  const { hottest, nodes } = redis
  const clustered = nodes.length > 1
  const rows = [
    ['**Rooms**', ''],
    ['rooms with members; the biggest, the one in the middle', `${whole(placement.rooms)}; ${whole(placement.biggest)}, ${whole(placement.median)} members`],
    ['messages to rooms, deliveries to sockets', `${whole(placement.messages)}, ${whole(placement.deliveries)} per second`],
    ['share of the processes that a room has members on; that a message goes to', `${percent(placement.reachOfRooms)}; ${percent(placement.reachOfMessages)}`],
    ['subscriptions in all; of a process', `${whole(placement.subscriptions)}; ${whole(placement.perProcess.mean)}, at most ${whole(placement.perProcess.most)}`],
    [clustered ? '**Redis, the node with most to do**' : '**Redis**', ''],
    ...(clustered ? [['subscriptions of a node; of this one', `${whole(placement.perNode.mean)}, at most ${whole(placement.perNode.most)}; ${whole(hottest.subscriptions)}`]] : []),
    ['commands', `${whole(hottest.operations)} per second: ${Object.entries(hottest.commands).map(([name, rate]) => `${name} ${rate < 10 ? rate.toPrecision(2) : whole(rate)}`).join(', ')}`],
    ['messages to processes', `${whole(hottest.copies)} per second`],
    ['CPU, as one sees it; as it is under load', `${share(hottest.shown)}; ${share(hottest.underLoad)}`],
    ['received; sent', `${perSecond(hottest.in)}; ${perSecond(hottest.out)}`],
    ['memory: subscriptions, connections, counts, histories', `${megabytes(sum(hottest.memory))}: ${Object.values(hottest.memory).map(megabytes).join(', ')}`],
    ['**A process, on average; the one with most to do**', ''],
    ['sockets', both(process, 'sockets', whole)],
    ['messages received, sent; deliveries to sockets', `${both(process, 'received', whole)}; ${both(process, 'sent', whole)}; ${both(process, 'delivered', whole)} per second`],
    ['CPU', both(process, 'underLoad', share)],
    ['memory; and of the kernel for its sockets', `${both(process, 'memory', megabytes)}; ${both(process, 'kernel', megabytes)}`],
    ['sent to sockets', both(process, 'out', perSecond)],
    ['**The biggest room**', ''],
    ['members; of one process; processes', `${whole(room.members)}; ${whole(room.here)}; ${whole(room.processes)}`],
    ['one message keeps a process busy for', `${room.stall.toPrecision(2)} ms`],
    ...(death === undefined ? [] : deathRows(death, options)),
    ['**Redis has been away**', ''],
    ['subscriptions to make again; what all takes of a node', `${whole(outage.subscriptions)}; ${outage.redis.toPrecision(2)} s of CPU`],
    outage.reads > 0 ? ['histories to read', whole(outage.reads)] : ['times that your application is asked for what is shown', whole(outage.told)],
    ['a process may hang for', Number.isFinite(outage.buffer) ? `${whole(outage.buffer)} s, before its output buffer of 32 MB in Redis is full` : 'any time']
  ]
  const [tightest] = limits
  return [
    table(['', ''], rows),
    table(['limit, the tightest first', 'used', 'there is', 'share'], limits.map(({ what, usedText, limitText, share }) => [what, usedText, limitText, percent(share)])),
    tightest.share > 1
      ? `It does not fit: ${tightest.what} is ${tightest.usedText}, and there is ${tightest.limitText}.`
      : `The first limit that will be met is ${tightest.what}: ${percent(tightest.share)} of it is used.`
  ].join('\n\n')
}

/** The same workload with one option after the other: how what it costs grows with that. */
export function sweepTable (name, planned) {
  return table([name, 'subscriptions', 'a message reaches', 'Redis to processes, /s', 'CPU of a Redis', 'memory of a Redis', 'CPU of a process', 'memory of a process', 'a death subscribes', 'first limit', 'used of it'], planned.map(({ value, plan, tightest }) => [
    value,
    whole(plan.placement.subscriptions),
    percent(plan.placement.reachOfMessages),
    whole(plan.redis.nodes.reduce((sum, { copies }) => sum + copies, 0)),
    percent(plan.redis.hottest.underLoad),
    megabytes(sum(plan.redis.hottest.memory)),
    percent(plan.process.busiest.underLoad),
    megabytes(plan.process.busiest.memory),
    plan.death === undefined ? '-' : whole(plan.death.subscriptions),
    tightest.what,
    percent(tightest.share)
  ]))
}

function deathRows (death, { history, reconnect }) {
  return [
    [`**A process dies, and its clients come back within ${reconnect} s**`, ''],
    ['sockets; of those, to the process that gets most', `${whole(death.sockets)}; ${whole(death.most)}`],
    ['CPU of a process meanwhile; afterwards', `${share(death.meanwhile)}; ${share(death.afterwards)}`],
    ['rooms that it had; subscriptions that others make', `${whole(death.rooms)}; ${whole(death.subscriptions)}`],
    ...(history > 0
      ? [['histories read; bytes of them', `${whole(death.reads)}; ${megabytes(death.read)}`],
          ['messages that each client has missed; bytes sent to all', `${whole(death.missed)}; ${megabytes(death.replayed)}`]]
      : [['times that your application is asked for what is shown', whole(death.loads)]]),
    ['what all takes of Redis', `${death.redis.toPrecision(2)} s of CPU`]
  ]
}

function both ({ mean, busiest }, key, write) {
  const [one, other] = [write(mean[key]), write(busiest[key])]
  return one === other ? one : `${one}, ${other}`
}
