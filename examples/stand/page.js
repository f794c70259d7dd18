import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import fastifyStatic from '@fastify/static'
import { servePages } from '../common/pages.js'

/** What was built of the package: its modules are the page's, one by one, as they are. */
const BUILT = new URL('..', import.meta.resolve('fastify-rooms/client'))
/** The client, and what `fastify-rooms/contract` consists of. Nothing else of the package is of use to a page. */
const OF_PAGES = /^\/(client\/\w+|lib\/(contract|name|naming-errors))\.js$/

/**
 * The page of the board, the modules that it imports, and a policy that lets it load nothing else.
 * @param {import('fastify').FastifyInstance} app
 */
export async function servePage (app) {
  await servePages(app, import.meta.dirname, [`'${await hashOfImportMap()}'`])
  await app.register(fastifyStatic, { root: BUILT, prefix: '/fastify-rooms/', decorateReply: false, index: false, allowedPath: path => OF_PAGES.test(path) })
}

/** An import map must stand in the page itself, so the policy names this one by what is in it. */
async function hashOfImportMap () {
  const page = await readFile(join(import.meta.dirname, 'public', 'index.html'), 'utf8')
  const [, map = ''] = /<script type="importmap">(.*)<\/script>/.exec(page) ?? []
  return `sha256-${createHash('sha256').update(map).digest('base64')}`
}
