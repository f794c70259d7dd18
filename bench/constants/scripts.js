import { APPEND, READ } from '../../dist/lib/brokers/redis-scripts.js'
import { command } from './wire.js'

/** When all histories of the bench began. */
const EPOCH = '1795203838818078'
const TTL = 300_000
/** As long as the name of a message is. */
const NAME = 'aBcDeFgHiJkL-'

/** The plugin's own programs, called as the plugin calls them. */
export const SCRIPTS = [APPEND.text, READ.text]

export function streamOf (channel) {
  return `{${channel}}:s`
}

/** A history without messages. */
export function begin (channel) {
  return command('XADD', streamOf(channel), `${EPOCH}-0`, 'm', `${NAME}0`, 'p', '') + command('PEXPIRE', streamOf(channel), TTL)
}

/** One message to each of these rooms, which keep so many; with a Redis that begins as many histories as it needs. */
export function append (channels, size, number, text) {
  const args = channels.flatMap(channel => [1, channel, TTL, size + 1, EPOCH, `${NAME}0`, EPOCH, 0, `${NAME}${number}`, text])
  return command('EVALSHA', APPEND.sha, channels.length, ...channels.map(streamOf), 'PUBLISH', ...args)
}

/** So many messages to one room, which keeps so many. */
export function appendToOne (channel, size, number, count, text) {
  const messages = Array.from({ length: count }, (_, index) => [`${NAME}${number + index}`, text]).flat()
  return command('EVALSHA', APPEND.sha, 1, streamOf(channel), 'PUBLISH', count, channel, TTL, size + 1, EPOCH, `${NAME}0`, EPOCH, 0, ...messages)
}

/** How many lines the answer has: for each room, and whatever their number. */
export const APPEND_LINES = { each: 5, once: 1 }

/** What followed an entry: at most so many messages, and so many bytes of them. */
export function read (channel, [id, [, name]]) {
  return command('EVALSHA', READ.sha, 1, streamOf(channel), TTL, EPOCH, `${NAME}0`, ...id.split('-'), name, 101, 256 * 1_024)
}

export function readLines (entries) {
  return 12 + 12 * entries
}

/** The last entries, as they are read for clients that come back. */
export function tail (channel, entries) {
  return command('XREVRANGE', streamOf(channel), '+', '-', 'COUNT', entries)
}

export function tailLines (entries) {
  return 1 + 12 * entries
}
