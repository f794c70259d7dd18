import t from 'tap'
import type { FaultProxy } from '../../faults/shared.js'
import { until } from '../helpers/app.js'
import { createField, underLoad } from '../helpers/field.js'
import { startRedis } from '../helpers/redis.js'
import { watchForStrays } from '../helpers/strays.js'

const noStrays = watchForStrays(t)

t.test('connections that hear are killed, again and again: a room with history loses nothing, another is told of every gap', async t => {
  const field = await underLoad(t, {}, async field => {
    const admin = field.redis.client()
    t.teardown(() => admin.disconnect())
    for (let kill = 0; kill < 5; kill++) {
      await field.fault(async () => await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub'))
      await field.flow(5)
    }
  })
  const { fleeting } = field.holds(t)
  t.ok(fleeting.told > 0, 'there were gaps')
})

t.test('all connections are killed, again and again: the same, and nothing comes twice', async t => {
  const field = await underLoad(t, {}, async field => {
    const admin = field.redis.client()
    t.teardown(() => admin.disconnect())
    for (let kill = 0; kill < 5; kill++) {
      await field.fault(async () => {
        await admin.call('CLIENT', 'KILL', 'TYPE', 'normal')
        await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
      })
      await field.flow(5)
    }
  })
  field.holds(t)
})

t.test('answers are lost, and then the connection: nothing comes twice, and every send settles', async t => {
  const field = await underLoad(t, {}, async field => {
    for (let time = 0; time < 3; time++) {
      await field.fault(async () => {
        for (const proxy of field.proxies) proxy.set('drop-replies', 'commands')
        await field.sent(30)
        for (const proxy of field.proxies) proxy.cut('commands')
      })
      await field.flow()
    }
  })
  field.holds(t)
})

t.test('what was sent arrives when its connection has long ended: nothing comes twice, and in a room with history nothing out of order', async t => {
  const field = await underLoad(t, {}, async field => {
    for (let time = 0; time < 2; time++) {
      await field.fault(async () => {
        const links = field.proxies.flatMap(proxy => proxy.links('commands'))
        for (const link of links) link.mode = 'hold'
        await field.sent(40)
        for (const link of links) link.desert()
        await field.flow() // by new connections
        for (const link of links) link.release()
      })
      await field.flow()
    }
  })
  field.holds(t)
})

t.test('the connection that hears goes dead without a word: found within 3 s', async t => {
  const field = await underLoad(t, {}, async field => {
    await field.fault(() => field.proxies[1]?.set('blackhole', 'subscriber'))
  }, 25)
  const { fleeting } = field.holds(t, { resumed: 3_000 })
  t.ok(fleeting.told > 0, 'there was a gap')
})

t.test('the connection that hears leads to another Redis, which is healthy: found within 3 s', async t => {
  const other = await startRedis(t)
  const field = await underLoad(t, {}, async field => {
    const proxy = field.proxies[1] as FaultProxy
    proxy.redirectNext(other.port)
    await field.fault(() => proxy.cut('subscriber'))
  }, 25)
  // Whoever reads history there has been told that it is another one, and starts from that.
  field.holds(t, { lossy: true, resumed: 3_000 })
})

t.test('a process has missed more, in all its rooms together, than Redis keeps for a subscriber: it gets all of it', async t => {
  const rooms = Array.from({ length: 20 }, (_, number) => `kept-${number}`)
  const field = await createField(t, { redis: ['--client-output-buffer-limit', 'pubsub', '1mb', '1mb', '1'] })
  for (const room of rooms) for (const app of [0, 1]) await field.join(t, room, [app])
  const proxy = field.proxies[1] as FaultProxy
  await field.fault(async () => {
    proxy.arriving = 'refuse'
    proxy.cut('subscriber')
    for (const room of rooms) field.send(0, room, 10, 'x'.repeat(16_000))
    await field.settled()
    proxy.arriving = 'pass'
  })
  await field.settle()
  t.strictSame(rooms.filter(room => {
    const { silent, told, doubled, disordered } = field.verdict(room)
    return silent + told + doubled + disordered > 0
  }), [])
})

t.test('one of three processes can hear and cannot send: what it served alone, the others are told of', async t => {
  const field = await underLoad(t, { processes: 3 }, async field => {
    const [proxy] = field.proxies
    await field.fault(async () => {
      if (proxy === undefined) return
      proxy.arriving = 'refuse'
      proxy.cut('commands')
      await until(() => field.claimed('degraded') >= 20)
      proxy.arriving = 'pass'
    })
  })
  const { kept, fleeting } = field.holds(t)
  t.ok(fleeting.claims.degraded as number > 0, 'it has served its members alone')
  t.equal(kept.claims.degraded, 0, 'but not in a room with history')
})

t.test('one of three processes is cut off from Redis altogether: it comes back with all that a room with history was sent', async t => {
  const field = await underLoad(t, { processes: 3 }, async field => {
    await field.fault(async () => {
      field.proxies[0]?.partition()
      await until(() => field.apps[0]?.app.ws.stats().broker === 'down')
      field.proxies[0]?.heal()
    })
  }, 25)
  field.holds(t, { resumed: 1_500 })
})

noStrays()
