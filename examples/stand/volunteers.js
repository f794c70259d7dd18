const TOGETHER = 250
const CHECK = 10_000

/**
 * Tells the room how many are in it. When dozens come back at once, after a restart, one message says it for all of
 * them. The regular check is for what no hook reports: a process that was killed.
 * @param {import('fastify').FastifyInstance} app
 * @param {ReturnType<typeof import('./public/room.js').cdr>} room
 */
export function announceVolunteers (app, room) {
  /** @type {NodeJS.Timeout | undefined} */
  let soon
  /** @type {number | undefined} */
  let said

  /** @param {boolean} onlyIfChanged */
  async function announce (onlyIfChanged) {
    try {
      const count = await app.ws.count(room)
      if (onlyIfChanged && count === said) return
      said = count
      await app.ws.sendToRoom(room, { command: 'VOLUNTEERS', data: { count } }, { volatile: true }) // worth nothing late
    } catch (err) {
      app.log.warn({ err }, 'volunteers could not be counted')
    }
  }

  const regularly = setInterval(announce, CHECK, true)
  let closing = false
  // By now, fastify-rooms has closed this process's sockets; the other processes should hear of it.
  app.addHook('preClose', async () => {
    closing = true
    clearInterval(regularly)
    clearTimeout(soon)
    await announce(true)
  })

  return function changed () {
    if (closing) return
    soon ??= setTimeout(() => {
      soon = undefined
      announce(false)
    }, TOGETHER)
  }
}
