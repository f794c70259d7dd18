import { join } from 'node:path'
import fastifyStatic from '@fastify/static'

/**
 * A page loads nothing from elsewhere, and nothing of a message becomes part of it but text.
 * @param {string[]} scripts
 */
const headersFor = scripts => ({
  'content-security-policy': [
    "default-src 'none'", ["script-src 'self'", ...scripts].join(' '), "style-src 'self'", "img-src 'self'", "connect-src 'self'",
    "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"
  ].join('; '),
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff'
})

/**
 * Serves the pages of an example, and what they have in common.
 * @param {import('fastify').FastifyInstance} app
 * @param {string} folder of the example
 * @param {string[]} [scripts] that stand in a page itself, as its policy names them
 */
export async function servePages (app, folder, scripts = []) {
  const headers = headersFor(scripts)
  app.addHook('onRequest', async (_request, reply) => { reply.headers(headers) })
  await app.register(fastifyStatic, { root: join(folder, 'public') })
  await app.register(fastifyStatic, { root: join(import.meta.dirname, 'public'), prefix: '/common/', decorateReply: false })
}
