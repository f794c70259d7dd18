import t from 'tap'
import type { TestApp } from '../helpers/app.js'
import { createApp, until } from '../helpers/app.js'
import { follow } from '../helpers/room-client.js'

t.test('a real server says when a token is about to expire, and takes the next one on the same socket', async t => {
  const { app, url, token } = await createApp(t)
  const lives = [2, 4, 3_600]
  const follower = follow(t, 'cdr', { url, token: () => token({ sub: 'jeanne', jti: String(lives.length) }, { expiresIn: lives.shift() }) })
  await follower.reaches('connected')
  await until(() => lives.length === 0) // by then, the first one has expired
  await t.rejects(follower.room.send('ANY'), { code: 'FST_ROOMS_NO_COMMANDS' })
  await app.ws.sendToRoom('cdr', { command: 'UPDATE' })
  await follower.until(() => follower.dataOf('UPDATE').length === 1)
  t.strictSame(follower.told.map(([event]) => event), ['state', 'resync', 'UPDATE'])
  t.strictSame(app.ws.stats().ended, {})
})

t.test('who is disconnected, removed, or whose room is closed does not come again', async t => {
  const ends: Array<[(app: TestApp['app']) => Promise<unknown>, number]> = [
    [async app => await app.ws.removeFromRoom('cdr', 'jeanne'), 4403],
    [async app => await app.ws.closeRoom('cdr'), 4410],
    [async app => await app.ws.disconnectUser('jeanne'), 4410]
  ]
  for (const [end, code] of ends) {
    const { app, url, token } = await createApp(t)
    const follower = follow(t, 'cdr', { url, token: () => token() })
    await follower.reaches('connected')
    await end(app)
    t.match(await follower.reaches('closed'), { code })
  }
})

t.test('a room that lets its users in with the upgrade', async t => {
  const { app, url, token } = await createApp(t, { route: { authenticate: 'upgrade' } })
  const protocols = (token: string): string[] => ['rooms.v1', `bearer.${token}`]
  const follower = follow(t, 'cdr', { url, token: () => token(), protocols })
  await follower.reaches('connected')
  await app.ws.sendToRoom('cdr', { command: 'UPDATE' })
  await follower.until(() => follower.dataOf('UPDATE').length === 1)
  const refused = follow(t, 'cdr', { url, token: () => 'nonsense', protocols })
  t.match(await refused.reaches('waiting'), { code: 1006 })
})
