import { interpolate } from './interpolate.js'
import { megabytes, percent, perSecond, sum, whole } from './limits.js'
import { deliveryCost } from './plan.js'

/** What the example leaves at its default. */
const NAME = 'rooms:room-12345'.length
const FRAME = 4
const MICRO = 1_000_000

/**
 * What plan.js counts member by member, as formulas for rooms of equal size: what each is, the formula, what it comes to, and
 * what plan.js has found.
 */
export function pencil ({ sockets: S, processes: P, rooms: R, rate: r, session: T, size, keepAlive }, { redis, process }, { placement, redis: { hottest }, process: { mean }, room }) {
  const { memory, model } = redis
  const m = S / R
  const k = P * (1 - (1 - 1 / P) ** m)
  const M = R * r
  const ofRedis = (M * interpolate(redis.publish.busy, k) + 2 * S / T * redis.report.busy + 3.3 * P * model.command) / MICRO
  const delivery = deliveryCost(process, S / P)
  const ofProcess = (M * k / P * process.receive.busy + M * m / P * delivery + M / P * process.send.busy + S / P / keepAlive * process.ping + S / P / T * process.visit) / MICRO
  return [
    ['members of a room: m', 'S / R', whole(m), whole(placement.median)],
    ['processes that have some of them: k', 'P × (1 − (1 − 1/P)^m)', k.toFixed(1), (placement.reachOfRooms * P).toFixed(1)],
    ['subscriptions; of each process', 'R × k; R × k / P', `${whole(R * k)}; ${whole(R * k / P)}`, `${whole(placement.subscriptions)}; ${whole(placement.perProcess.mean)}`],
    ['messages per second: M', 'R × r', whole(M), whole(placement.messages)],
    ['Redis to processes, per second', 'M × k', whole(M * k), whole(hottest.copies - hottest.commands.canary)],
    ['processes to sockets, per second', 'M × m', whole(M * m), whole(placement.deliveries)],
    ['commands to Redis, per second', 'M + 4 × S / T + 3.3 × P', whole(M + 4 * S / T + 3.3 * P), whole(hottest.operations)],
    ['CPU of Redis', 'M × publish(k) + 2 × S / T × count + 3.3 × P × command', percent(ofRedis), percent(hottest.underLoad)],
    ['memory of Redis', 'R × (first + (k − 1) × further + count(k))', megabytes(R * (memory.channel + (k - 1) * memory.subscription + interpolate(memory.count, k))), megabytes(sum(hottest.memory))],
    ['what Redis sends', 'M × k × (size + name + envelope)', perSecond(M * k * (size + NAME + model.envelope)), perSecond(hottest.out)],
    ['CPU of a process', '(M × k × receive + M × m × deliver + M × send + S × (ping / 25 + visit / T)) / P', percent(ofProcess), percent(mean.underLoad)],
    ['memory of a process', 'empty + (S × socket + R × k × room) / P', megabytes(process.empty + (S * process.socket + R * k * process.room) / P), megabytes(mean.memory)],
    ['what a process sends', `M × m / P × (size + ${FRAME})`, perSecond(M * m / P * (size + FRAME)), perSecond(mean.out)],
    ['one message holds a process up for', 'm / P × deliver', `${(m / P * delivery / 1_000).toPrecision(2)} ms`, `${room.stall.toPrecision(2)} ms, where most of a room are`]
  ]
}
