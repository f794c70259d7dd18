import { Redis } from 'ioredis'

/** The students of an invented association. What volunteers change is kept apart, so that this list never changes. */
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

/**
 * The students' files, in memory, or in Redis where several processes must see the same.
 * `list()` gives all of them; `change(id, changes, by)` gives the changed one, or undefined where there is none.
 */
export async function openStudents (redis) {
  return redis === undefined ? new StudentsInMemory() : await StudentsInRedis.open(redis)
}

class StudentsInMemory {
  #changed = new Map()

  async list () {
    return [...ROSTER.keys()].map(id => this.#read(id))
  }

  async change (id, changes, by) {
    if (!ROSTER.has(id)) return undefined
    const { version } = this.#read(id)
    this.#changed.set(id, { ...this.#changed.get(id), ...changes, version: version + 1, change: describe(changes, by) })
    return this.#read(id)
  }

  async close () {}

  #read (id) {
    return { ...ROSTER.get(id), ...this.#changed.get(id) }
  }
}

/** One hash for each student. A change writes only the fields that it is about, so that two at the same time both stay. */
class StudentsInRedis {
  #client

  static async open (url) {
    const client = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: 1 })
    // Later on, fastify-rooms is the one who logs that Redis cannot be reached.
    let cause
    client.on('error', error => { cause = error })
    try {
      await client.connect()
    } catch {
      client.disconnect()
      const { host, port } = client.options
      throw Object.assign(new Error(`Redis cannot be reached at ${host}:${port}.`, { cause }), { code: 'REDIS_UNREACHABLE' })
    }
    return new StudentsInRedis(client)
  }

  constructor (client) {
    this.#client = client
  }

  async list () {
    return await reached(Promise.all([...ROSTER.keys()].map(async id => merge(id, await this.#client.hgetall(keyOf(id))))))
  }

  async change (id, changes, by) {
    if (!ROSTER.has(id)) return undefined
    const fields = Object.entries({ ...changes, change: describe(changes, by) }).map(([name, value]) => [name, JSON.stringify(value)])
    const transaction = this.#client.multi()
      .hset(keyOf(id), Object.fromEntries(fields))
      .hincrby(keyOf(id), 'version', 1)
      .hgetall(keyOf(id))
    const [, hash] = (await reached(transaction.exec())).at(-1)
    return merge(id, hash)
  }

  async close () {
    this.#client.disconnect()
  }
}

async function reached (work) {
  try {
    return await work
  } catch (cause) {
    throw Object.assign(new Error('The files cannot be reached now. Try again in a moment.', { cause }), { statusCode: 503 })
  }
}

function describe (changes, by) {
  return { by, fields: Object.keys(changes), at: new Date().toISOString() }
}

function merge (id, hash) {
  return { ...ROSTER.get(id), ...Object.fromEntries(Object.entries(hash).map(([name, text]) => [name, JSON.parse(text)])) }
}

function keyOf (id) {
  return `stand:students:${id}`
}
