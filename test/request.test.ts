import { IncomingMessage } from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import type { FastifyRequest } from 'fastify'
import { defineRoom } from '../index.js'
import { createApp, until } from './helpers/app.js'
import { join } from './helpers/client.js'
import { Gate } from './helpers/gate.js'
import { watchForStrays } from './helpers/strays.js'

const noStrays = watchForStrays(t)

t.test('who keeps the request of a member finds in it what it was asked for', async t => {
  const seen: FastifyRequest[] = []
  const { url, token } = await createApp(t, { route: { onJoin: async ({ request }) => { seen.push(request, { ...request } as FastifyRequest) } } })
  await join(t, url, token())
  const [request, { raw: whole }] = seen as [FastifyRequest, FastifyRequest]
  await until(() => request.raw !== whole)
  const { raw, ip, host, headers } = request
  t.ok(whole.rawHeaders, 'all of it while onJoin has the word')
  t.strictSame([raw.url, raw.method, raw.httpVersion, raw.socket, ip, host], [whole.url, whole.method, whole.httpVersion, whole.socket, '127.0.0.1', new URL(url).host])
  t.equal(headers.upgrade, 'websocket')
  t.ok(raw instanceof IncomingMessage)
})

t.test('a command that is at work when its client leaves still has all of its request', async t => {
  const gates = { join: new Gate(), command: new Gate() }
  const contract = defineRoom('cdr', { messages: {}, commands: { WORK: {} } })
  const seen: unknown[] = []
  const { app, url, token } = await createApp(t, {
    setup (app) {
      app.get('/work', { websocket: true }, app.manageWebsocket(contract, {
        onJoin: async () => { await gates.join.pass() },
        commands: { WORK: async ({ request }) => { seen.push('begun'); await gates.command.pass(); seen.push(request.raw.rawHeaders !== undefined) } }
      }))
    }
  })
  const client = await join(t, url.replace('/cdr/users/ws', '/work'), token())
  client.send({ command: 'WORK', id: 1 })
  await until(() => seen.length === 1)
  client.socket.terminate()
  await until(() => app.ws.stats().connections === 0)
  gates.join.open()
  await turn() // whatever follows on that has happened
  gates.command.open()
  await until(() => seen.length === 2)
  t.strictSame(seen, ['begun', true])
})

t.test('a snapshot that is at work when its client leaves still has all of its request', async t => {
  const gate = new Gate()
  const seen: unknown[] = []
  const { app, url, token } = await createApp(t, {
    route: { snapshot: async ({ request }) => { seen.push('begun'); await gate.pass(); seen.push(request.raw.rawHeaders !== undefined) } }
  })
  const client = await join(t, url, token())
  await until(() => seen.length === 1)
  client.socket.terminate()
  await until(() => app.ws.stats().connections === 0)
  await turn() // whatever follows on that has happened
  gate.open()
  await until(() => seen.length === 2)
  t.strictSame(seen, ['begun', true])
})

t.test('whoever keeps the request of a member knows by what URL it came', async t => {
  const seen: FastifyRequest[] = []
  const { url, token } = await createApp(t, {
    fastify: { rewriteUrl: request => request.url?.replace('/v1', '') ?? '' },
    route: { onJoin: ({ request }) => { seen.push(request) } }
  })
  await join(t, url.replace('/cdr', '/v1/cdr'), token())
  await until(() => seen[0] !== undefined && seen[0].raw.rawHeaders === undefined)
  t.equal(seen[0]?.originalUrl, '/v1/cdr/users/ws')
})

noStrays()
