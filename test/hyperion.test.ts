import t from 'tap'
import { WebSocket } from 'ws'
import { createApp, until } from './helpers/app.js'
import { join } from './helpers/client.js'
import { HyperionClient } from './helpers/hyperion.js'

t.test('a web client of Hyperion is served with no change on its side', async t => {
  const { app, http, token } = await createApp(t, { rooms: { keepAlive: 200, pongTimeout: 100 } })
  const client = new HyperionClient(http, token())
  t.teardown(() => client.close())
  client.open()
  await until(() => client.statuses.length === 1)
  await app.ws.sendToRoom('cdr', { command: 'NEW_USER', data: { id: '1', nickname: null } })
  await until(() => client.statuses.length === 2)
  await app.ws.sendToRoom('cdr', { command: 'UPDATE_USER', data: { id: '1', nickname: 'Ada' } })
  await until(() => client.statuses.length === 3)
  t.strictSame(client.users.get('1'), { id: '1', nickname: 'Ada' })
  await app.ws.sendToRoom('cdr', { command: 'SOMETHING_NEW', data: 1 })
  await app.ws.sendToRoom('cdr', { command: 'UPDATE_USER', data: { id: '2', nickname: 'whom it does not know' } })
  await until(() => client.statuses.length === 4)
  t.strictSame([...client.users.keys()], ['1'])
  t.strictSame(client.statuses, ['connected', 'connected', 'connected', 'connected'])
  t.equal(client.sockets, 4)
  t.strictSame(client.errors, [])
})

t.test('frames that it sends later are read and ignored', async t => {
  const { app, http, token } = await createApp(t)
  const client = new HyperionClient(http, token())
  t.teardown(() => client.close())
  client.open()
  await until(() => client.statuses.length === 1)
  client.send('{"command":"HELLO","data":{}}')
  client.send('{"anything":["at","all"]}')
  await until(() => app.ws.stats().ignored === 2)
  t.equal(client.state, WebSocket.OPEN)
})

t.test('a token that is no good gets the status that it knows', async t => {
  const { http, token } = await createApp(t)
  const client = new HyperionClient(http, `${token()}x`)
  client.open()
  await until(() => client.state === WebSocket.CLOSED)
  t.strictSame(client.statuses, ['invalid_token'])
  t.strictSame(client.codes, [4401], 'it only logs that its socket has closed')
  t.equal(client.sockets, 1)
})

t.test('its habit of opening a new socket after each change costs the broker nothing', async t => {
  const { app, http, url, token } = await createApp(t)
  await join(t, url, token())
  const clients = Array.from({ length: 20 }, () => new HyperionClient(http, token()))
  t.teardown(() => clients.forEach(client => client.close()))
  for (const client of clients) client.open()
  for (let i = 1; i <= 5; i++) {
    await until(() => clients.every(({ statuses }) => statuses.length === i))
    await app.ws.sendToRoom('cdr', { command: 'NEW_USER', data: { id: String(i), nickname: null } })
  }
  await until(() => clients.every(({ statuses }) => statuses.length === 6))
  t.ok(clients.every(({ users }) => users.size === 5))
  await until(() => app.ws.stats().members === 21)
})
