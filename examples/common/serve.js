import { connectToRedis } from './redis.js'

/**
 * @typedef {object} Settings
 * @property {string | undefined} [redis] the URL of a Redis that joins the processes; without it, there is only this one
 *
 * @typedef {object} Example
 * @property {string} name of its folder
 * @property {number} [port] where nothing else is said
 * @property {boolean} [alone] whether several processes have nothing in common
 * @property {(settings: Settings) => Promise<import('fastify').FastifyInstance>} create
 * @property {(address: string, app: import('fastify').FastifyInstance) => string} greet what to try
 */

/**
 * Runs one of the examples, where the environment says, until it is told to stop.
 * @param {Example} example
 */
export async function serve ({ name, port: usual = 3000, alone = false, create, greet }) {
  const { HOST: host = '127.0.0.1', PORT: port = String(usual), REDIS_URL: redis } = process.env
  try {
    // Without it, the plugin would go on and try again for ever: right for a service, but here it is a mistake in REDIS_URL.
    if (!alone && redis !== undefined) (await connectToRedis(redis)).disconnect()
    const app = await create({ redis })
    const address = await app.listen({ host, port: Number(port) })
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => app.close())
    const where = alone || redis === undefined ? 'It is one process, in memory.' : 'Redis joins it to every process with the same REDIS_URL.'
    console.log(`\n${greet(address, app).trim()}\n\n${where} Ctrl+C stops it.\n`)
  } catch (error) {
    console.error(whyNot(error, `PORT=3001 npm run example:${name}`, `${port} of ${host}`))
    process.exit(1)
  }
}

/**
 * @param {unknown} error
 * @param {string} elsewhere
 * @param {string} port
 */
function whyNot (error, elsewhere, port) {
  const { code, message } = /** @type {NodeJS.ErrnoException} */ (error)
  switch (code) {
    case 'EADDRINUSE': return `Port ${port} is taken. Stop the program that listens there, or choose another port: ${elsewhere}`
    case 'EACCES': return `Port ${port} needs rights that this user does not have. Choose another port: ${elsewhere}`
    case 'REDIS_UNREACHABLE': return `${message} Start one there, or leave REDIS_URL out.`
    default: return error
  }
}
