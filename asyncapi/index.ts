import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { errors } from '../lib/errors.js'
import { documentOf } from './document.js'
import { checkOptions } from './options.js'
import type { AsyncapiDocument, AsyncapiOptions } from './options.js'
import { findComponent, loadYaml } from './peers.js'
import { routes } from './routes.js'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * The AsyncAPI document of the routes that lead to rooms, once the application is ready.
     * @throws FST_ROOMS_ASYNCAPI_NOT_READY, FST_ROOMS_ASYNCAPI_NO_YAML
     */
    asyncapi:
    ((options?: { yaml?: false }) => AsyncapiDocument) &
    ((options: { yaml: true }) => string) &
    ((options: { yaml: boolean }) => AsyncapiDocument | string)
  }
  interface FastifyContextConfig {
    /** Of a route that leads to rooms: `false` leaves it out of the document of fastify-rooms/asyncapi. */
    asyncapi?: false
  }
}

const asyncapi: FastifyPluginAsync<AsyncapiOptions> = async function (app, given) {
  const options = checkOptions(given)
  const { routePrefix = '/asyncapi' } = options
  const stringify = loadYaml()
  const component = routePrefix === false ? undefined : findComponent(options.baseDir)
  let [document, text]: [AsyncapiDocument?, string?] = []

  app.decorate('asyncapi', function ({ yaml = false }: { yaml?: boolean } = {}) {
    if (document === undefined) throw new errors.FST_ROOMS_ASYNCAPI_NOT_READY()
    if (!yaml) return document
    text ??= stringify(document)
    return text
  } as typeof app.asyncapi)

  // Now, and not when somebody asks: what cannot be described is a mistake that should be found at boot.
  app.addHook('onReady', async () => { document = documentOf(app, options) })

  if (routePrefix === false) return
  if (component === undefined) app.log.warn(`the page at ${routePrefix} needs a package: npm install @asyncapi/react-component`)
  await app.register(routes, { ...options, component, prefix: routePrefix })
}

/** Describes the rooms of an application by AsyncAPI 3. Register it after fastify-rooms, like @fastify/swagger. */
export const fastifyRoomsAsyncapi = fp(asyncapi, { fastify: '5.x', name: 'fastify-rooms-asyncapi', dependencies: ['fastify-rooms'] })

export default fastifyRoomsAsyncapi
// What require() gives is then the plugin itself, as it is with every Fastify plugin.
export { fastifyRoomsAsyncapi as 'module.exports' }

export type { AsyncapiDocument, AsyncapiInfo, AsyncapiOptions, AsyncapiServer, Transform } from './options.js'
