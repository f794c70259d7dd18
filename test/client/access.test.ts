import t from 'tap'
import type { RoomClient } from '../../client/index.js'
import { createApp } from '../helpers/app.js'
import { follow } from '../helpers/room-client.js'

t.test('a real server says when a token is about to expire, and takes the next one on the same socket', async t => {
  const { app, url, token } = await createApp(t)
  const lives = [2, 3_600]
  const follower = follow(t, 'cdr', { url, token: () => token({ sub: 'jeanne', jti: String(lives.length) }, { expiresIn: lives.shift() }) })
  await follower.reaches('connected')
  await new Promise<void>(resolve => {
    const counting = setInterval(() => {
      if (lives.length > 0) return
      clearInterval(counting)
      resolve()
    }, 5)
  })
  await t.rejects(follower.room.send('ANY'), { code: 'FST_ROOMS_NO_COMMANDS' })
  await new Promise(resolve => setTimeout(resolve, 2_500))
  await app.ws.sendToRoom('cdr', { command: 'UPDATE' })
  await follower.until(() => follower.dataOf('UPDATE').length === 1)
  t.strictSame(follower.told.map(([event]) => event), ['state', 'resync', 'UPDATE'])
  t.strictSame(app.ws.stats().ended, {})
})

t.test('who is disconnected, removed, or whose room is closed does not come again', async t => {
  const { app, url, token } = await createApp(t)
  const ends: Array<[() => Promise<unknown>, number]> = [
    [async () => await app.ws.removeFromRoom('cdr', 'jeanne'), 4403],
    [async () => await app.ws.closeRoom('cdr'), 4410],
    [async () => await app.ws.disconnectUser('jeanne'), 4410]
  ]
  for (const [end, code] of ends) {
    const follower = follow(t, 'cdr', { url, token: () => token() })
    await follower.reaches('connected')
    await end()
    t.match(await follower.reaches('closed'), { code })
  }
})

t.test('a room that lets its users in with the upgrade', async t => {
  const { app, url, token } = await createApp(t, { route: { authenticate: 'upgrade' } })
  const follower = follow(t, 'cdr', { url, token: () => token(), protocols: token => ['rooms.v1', `bearer.${token}`] })
  await follower.reaches('connected')
  await app.ws.sendToRoom('cdr', { command: 'UPDATE' })
  await follower.until(() => follower.dataOf('UPDATE').length === 1)
  const refused: RoomClient = follow(t, 'cdr', { url, token: () => 'nonsense', protocols: token => ['rooms.v1', `bearer.${token}`] }).room
  t.match(await new Promise(resolve => refused.on('state', (state, details) => { if (state === 'waiting') resolve(details) })), { code: 1006 })
})
