import type { AddressInfo } from 'node:net'
import t from 'tap'
import { FaultProxy } from '../../faults/shared.js'
import { until } from '../helpers/app.js'
import { createField, ROOMS, sleep, underLoad } from '../helpers/field.js'
import { watchForStrays } from '../helpers/strays.js'

const noStrays = watchForStrays(t)

t.test('clients that enter at random moments miss nothing that is sent after `connected`, and get nothing twice', async t => {
  const field = await createField(t, { rooms: { linger: 1 } })
  const rooms = ROOMS.flatMap(room => Array.from({ length: 10 }, (_, number) => `${room}-${number}`))
  field.publish([0, 1], { rooms, rate: 20 })
  const joining = Array.from({ length: 100 }, async () => {
    for (let turn = field.random.between(0, 200); turn > 0; turn--) await new Promise(resolve => setImmediate(resolve))
    await field.join(t, field.random.pick(rooms), [field.random.pick([0, 1])])
  })
  await Promise.all(joining)
  await field.flow(5)
  await field.settle()
  for (const room of rooms) {
    const { silent, told, doubled, disordered, differing } = field.verdict(room)
    t.strictSame({ silent, told, doubled, disordered, differing }, { silent: 0, told: 0, doubled: 0, disordered: 0, differing: 0 }, room)
  }
})

t.test('a client that comes back has missed one message, or many: it gets them, once and in order', async t => {
  const field = await createField(t)
  const away = await field.join(t, 'kept', [1, 0])
  const witness = await field.join(t, 'kept', [1])
  for (const missed of [1, 2, 3, 10, 50, 299]) {
    away.leave()
    const seen = witness.journal.count('message')
    field.send(0, 'kept', missed)
    await until(() => witness.journal.count('message') === seen + missed)
    const from = away.journal.events.length
    away.return()
    const { recovered } = await away.journal.until(({ type }) => type === 'connected', { from })
    t.equal(recovered, true, `${missed} messages missed`)
    await until(() => away.journal.count('message') === seen + missed)
  }
  await field.settle()
  const { kept } = field.holds(t)
  t.equal(kept.told, 0)
})

t.test('a client that has missed more than is kept is told so, and is given no part of it', async t => {
  const field = await createField(t, { history: { size: 10, ttl: 60_000 } })
  const away = await field.join(t, 'kept', [1])
  const witness = await field.join(t, 'kept', [1])
  away.leave()
  field.send(0, 'kept', 50)
  await until(() => witness.journal.count('message') === 50)
  const from = away.journal.events.length
  away.return()
  const { recovered } = await away.journal.until(({ type }) => type === 'connected', { from })
  t.equal(recovered, false)
  await field.settle()
  field.holds(t, { lossy: true })
  t.equal(away.journal.count('message'), 2, 'only the last ones, which were sent after it came')
})

t.test('nobody says anything for longer than history lasts: as long as a room has members, those who come back recover', async t => {
  const field = await createField(t, { history: { size: 100, ttl: 2_000 } })
  const away = await field.join(t, 'kept', [1, 0])
  await field.join(t, 'kept', [1])
  await sleep(4_500)
  away.leave()
  field.send(0, 'kept', 3)
  const from = away.journal.events.length
  away.return()
  const { recovered } = await away.journal.until(({ type }) => type === 'connected', { from })
  t.equal(recovered, true)
  await field.settle()
  field.holds(t)
})

t.test('clients are cut, again and again, and go from one process to the other: they see everything once', async t => {
  const field = await underLoad(t, {}, async field => {
    for (let count = 0; count < 5; count++) await field.join(t, 'kept', [count % 2, 1 - count % 2])
    for (let time = 0; time < 20; time++) {
      for (let count = 0; count < 3; count++) field.random.pick(field.members).cut()
      await field.flow(2)
    }
  })
  const { kept } = field.holds(t)
  t.equal(kept.told, 0)
})

t.test('a client that reads slowly comes back: it is given all that it has missed at its own pace, and not sent away', async t => {
  const field = await createField(t, { rooms: { maxRecoveryBytes: 32 * 1_024 * 1_024 } })
  const link = await FaultProxy.start((field.apps[1]?.app.server.address() as AddressInfo).port)
  t.teardown(() => link.close())
  link.rate = 4_000_000
  const away = await field.join(t, 'kept', [{ name: '1', port: link.port }])
  const witness = await field.join(t, 'kept', [1])
  away.leave()
  for (let count = 0; count < 100; count++) {
    field.send(0, 'kept', 1, 'x'.repeat(100_000)) // ten megabytes, and one may wait for a socket
    if (count % 10 === 9) await until(() => witness.journal.count('message') === count + 1)
  }
  away.return()
  await until(() => away.journal.count('message') === 100)
  await field.settle()
  const { kept } = field.holds(t)
  t.equal(kept.told, 0)
})

t.test('clients that are cut at any moment of their entering leave nobody behind', async t => {
  const field = await createField(t)
  field.publish([0], { rate: 100 })
  const staying = await Promise.all(ROOMS.map(async room => await field.join(t, room, [0])))
  for (let round = 0; round < 4; round++) {
    await Promise.all(ROOMS.flatMap(room => Array.from({ length: 10 }, async () => {
      const member = field.visit(t, room, [0])
      for (let time = 0; time < 2; time++) {
        for (let turn = field.random.between(0, 30); turn > 0; turn--) await new Promise(resolve => setImmediate(resolve))
        member.leave()
        member.return()
      }
      for (let turn = field.random.between(0, 30); turn > 0; turn--) await new Promise(resolve => setImmediate(resolve))
      await member.stop()
    })))
  }
  const stats = (): object => field.apps[0]?.app.ws.stats() ?? {}
  await until(() => (stats() as { connections: number }).connections === staying.length) // a cut is heard of a little later
  t.match(stats(), { members: staying.length, waiting: 0 })
  await field.settle()
  field.holds(t, { lossy: true }) // who leaves for good did not wait for what it had missed
})

t.test('the applications are closed and started anew, one after the other: a room with history misses nothing', async t => {
  const field = await createField(t, { processes: 3 })
  for (const room of ROOMS) for (const doors of [[0, 1], [1, 0], [0, 1]]) await field.join(t, room, doors)
  field.publish([2])
  await field.flow()
  await field.close(0)
  await until(() => field.members.every(({ journal }) => journal.events.at(-1)?.type !== 'closed'))
  await field.flow()
  await field.settle()
  const { kept } = field.holds(t)
  t.equal(kept.told, 0)
  const codes = field.members.flatMap(({ journal }) => journal.events.filter(({ type }) => type === 'closed').map(({ code }) => code))
  t.strictSame([...new Set(codes)], [1012])
})

noStrays()
