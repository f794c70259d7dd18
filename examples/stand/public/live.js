import { connect } from 'fastify-rooms/client'
import { cdr } from './room.js'

/** In milliseconds. Tablets at a stand come back soon, however long the server was away. */
const LAST_DELAY = 10_000
/** In milliseconds: pages that all come in anew do it within this time. */
const SPREAD = 2_000

/**
 * The room, over a connection that comes back by itself. What is shown comes as a snapshot, or is still true and followed
 * by what was missed, so nothing is ever fetched.
 * @param {{ readonly token: string, renew: () => Promise<string> }} session
 */
export function enter (session) {
  const room = connect(cdr(), {
    url: '/cdr/users/ws',
    maxDelay: LAST_DELAY,
    /** @returns {string | Promise<string>} */
    token: () => room.state === 'connected'
      ? session.renew() // the socket is open, and its token about to expire
      : session.token
  })
  // The server has missed something itself, and has told each page at a time of its own.
  room.on('resync', ({ reason }) => { if (reason === 'resync') room.rejoin() })
  return room
}

/**
 * Comes in anew, and is sent a snapshot. Where all pages do so in the same moment, each waits for a time of its own.
 * @param {ReturnType<typeof enter>} room
 */
export function rejoinSoon (room) {
  setTimeout(() => room.rejoin(), Math.random() * SPREAD)
}
