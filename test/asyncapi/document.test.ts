import { readFileSync } from 'node:fs'
import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import t from 'tap'
import { addressOf } from '../../asyncapi/address.js'
import { CLOSES } from '../../asyncapi/closes.js'
import { fastifyRoomsAsyncapi } from '../../asyncapi/index.js'
import type { AsyncapiDocument } from '../../asyncapi/index.js'
import fastifyRooms, { defineRoom } from '../../index.js'
import { describe, describeStands, diagnosticsOf, INFO, stand } from './app.js'

interface Channel {
  address: string
  title: string
  description: string
  parameters?: object
  messages: Record<string, { name: string, payload: { properties: Record<string, unknown>, required: string[] }, examples?: Array<{ payload: unknown }> }>
  bindings: { ws: object }
  'x-rooms': string[]
}
type Operation = { action: string, security?: unknown[], messages: Array<{ $ref: string }>, reply?: { messages: Array<{ $ref: string }> } }

const channelsOf = ({ channels }: AsyncapiDocument) => channels as Record<string, Channel>
const operationsOf = ({ operations }: AsyncapiDocument) => operations as Record<string, Operation>
const messagesOf = (operation: Operation | undefined) => operation?.messages.map(({ $ref }) => $ref.split('/').at(-1))

t.test('the official parser finds nothing to say of the document, as JSON and as YAML', async t => {
  const app = await describeStands(t)
  t.strictSame(await diagnosticsOf(app.asyncapi()), [])
  t.strictSame(await diagnosticsOf(app.asyncapi({ yaml: true })), [])
  t.notMatch(app.asyncapi({ yaml: true }), /&a\d|\*a\d/, 'without aliases')
  t.equal(app.asyncapi(), app.asyncapi({ yaml: false }), 'it is made once')
})

