import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import fastifyStatic from '@fastify/static'

const PUBLIC = join(import.meta.dirname, 'public')

/** What was built of the package: its modules are the page's, one by one, as they are. */
const BUILT = new URL('..', import.meta.resolve('fastify-rooms/client'))
/** The client, and what `fastify-rooms/contract` consists of. Nothing else of the package is of use to a page. */
const OF_PAGES = /^\/(client\/\w+|lib\/(contract|name|naming-errors))\.js$/

/**
 * The page of the board, the modules that it imports, and headers that let it load nothing else.
 * @param {import('fastify').FastifyInstance} app
 */
export async function servePage (app) {
  await app.register(fastifyStatic, { root: PUBLIC })
  await app.register(fastifyStatic, { root: BUILT, prefix: '/fastify-rooms/', decorateReply: false, index: false, allowedPath: path => OF_PAGES.test(path) })

  const headers = {
    'content-security-policy': [
      "default-src 'none'", `script-src 'self' '${await hashOfImportMap()}'`, "style-src 'self'", "img-src 'self'", "connect-src 'self'",
      "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"
    ].join('; '),
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff'
  }
  app.addHook('onRequest', async (_request, reply) => { reply.headers(headers) })
}

/** An import map must stand in the page itself, so the policy names this one by what is in it. */
async function hashOfImportMap () {
  const page = await readFile(join(PUBLIC, 'index.html'), 'utf8')
  const [, map = ''] = /<script type="importmap">(.*)<\/script>/.exec(page) ?? []
  return `sha256-${createHash('sha256').update(map).digest('base64')}`
}
