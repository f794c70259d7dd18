import { connectToRedis } from '../common/redis.js'

/**
 * The students of an invented association. What volunteers change is kept apart, so that this list never changes.
 * @type {Map<string, import('./types.js').Student>}
 */
const ROSTER = new Map([
  { id: '1', firstname: 'Noor', name: 'Haddad', promo: 2029, curriculum: 'Engineering', registered: true },
  { id: '2', firstname: 'Inès', name: 'Caron', promo: 2029, curriculum: 'Engineering', registered: true, paid: true },
  { id: '3', firstname: 'Malo', name: "Guivarc'h", promo: 2028, curriculum: 'Engineering', registered: true, paid: true, teeShirt: true },
  { id: '4', firstname: 'Yuki', name: 'Tanaka', promo: 2028, curriculum: 'Exchange' },
  { id: '5', firstname: 'Tomasz', name: 'Wójcik', promo: 2027, curriculum: 'Double degree', registered: true, note: 'Arrives on Thursday' },
  { id: '6', firstname: 'Léa', name: 'Fontaine', promo: 2029, curriculum: 'Master in data', registered: true, paid: true },
  { id: '7', firstname: 'Amadou', name: 'Diallo', promo: 2029, curriculum: 'Engineering' },
  { id: '8', firstname: 'Sofia', name: 'Marchetti', promo: 2028, curriculum: 'Exchange', registered: true, note: 'Tee-shirt in size S' },
  { id: '9', firstname: 'Emeka', name: 'Obi', promo: 2027, curriculum: 'Master in data' },
  { id: '10', firstname: 'Clara', name: 'Nguyen', promo: 2029, curriculum: 'Engineering', registered: true, paid: true, teeShirt: true },
  { id: '11', firstname: 'Hugo', name: 'Delmas', promo: 2027, curriculum: 'Engineering' },
  { id: '12', firstname: 'Priya', name: 'Raman', promo: 2028, curriculum: 'Double degree', registered: true }
].map(({ id, firstname, name, promo, curriculum, ...file }) => [id, {
  id, firstname, name, promo, curriculum, registered: false, paid: false, teeShirt: false, note: '', version: 0, change: null, ...file
}]))

/** How long a Redis that hangs keeps a request waiting, in milliseconds. */
const PATIENCE = 2_000

/** Where the event begins. A real one is planned, and opened when the doors are. */
const EVENT = /** @type {const} */ ({ status: 'onsite' })

/**
 * @typedef {import('./types.js').Student} Student
 * @typedef {import('./types.js').Changes} Changes
 * @typedef {import('./types.js').Event} Event
 *
 * @typedef {object} Store
 * @property {() => Promise<Student[]>} list
 * @property {(id: string, changes: Changes, by: string) => Promise<Student | undefined>} change gives the changed file, if there is one
 * @property {() => Promise<Event>} event
 * @property {(event: Event) => Promise<Event>} setEvent
 * @property {() => Promise<void>} close
 */

/**
 * The students' files and the event, in memory, or in Redis where several processes must see the same.
 * @param {string} [redis]
 * @returns {Promise<Store>}
 */
export async function openStore (redis) {
  return redis === undefined ? new StoreInMemory() : new StoreInRedis(await connectToRedis(redis, { commandTimeout: PATIENCE }))
}

class StoreInMemory {
  /** @type {Map<string, Partial<Student>>} */
  #changed = new Map()
  /** @type {Event} */
  #event = EVENT

  async list () {
    return [...ROSTER.keys()].map(id => this.#read(id))
  }

  /** @type {Store['change']} */
  async change (id, changes, by) {
    if (!ROSTER.has(id)) return undefined
    const { version } = this.#read(id)
    this.#changed.set(id, { ...this.#changed.get(id), ...changes, version: version + 1, change: describe(changes, by) })
    return this.#read(id)
  }

  async event () {
    return this.#event
  }

  /** @type {Store['setEvent']} */
  async setEvent (event) {
    this.#event = event
    return event
  }

  async close () {}

  /** @param {string} id */
  #read (id) {
    return /** @type {Student} */ ({ ...ROSTER.get(id), ...this.#changed.get(id) })
  }
}

/** One hash for each student. A change writes only the fields that it is about, so that two at the same time both stay. */
class StoreInRedis {
  #client

  /** @param {import('ioredis').Redis} client */
  constructor (client) {
    this.#client = client
  }

  async list () {
    return await reached(Promise.all([...ROSTER.keys()].map(async id => merge(id, await this.#client.hgetall(keyOf(id))))))
  }

  /** @type {Store['change']} */
  async change (id, changes, by) {
    if (!ROSTER.has(id)) return undefined
    const fields = Object.entries({ ...changes, change: describe(changes, by) }).map(([name, value]) => [name, JSON.stringify(value)])
    const transaction = this.#client.multi()
      .hset(keyOf(id), Object.fromEntries(fields))
      .hincrby(keyOf(id), 'version', 1)
      .hgetall(keyOf(id))
    const answers = await reached(transaction.exec())
    return merge(id, /** @type {Record<string, string>} */ (answers?.at(-1)?.[1]))
  }

  /** @returns {Promise<Event>} */
  async event () {
    const text = await reached(this.#client.get('stand:event'))
    return text === null ? EVENT : JSON.parse(text)
  }

  /** @type {Store['setEvent']} */
  async setEvent (event) {
    await reached(this.#client.set('stand:event', JSON.stringify(event)))
    return event
  }

  async close () {
    this.#client.disconnect()
  }
}

/**
 * @template T
 * @param {Promise<T>} work
 */
async function reached (work) {
  try {
    return await work
  } catch (cause) {
    throw Object.assign(new Error('The files cannot be reached now. Try again in a moment.', { cause }), { statusCode: 503 })
  }
}

/**
 * @param {Changes} changes
 * @param {string} by
 */
function describe (changes, by) {
  return { by, fields: Object.keys(changes), at: new Date().toISOString() }
}

/**
 * @param {string} id
 * @param {Record<string, string>} hash
 * @returns {Student}
 */
function merge (id, hash) {
  const file = /** @type {Student} */ (ROSTER.get(id))
  return { ...file, ...Object.fromEntries(Object.entries(hash).map(([name, text]) => [name, JSON.parse(text)])) }
}

/** @param {string} id */
function keyOf (id) {
  return `stand:students:${id}`
}
