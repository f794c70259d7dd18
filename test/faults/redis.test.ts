import t from 'tap'
import { until } from '../helpers/app.js'
import { createField, ROOMS, sleep, underLoad } from '../helpers/field.js'
import { watchForStrays } from '../helpers/strays.js'

const noStrays = watchForStrays(t)

t.test('Redis is killed and comes back empty: what it lost is told of, and all is well within 1.5 s', async t => {
  const field = await underLoad(t, {}, field => field.fault(async () => {
    await field.redis.kill()
    await field.sent(80)
    await field.redis.start()
  }))
  const { kept } = field.holds(t, { lossy: true, resumed: 1_500 })
  t.ok(kept.notices.epoch, 'and a new epoch has begun')
})

t.test('Redis is killed and comes back with its AOF: a room with history has lost nothing', async t => {
  const field = await underLoad(t, { redis: ['--appendonly', 'yes', '--appendfsync', 'always'] }, field => field.fault(async () => {
    await field.redis.kill()
    await field.sent(80)
    await field.redis.start()
  }))
  field.holds(t, { resumed: 1_500, epochs: 0 })
})

t.test('Redis hangs for 3 s: senders are told in time, and nothing comes twice when it wakes', async t => {
  const field = await underLoad(t, {}, field => field.fault(async () => {
    await field.redis.kill('SIGSTOP')
    await sleep(3_000)
    await field.redis.kill('SIGCONT')
  }), 25)
  field.holds(t, { resumed: 1_500 })
})

t.test('Redis takes no writes for 2.2 s, and answers pings: the same', async t => {
  const field = await underLoad(t, {}, async field => {
    const admin = field.redis.client()
    t.teardown(() => admin.disconnect())
    await field.fault(async () => {
      await admin.client('PAUSE', 2_200, 'WRITE')
      await sleep(2_200)
    })
  }, 25)
  field.holds(t)
})

t.test('everything in Redis is deleted while messages flow: members are told, and nothing is lost in silence', async t => {
  const field = await underLoad(t, {}, async field => {
    const admin = field.redis.client()
    t.teardown(() => admin.disconnect())
    const away = await field.join(t, 'kept', [1])
    away.leave()
    await admin.flushall()
    await field.flow()
    await admin.del('{rooms:kept}:s')
    await field.flow()
    away.return()
  })
  const { kept } = field.holds(t, { lossy: true })
  t.ok(kept.told > 0, 'the client that was away was told')
})

t.test('Redis refuses, for one reason after the other: senders are told, and nothing ends', async t => {
  const field = await underLoad(t, {}, async field => {
    const admin = field.redis.client()
    t.teardown(() => admin.disconnect())
    const errors: Array<[begin: string[], end: string[]]> = [
      [['ACL', 'SETUSER', 'default', '-publish', '-evalsha'], ['ACL', 'SETUSER', 'default', '+publish', '+evalsha']],
      [['CONFIG', 'SET', 'maxmemory', '1', 'maxmemory-policy', 'noeviction'], ['CONFIG', 'SET', 'maxmemory', '0']],
      [['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE']]
    ]
    for (const [begin, end] of errors) {
      await field.fault(async () => {
        await admin.call(begin[0] as string, ...begin.slice(1))
        const before = field.claimed('unavailable')
        await until(() => field.claimed('unavailable') > before)
        await admin.call(end[0] as string, ...end.slice(1))
      })
      await field.flow()
    }
  })
  const { kept } = field.holds(t)
  t.ok(kept.claims.unavailable as number > 0, 'some were told that nothing was sent')
})

t.test('Redis forgets all scripts, again and again: a room with history keeps its order and loses nothing', async t => {
  const field = await underLoad(t, {}, async field => {
    const admin = field.redis.client()
    t.teardown(() => admin.disconnect())
    for (let time = 0; time < 20; time++) {
      await admin.script('FLUSH')
      await field.flow(1)
    }
  }, 200)
  const { kept } = field.holds(t)
  t.equal(kept.told, 0)
  t.equal(kept.claims.accepted, kept.sent, 'every send was accepted')
})

t.test('others publish thousands of payloads that are no messages: nothing is lost, and nothing ends', async t => {
  const field = await underLoad(t, {}, async field => {
    const admin = field.redis.client()
    t.teardown(() => admin.disconnect())
    const payloads = ['', '!', '!seq', '!seq 1 1 a', '!seq x y z\n{}', '!seq 1 1 a\n', '!volatile\n', '!!\n{"command":"X"}', '{"command":"N","data":', Buffer.from([0xc1])]
    for (let count = 0; count < 1_000; count++) payloads.push(field.random.bytes(field.random.between(1, 64)))
    for (const room of ROOMS) await Promise.all(payloads.map(async payload => await admin.publish(`rooms:${room}`, payload)))
  })
  const { kept, fleeting } = field.holds(t)
  t.equal(kept.told + fleeting.told, 0)
})

t.test('others write entries of any fields into the same streams: no message is lost of it', async t => {
  const field = await underLoad(t, {}, async field => {
    const admin = field.redis.client()
    t.teardown(() => admin.disconnect())
    const [last] = await admin.xrevrange('{rooms:kept}:s', '+', '-', 'COUNT', 1)
    const epoch = last?.[0].replace(/-.*/, '')
    const entries = [['x', 'y'], ['m', ''], ['p', ''], ['m', 'a', 'p', '{'], ['p', '{"command":"X"}', 'm', 'a'], ['m', 'a', 'p', '{"command":"WSStatus"}']]
    for (let count = 0; count < 50; count++) entries.push([field.random.bytes(4).toString('latin1'), field.random.bytes(16).toString('latin1')])
    for (const entry of entries) await admin.xadd('{rooms:kept}:s', `${epoch}-*`, ...entry)
  })
  field.holds(t)
})

t.test('two processes send 2,000 messages and wait for none: all members see one order', async t => {
  const field = await createField(t)
  for (const room of ROOMS) for (const door of [0, 0, 1, 1]) await field.join(t, room, [door])
  for (let burst = 0; burst < 20; burst++) {
    for (const room of ROOMS) for (const app of [0, 1]) field.send(app, room, 50)
    await new Promise(resolve => setImmediate(resolve))
  }
  await field.settle()
  const { kept, fleeting } = field.holds(t)
  t.equal(kept.told + fleeting.told, 0)
  t.equal(kept.due, 4 * kept.sent)
})

noStrays()
