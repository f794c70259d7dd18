import t from 'tap'
import { createApp } from './helpers/app.js'
import { join } from './helpers/client.js'
import { startRedis } from './helpers/redis.js'

t.test('a PATCH that another process handles reaches a member through Redis', async t => {
  const redis = await startRedis(t)
  const a = await createApp(t, { rooms: { redis: redis.url } })
  const b = await createApp(t, { rooms: { redis: redis.url } })
  const member = await join(t, a.url, a.token())
  const response = await fetch(`${b.http}/cdr/users/7`, { method: 'PATCH', headers: { 'content-type': 'application/json' }, body: '{"name":"Ada"}' })
  t.equal(response.status, 200)
  t.strictSame(await member.next(), { command: 'UPDATE_USER', data: { name: 'Ada' } })
  t.equal(await b.app.ws.count('cdr'), 1)
})
