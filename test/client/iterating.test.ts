import t from 'tap'
import { iterate } from '../../client/iterate.js'
import { createApp } from '../helpers/app.js'
import { startCounterpart } from '../helpers/counterpart.js'
import { follow } from '../helpers/room-client.js'

t.test('a loop over a room has each of its messages, and ends when it is closed', async t => {
  const { app, url, token } = await createApp(t)
  const follower = follow(t, 'cdr', { url, token: () => token() })
  await follower.reaches('connected')
  const messages = follower.room[Symbol.asyncIterator]() as AsyncGenerator<unknown>
  for (const data of [1, 2]) await app.ws.sendToRoom('cdr', { command: 'UPDATE', data })
  const seen: unknown[] = []
  for await (const message of messages) {
    seen.push(message)
    if (seen.length === 2) await app.ws.sendToRoom('cdr', { command: 'UPDATE', data: 3 })
    if (seen.length === 3) follower.room.close()
  }
  t.strictSame(seen, [1, 2, 3].map(data => ({ command: 'UPDATE', data })))
  for await (const message of follower.room) t.fail(`after the end: ${message.command}`)
})

t.test('whoever breaks off a loop is told nothing more', async t => {
  const { app, url, token } = await createApp(t)
  const follower = follow(t, 'cdr', { url, token: () => token(), maxBuffered: 1 })
  await follower.reaches('connected')
  const loop = (async () => {
    for await (const { data } of follower.room) if (data === 1) break
  })()
  await app.ws.sendToRoom('cdr', { command: 'UPDATE', data: 1 })
  await loop
  for (const data of [2, 3]) await app.ws.sendToRoom('cdr', { command: 'UPDATE', data })
  await follower.until(() => follower.dataOf('UPDATE').length === 3)
})

t.test('one that is given up before it has begun is told nothing more, either', async t => {
  for (const how of ['return', 'throw'] as const) {
    const reason = new Error('not wanted')
    let left = 0
    const messages = iterate<number>(() => () => { left++ }, 10)
    if (how === 'return') await messages.return()
    else await t.rejects(messages.throw(reason), reason)
    t.equal(left, 1, how)
    t.match(await messages.next(), { done: true })
  }
})

t.test('a loop that is too far behind ends after the last message that it can have, and says so', async t => {
  const server = await startCounterpart(t)
  const follower = follow(t, 'cdr', { url: server.url, token: () => 'abc', maxBuffered: 3 })
  const { peer } = await server.admitted()
  const messages = follower.room[Symbol.asyncIterator]()
  for (const data of [1, 2, 3, 4, 5]) peer.send({ command: 'UPDATE', data })
  await follower.until(() => follower.dataOf('UPDATE').length === 5)
  for (const data of [1, 2, 3]) t.match(await messages.next(), { value: { data } })
  await t.rejects(messages.next(), { name: 'RoomsError', code: 'BUFFER_FULL' })
  t.match(await messages.next(), { done: true })
})

t.test('a loop over a room that the server has ended for good says why', async t => {
  const server = await startCounterpart(t)
  const follower = follow(t, 'cdr', { url: server.url, token: () => 'abc' })
  const { peer } = await server.admitted()
  await follower.reaches('connected')
  const messages = follower.room[Symbol.asyncIterator]()
  peer.send({ command: 'UPDATE', data: 1 })
  peer.socket.close(4403)
  t.match(await messages.next(), { value: { data: 1 } })
  await t.rejects(messages.next(), { code: 'ENDED', closeCode: 4403 })
  await t.rejects(follower.room[Symbol.asyncIterator]().next(), { code: 'ENDED' }, 'also one that begins later')
})
