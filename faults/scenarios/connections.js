import { sleep } from '../clock.js'
import { Single } from '../topologies/single.js'
import { underLoad } from './standard.js'

const KILLS = 20

const killing = (id, types, rest) => ({
  id,
  topology: () => Single.start(),
  run: field => underLoad(field, async () => {
    const { admin } = field.topology.server
    for (let kill = 0; kill < KILLS; kill++) {
      await field.fault(async () => { for (const type of types) await admin.client('KILL', 'TYPE', type) })
      await sleep(field.random.between(100, 400))
    }
  }),
  ...rest
})

export const scenarios = [
  killing('A5', ['pubsub'], {
    title: 'connections that hear are killed, 20 times',
    done: 'CLIENT KILL TYPE pubsub, 20 times, 100 to 400 ms apart.',
    must: {}
  }),
  killing('A6', ['normal', 'pubsub'], {
    title: 'all connections are killed, 20 times',
    done: 'CLIENT KILL TYPE normal and TYPE pubsub, 20 times, 100 to 400 ms apart.',
    must: {}
  })
]
