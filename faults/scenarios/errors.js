import { freePort } from '../redis-server.js'
import { sleep } from '../clock.js'
import { Single } from '../topologies/single.js'
import { underLoad } from './standard.js'

const [USER, PASSWORD, ANOTHER] = ['rooms', 'secret', 'changed']
/** How long each of the errors lasts, and the quiet after it. */
const [LASTS, BETWEEN] = [1_000, 1_000]

/** What Redis can answer in the place of what it was asked for: how it begins, and how it ends. */
const ERRORS = {
  NOPERM: [
    admin => admin.call('ACL', 'SETUSER', USER, '-publish', '-xadd', '-evalsha', '-eval'),
    admin => admin.call('ACL', 'SETUSER', USER, '+@all')
  ],
  'channels taken away': [
    admin => admin.call('ACL', 'SETUSER', USER, 'resetchannels'),
    admin => admin.call('ACL', 'SETUSER', USER, 'allchannels')
  ],
  WRONGPASS: [
    async admin => {
      await admin.call('ACL', 'SETUSER', USER, 'resetpass', `>${ANOTHER}`)
      await admin.client('KILL', 'USER', USER)
    },
    admin => admin.call('ACL', 'SETUSER', USER, `>${PASSWORD}`)
  ],
  OOM: [
    admin => admin.config('SET', 'maxmemory', '1', 'maxmemory-policy', 'noeviction'),
    admin => admin.config('SET', 'maxmemory', '0')
  ],
  READONLY: [
    async admin => admin.replicaof('127.0.0.1', await freePort()),
    admin => admin.replicaof('NO', 'ONE')
  ]
}

export const scenarios = [{
  id: 'A16',
  title: 'Redis answers with errors',
  done: `For a second each: ${Object.keys(ERRORS).join(', ')}.`,
  topology: () => Single.start(['--user', USER, 'on', `>${PASSWORD}`, '~*', '&*', '+@all']),
  run: field => underLoad(field, async () => {
    const { admin } = field.topology.server
    for (const [begin, end] of Object.values(ERRORS)) {
      await field.fault(async () => {
        await begin(admin)
        await sleep(LASTS)
        await end(admin)
      })
      await sleep(BETWEEN)
    }
  }, { wanted: { redis: { username: USER, password: PASSWORD } } }),
  must: {}
}]
