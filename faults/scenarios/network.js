import { sleep } from '../clock.js'
import { RedisServer } from '../redis-server.js'
import { Single } from '../topologies/single.js'
import { AFTER, underLoad } from './standard.js'

const single = () => Single.start()

/** From one fault to the next: longer than it takes anybody to find it. */
const BETWEEN = 1_500

export const scenarios = [
  {
    id: 'A7',
    title: 'answers are lost, then the connection',
    done: 'Three times: for 300 ms nothing comes back on the connections that send, and then they are reset.',
    topology: single,
    run: field => underLoad(field, async () => {
      for (let time = 0; time < 3; time++) {
        await field.fault(async () => {
          for (const proxy of field.proxies) proxy.set('drop-replies', 'commands')
          await sleep(300)
          for (const proxy of field.proxies) proxy.cut('commands')
        })
        await sleep(BETWEEN)
      }
    }),
    must: {}
  },
  {
    id: 'A7-late',
    title: 'what was sent arrives after the connection has ended',
    done: 'Three times: what is sent is held back for 500 ms, the connection ends without Redis hearing of it, and 1 s later it arrives.',
    topology: single,
    run: field => underLoad(field, async () => {
      for (let time = 0; time < 3; time++) {
        await field.fault(async () => {
          const links = field.proxies.flatMap(proxy => proxy.links('commands'))
          for (const link of links) link.mode = 'hold'
          await sleep(500)
          for (const link of links) link.desert()
          await sleep(1_000)
          for (const link of links) link.release()
        })
        await sleep(BETWEEN)
      }
    }),
    must: {}
  },
  {
    id: 'A8',
    title: 'the connection that hears goes dead without a word',
    done: 'Nothing passes any more on the connections of one process that hear, in either direction, and nobody ends them.',
    topology: single,
    run: field => underLoad(field, async () => {
      await field.fault(() => field.proxy('b').set('blackhole', 'subscriber'))
    }, { after: AFTER + 2_000 }),
    must: { resumed: 3_500 }
  },
  {
    id: 'D9',
    title: 'the connection that hears leads to another Redis',
    done: 'Of one process, the connection that hears is reset, and the next one leads to a Redis that is healthy, and is another.',
    topology: single,
    async run (field) {
      const other = await RedisServer.start()
      try {
        await underLoad(field, async () => {
          const proxy = field.proxy('b')
          proxy.redirectNext(other.port)
          await field.fault(() => proxy.cut('subscriber'))
        }, { after: AFTER + 2_000 })
      } finally {
        await other.stop()
      }
    },
    // Whoever reads history there has been told that it is another one, and starts from that.
    must: { lossy: true }
  },
  {
    id: 'D11',
    title: 'one of three processes can hear, and cannot send',
    done: 'Its connection that sends is reset, and for 3 s it gets no other.',
    topology: single,
    run: field => among3(field, async proxy => {
      proxy.arriving = 'refuse'
      proxy.cut('commands')
      await sleep(3_000)
      proxy.arriving = 'pass'
    }),
    must: { claim: 3_000 }
  },
  {
    id: 'D11-all',
    title: 'one of three processes is cut off',
    done: 'For 5 s nothing passes between it and Redis, on any connection.',
    topology: single,
    run: field => among3(field, async proxy => {
      proxy.partition()
      await sleep(5_000)
      proxy.heal()
    }),
    must: { resumed: 1_500 }
  }
]

async function among3 (field, work) {
  await field.serve(['a', 'b', 'c'])
  for (const name of ['a', 'b', 'c']) await field.join(2, { doors: [name] })
  await field.publish(['a', 'b', 'c'], { rate: 30 })
  await sleep(700)
  await field.fault(() => work(field.proxy('a')))
  await sleep(AFTER)
  await field.settle()
}
