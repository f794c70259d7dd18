import { createReadStream } from 'node:fs'
import type { FastifyInstance, FastifyPluginAsync, FastifyReply } from 'fastify'
import type { AsyncapiOptions } from './options.js'
import { pageOf, POLICY, scriptOf } from './page.js'
import type { Component } from './peers.js'

interface Settings extends AsyncapiOptions {
  readonly component: Component | undefined
}

/** Files do not change while their version, which is part of their URL, does not. */
const FOR_EVER = 'public, max-age=31536000, immutable'

/** The page and the document, for readers. */
export const routes: FastifyPluginAsync<Settings> = async function (app, settings) {
  const { asyncapi, component, uiConfig, staticCSP = true } = settings
  const policy = staticCSP === true ? POLICY : staticCSP
  const get = getter(app, settings)

  get('/', HIDDEN, (reply, path) => {
    if (policy !== false) reply.header('content-security-policy', policy)
    return reply.type('text/html; charset=utf-8').header('x-content-type-options', 'nosniff')
      .send(pageOf({ title: asyncapi.info.title, component }, path))
  })
  get('/json', linked(app.prefix), reply => reply.type('application/json; charset=utf-8').send(JSON.stringify(app.asyncapi())))
  get('/yaml', HIDDEN, reply => reply.type('application/yaml; charset=utf-8').send(app.asyncapi({ yaml: true })))
  if (component === undefined) return
  const script = scriptOf({ ...uiConfig, show: { sidebar: true, ...uiConfig?.show as object | undefined } })
  get('/static/page.js', HIDDEN, reply => reply.type('text/javascript; charset=utf-8').send(script))
  for (const [url, type, path] of [['component.js', 'text/javascript', component.script], ['component.css', 'text/css', component.style]] as const) {
    get(`/static/${url}`, HIDDEN, reply => reply.type(`${type}; charset=utf-8`).header('cache-control', FOR_EVER).send(createReadStream(path)))
  }
}

const HIDDEN = { hide: true }

/**
 * The document is the one of these routes that @fastify/swagger shows, with a link to the page: who reads of the
 * requests finds what the sockets say.
 */
function linked (prefix: string): object {
  return {
    summary: 'What goes over the WebSockets',
    description: 'The AsyncAPI document of the WebSocket routes, which OpenAPI cannot describe.',
    tags: ['asyncapi'],
    externalDocs: { url: `${prefix}/`, description: 'The same as a page' }
  }
}

function getter (app: FastifyInstance, { uiHooks }: Settings) {
  const hooks = Object.fromEntries(Object.entries({ ...uiHooks }).filter(([, hook]) => hook !== undefined))
  return (url: string, schema: object, handler: (reply: FastifyReply, path: string) => FastifyReply): void => {
    app.route({ method: 'GET', url, schema, ...hooks, handler: (request, reply) => handler(reply, request.url.replace(/\?.*$/s, '')) })
  }
}