t.test('of an application without rooms, too', async t => {
  const app = await describe(t, () => {}, { asyncapi: { info: { title: 'Nothing', version: '1.0.0' } } })
  t.strictSame(await diagnosticsOf(app.asyncapi()), [])
  t.match(app.asyncapi().info.description, /^## How it works/)
  t.strictSame(app.asyncapi().channels, {})
  t.strictSame(app.asyncapi().components, { schemas: {} })
})

t.test('each route to rooms is a channel at its own URL', async t => {
  const app = await describeStands(t)
  const channels = channelsOf(app.asyncapi())
  t.strictSame(Object.values(channels).map(({ address }) => address), ['/stands/{standId}/ws', '/cdr/ws', '/mine'])
  t.match(channels['stands.standId.ws'], {
    title: 'A stand',
    description: /Leads to the rooms `stand\/:standId`, which keeps its last 100 messages for 60000 ms\. The first frame/,
    parameters: { standId: { description: 'Which stand.', examples: ['7'] } },
    tags: [{ name: 'stands' }],
    bindings: { ws: { method: 'GET' } },
    'x-rooms': ['stand/:standId']
  })
  t.match(channels['cdr.ws'], { title: 'cdr', description: 'Leads to the room `cdr`. It is open to all: no token is waited for.' })
  t.match(channels.mine, { title: 'a room that the request decides', description: /chooses by the request/ })
})

t.test('operations are those of the application: it sends messages and receives commands, which it answers', async t => {
  const app = await describeStands(t)
  const operations = operationsOf(app.asyncapi())
  const at = (name: string) => operations[`stands.standId.ws.${name}`]
  t.match(at('CLOSED'), { action: 'send', title: 'CLOSED' })
  t.strictSame(messagesOf(at('CALL_NEXT')), ['CALL_NEXT'])
  t.match(at('CALL_NEXT'), { action: 'receive', reply: { messages: [{ $ref: '#/channels/stands.standId.ws/messages/CALL_NEXT.reply' }, { $ref: /WSError$/ }] } })
  t.match(at('UPDATE_USER'), { action: 'send' })
  t.match(at('UPDATE_USER-2'), { action: 'receive' }, 'a command may have the name of a message')
  t.match(at('enter'), { action: 'receive', messages: [{ $ref: /token$/ }], reply: { messages: [{ $ref: /WSStatus$/ }] } })
  t.match(at('snapshot'), { action: 'send' })
  t.match(at('keepAlive'), { action: 'send', reply: { messages: [{ $ref: /WSPong$/ }] } })
  t.match(operations['cdr.ws.message'], { action: 'send' })
  t.notOk(operations['cdr.ws.snapshot'])
})

t.test('frames are described as they go over the wire, with examples that fit', async t => {
  const app = await describeStands(t)
  const { messages } = channelsOf(app.asyncapi())['stands.standId.ws'] as Channel
  const { UPDATE_USER: update, CALL_NEXT: call, NOTE: note, 'CALL_NEXT.reply': reply, 'NOTE.reply': noted } = messages
  t.match(update?.payload, { required: ['command', 'data'], properties: { command: { const: 'UPDATE_USER' }, data: { $ref: '#/components/schemas/stand.standId.UPDATE_USER' }, seq: {}, mid: {} } })
  t.strictSame(update?.examples, [{ payload: { command: 'UPDATE_USER', data: { id: 'text', paid: true, seen: '2026-01-31T12:00:00Z' } } }])
  t.strictSame(call?.examples, [{ payload: { command: 'CALL_NEXT', data: { desk: 1 }, id: 1 } }])
  t.match(call, { correlationId: { location: '$message.payload#/id' } })
  t.strictSame(reply?.payload.required, ['command', 'data', 'id'])
  t.strictSame(note?.payload.required, ['command'])
  t.strictSame(noted?.payload.required, ['command', 'id'])
  const plain = channelsOf(app.asyncapi())['cdr.ws']?.messages.message?.payload.properties
  t.strictSame(plain, { command: { type: 'string' }, data: {} }, 'nothing is kept in a plain room')
})

t.test('who must show a token is told so, and where it goes', async t => {
  const document = (await describeStands(t)).asyncapi()
  const operations = Object.entries(operationsOf(document))
  t.match(document.components, { securitySchemes: { token: { type: 'http', scheme: 'bearer', description: /not sent in a header/ } } })
  for (const [name, { security }] of operations) {
    const open = name.startsWith('cdr.') || name.endsWith('.enter')
    t.strictSame(security, open ? undefined : [{ $ref: '#/components/securitySchemes/token' }], name)
  }
  t.notOk(operations.some(([name]) => name === 'cdr.ws.enter'))
  t.notOk(channelsOf(document)['cdr.ws']?.messages.token)
})

t.test('where the token comes with the upgrade, no frame has it', async t => {
  const app = await describe(t, app => { app.get('/ws', { websocket: true }, app.manageWebsocket('cdr', { authenticate: 'upgrade' })) })
  const document = app.asyncapi()
  t.match(document.components.securitySchemes, { upgrade: { type: 'http', scheme: 'bearer', description: /among the subprotocols/ } })
  t.notOk('token' in (document.components.securitySchemes as object))
  t.match(channelsOf(document).ws, { description: /The token comes with the upgrade/, messages: { token: undefined } })
  t.match(operationsOf(document)['ws.message'], { security: [{ $ref: '#/components/securitySchemes/upgrade' }] })
  t.strictSame((await diagnosticsOf(document)).filter(line => !line.includes('asyncapi-id') && !line.includes('asyncapi-servers') && !line.includes('asyncapi-tags')), [])
})

t.test('an application that has another scheme for its token says so', async t => {
  const token = { type: 'userPassword', description: 'A ticket, as the first frame.' }
  const app = await describeStands(t, { asyncapi: { info: INFO, id: 'urn:example:stands', components: { securitySchemes: { token }, schemas: { own: { type: 'string' } }, tags: { stands: { name: 'stands' } } } } })
  const document = app.asyncapi()
  t.strictSame(document.components.securitySchemes, { token })
  t.match(document, { id: 'urn:example:stands', components: { schemas: { own: { type: 'string' } }, tags: {} } })
  t.strictSame(await diagnosticsOf(document), [])
})

t.test('close codes are there for people and for programs, in the words of docs/protocol.md', async t => {
  const { info } = (await describeStands(t)).asyncapi()
  t.match(info.description, /^What volunteers see of each other\.\n\n## How it works\n/)
  t.match(info.description, '| 4419 | the token has expired on the open socket | `expired_token` | yes, with a fresh token |')
  t.strictSame(info['x-close-codes'], CLOSES)
  const rows = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8').matchAll(/^\| `\w+` \| .* \| (\d{4})\b[^|]* \| ([^|]+) \|$/gm)
  const retries = new Map([...rows].map(([, code, retry]) => [Number(code), retry]))
  for (const { code, retry } of CLOSES.filter(({ code }) => code !== 1009)) t.equal(retry, retries.get(code), String(code))
})

t.test('routes of children are found, each once, wherever it was registered', async t => {
  const app = await describe(t, async app => {
    app.register(async child => {
      child.addSchema({ $id: 'desk', type: 'integer' })
      child.get('/', { websocket: true }, child.manageWebsocket('news'))
      child.register(async grandchild => { grandchild.get('/desks', { websocket: true }, grandchild.manageWebsocket('desks')) }, { prefix: '/inner' })
    }, { prefix: '/v1' })
    const twice = app.manageWebsocket('twice')
    app.get('/one', { websocket: true }, twice)
    app.get('/two', { websocket: true }, twice)
    app.get('/', { websocket: true }, app.manageWebsocket('root'))
    app.get('/internal', { websocket: true, config: { asyncapi: false } }, app.manageWebsocket('internal'))
    app.route({ method: 'GET', url: '/both', handler: async () => 'page', wsHandler: app.manageWebsocket('both') })
  })
  const channels = channelsOf(app.asyncapi())
  t.strictSame(Object.values(channels).map(({ address }) => address).sort(), ['/', '/both', '/one', '/two', '/v1', '/v1/inner/desks'])
  t.ok(channels.root)
  t.strictSame(await diagnosticsOf(app.asyncapi()), [])
})

t.test('two routes that differ in more than the URL are two channels', async t => {
  const app = await describe(t, app => {
    for (const host of ['one.example', 'two.example']) app.get('/ws', { websocket: true, constraints: { host } }, app.manageWebsocket(host))
  })
  t.strictSame(Object.entries(channelsOf(app.asyncapi())).map(([key, { title }]) => [key, title]), [['ws', 'one.example'], ['ws-2', 'two.example']])
  t.strictSame(await diagnosticsOf(app.asyncapi()), [])
})

t.test('a room of one contract that two routes lead to is described by the same schemas', async t => {
  const contract = defineRoom('news', { messages: { HEADLINE: Type.Object({ text: Type.String() }) } })
  const app = await describe(t, app => {
    for (const url of ['/one', '/two']) app.get(url, { websocket: true }, app.manageWebsocket(contract))
  })
  t.strictSame(Object.keys(app.asyncapi().components.schemas as object), ['news.HEADLINE'])
})

t.test('a route that leads to several rooms is one channel, whose messages say where they were sent', async t => {
  const news = defineRoom('news', { messages: { HEADLINE: Type.String() } })
  const app = await describe(t, app => {
    app.addSchema({ $id: 'student', type: 'object', properties: { id: { type: 'string' } } })
    app.get('/ws/:standId', { websocket: true }, app.manageWebsocket(['one', stand, news()], { commands: { 'stand/:standId': { CALL_NEXT: () => ({ ticket: 1 }), UPDATE_USER: () => {}, NOTE: () => {} } } }))
  })
  const channel = channelsOf(app.asyncapi())['ws.standId']
  t.match(channel, { title: 'one, stand/:standId, news', 'x-rooms': ['one', 'stand/:standId', 'news'] })
  t.ok(channel?.messages.HEADLINE)
  t.ok(channel?.messages.message?.payload.properties.room)
  t.ok(channel?.messages.UPDATE_USER?.payload.properties.room)
  t.strictSame(await diagnosticsOf(app.asyncapi()), [])
})

t.test('where frames look different, it is said', async t => {
  const app = await describe(t, app => {
    app.get('/ws', { websocket: true }, app.manageWebsocket('one', { codec: { ping: false } }))
  })
  t.match(channelsOf(app.asyncapi()).ws, { description: /The application has a codec of its own/ })
  t.strictSame(await diagnosticsOf(app.asyncapi()), [])
})

t.test('the route says what its URL and its upgrade are', async t => {
  const params = { type: 'object', properties: { hall: { type: 'integer', enum: [1, 2], default: 1, description: 'The hall.' } } }
  const schema = { description: 'Who sits where.', params, querystring: { type: 'object', properties: { from: { $ref: 'row#' } } }, headers: { type: 'object', properties: { 'x-hall': { type: 'string' } } } }
  const app = await describe(t, app => {
    app.addSchema({ $id: 'row', type: 'integer' })
    for (const url of ['/halls/:hall(^\\d+)/:seat', '/again/:hall']) app.get(url, { websocket: true, schema: { ...schema } as object }, app.manageWebsocket('hall'))
  }, {}, { history: { size: 10, ttl: 1_000 } })
  const channel = channelsOf(app.asyncapi())['halls.hall.seat']
  t.equal(channel?.address, '/halls/{hall}/{seat}')
  t.match(channel?.description, /^Who sits where\.\n\nLeads to the room `hall`, which keeps its last 10 messages for 1000 ms\./)
  t.strictSame(channel?.parameters, { hall: { description: 'The hall.', default: '1', enum: ['1', '2'] }, seat: { description: 'The segment `:seat` of the route.' } })
  t.match(channel?.bindings.ws, { query: { properties: { from: { $ref: '#/components/schemas/row' } } }, headers: { properties: { 'x-hall': { type: 'string' } } } })
  t.ok(channel?.messages.message?.payload.properties.seq, 'messages are numbered where the plugin keeps them')
  t.strictSame(Object.keys(app.asyncapi().components.schemas as object), ['row'])
  t.strictSame(await diagnosticsOf(app.asyncapi()), [])
})

t.test('parameters of a schema without properties are described all the same', async t => {
  const app = await describe(t, app => {
    app.get('/halls/:hall', { websocket: true, schema: { params: { type: 'object' } } }, app.manageWebsocket('hall'))
  })
  t.strictSame(channelsOf(app.asyncapi())['halls.hall']?.parameters, { hall: { description: 'The segment `:hall` of the route.' } })
})

t.test('URLs of Fastify become addresses of AsyncAPI', async t => {
  t.strictSame(addressOf('/a/:b/c'), { address: '/a/{b}/c', parameters: ['b'] })
  t.strictSame(addressOf('/a/:from-:to'), { address: '/a/{from}-{to}', parameters: ['from', 'to'] })
  t.strictSame(addressOf('/a/:id(^(\\d+)\\)$)/b'), { address: '/a/{id}/b', parameters: ['id'] })
  t.strictSame(addressOf('/a/:id?'), { address: '/a/{id}', parameters: ['id'] })
  t.strictSame(addressOf('/a::b/*'), { address: '/a:b/{wildcard}', parameters: ['wildcard'] })
})

t.test('commands may have any name, and each is told from the other', async t => {
  const contract = defineRoom('odd', { messages: { 'a/b': {}, 'a~b': {}, é: {}, constructor: Type.String() } })
  const app = await describe(t, app => { app.get('/odd', { websocket: true }, app.manageWebsocket(contract)) })
  const { messages } = channelsOf(app.asyncapi()).odd as Channel
  for (const name of ['a/b', 'a~b', 'é', 'constructor']) t.equal(Object.values(messages).filter(message => message.name === name).length, 1, name)
  t.strictSame(await diagnosticsOf(app.asyncapi()), [])
})

t.test('the application has the last word', async t => {
  const app = await describeStands(t, { transformObject: ({ asyncapiObject }) => ({ ...asyncapiObject, 'x-team': 'cdr' }) })
  t.equal(app.asyncapi()['x-team'], 'cdr')
  t.match(app.asyncapi({ yaml: true }), /^x-team: cdr$/m)
})

t.test('it is asked for when the application is ready, and not before', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyRooms)
  await app.register(fastifyRoomsAsyncapi, { asyncapi: { info: INFO } })
  t.throws(() => app.asyncapi(), { code: 'FST_ROOMS_ASYNCAPI_NOT_READY' })
  await app.ready()
  t.equal(app.asyncapi().asyncapi, '3.1.0')
})

t.test('without fastify-rooms there is nothing to describe, and the boot says so', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(async () => { await app.register(fastifyRoomsAsyncapi, { asyncapi: { info: INFO } }) }, { code: 'FST_ERR_PLUGIN_DEPENDENCY_NOT_REGISTERED' })
})

t.test('an option that is wrong is named at boot', async t => {
  const wrong: Array<[object, RegExp]> = [
    [{ asyncapi: undefined }, /'asyncapi' must be \{ info, servers \}/],
    [{ asyncapi: { info: { title: 'x' } } }, /'asyncapi.info.version' must be a text/],
    [{ asyncapi: { info: INFO, channels: {} } }, /'asyncapi.channels' is not known/],
    [{ routePrefix: 'docs' }, /'routePrefix' must be false, or a path/],
    [{ transform: 'zod' }, /'transform' must be a function/],
    [{ staticCSP: 1 }, /'staticCSP' must be true, false, or a policy/],
    [{ openapi: {} }, /'openapi' is not known; see docs\/asyncapi.md/]
  ]
  for (const [options, message] of wrong) await t.rejects(describe(t, () => {}, options), { code: 'FST_ROOMS_INVALID_OPTION', message })
})
