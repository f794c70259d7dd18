import { connectToRedis } from '../common/redis.js'
import { total } from './room.js'

/**
 * @typedef {object} Counter
 * @property {(number: number) => Promise<void>} add adds, and tells the room
 * @property {() => Promise<number>} read
 * @property {() => void} close
 */

/**
 * The running total, in memory, or in Redis where several processes have one.
 * @param {import('fastify').FastifyInstance} app
 * @param {string} [redis]
 * @returns {Promise<Counter>}
 */
export async function openCounter (app, redis) {
  return redis === undefined ? new CounterInMemory(app) : new CounterInRedis(await connectToRedis(redis))
}

class CounterInMemory {
  #app
  #total = 0

  /** @param {import('fastify').FastifyInstance} app */
  constructor (app) {
    this.#app = app
  }

  /** @type {Counter['add']} */
  async add (number) {
    this.#total += number
    await this.#app.ws.sendToRoom(total(), { command: 'TOTAL', data: this.#total })
  }

  async read () {
    return this.#total
  }

  close () {}
}

const KEY = 'example:total'
/** What members of the room hear, whoever publishes there: the plugin's prefix, and the name of the room. */
const CHANNEL = `rooms:${total().name}`

/**
 * To add in one step and tell in the next would let another process come between, and the lesser total be told last. So Redis
 * does both in one: the channel of a room takes messages of anybody. The total is read back as text, because Lua would round it.
 */
const ADD_AND_TELL = `
  redis.call('INCRBY', KEYS[1], ARGV[1])
  local total = redis.call('GET', KEYS[1])
  return redis.call('PUBLISH', ARGV[2], '{"command":"TOTAL","data":' .. total .. '}')
`

class CounterInRedis {
  #client

  /** @param {import('ioredis').Redis} client */
  constructor (client) {
    this.#client = client
  }

  /** @type {Counter['add']} */
  async add (number) {
    await this.#client.eval(ADD_AND_TELL, 1, KEY, number, CHANNEL)
  }

  async read () {
    return Number(await this.#client.get(KEY))
  }

  close () {
    this.#client.disconnect()
  }
}
