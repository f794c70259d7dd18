// The load: members of rooms, in a process of their own. It is told what to do by the bench, and answers each word once.
import { once } from 'node:events'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Member } from './member.js'

/** Rooms are entered all over the table, not one after the other. */
const STEP = 7_919
/** Connects under way at a time. */
const CONCURRENCY = 64
/** Closed connections keep their pair of ports for a minute, and ten thousand members need more ports than one address has. */
const ADDRESSES = 50
const STAMP = '"at":'
const DEADLINE = 60_000

const members = []
let control
let received = 0
let expected = Infinity
let onReceived

function onCount (count) {
  received += count
  if (received >= expected) onReceived()
}

/**
 * Waits without going to sleep. Whoever writes to a process that sleeps has to wake it, which costs more than the write on a
 * virtual machine, and is charged to the writer: the slower a server is, the more of it.
 */
async function awake (work) {
  let over = false
  const spin = () => { if (!over) setImmediate(spin) }
  spin()
  try {
    await work
  } finally {
    over = true
  }
}

const answers = {
  /** @param count members in addition to those that are in */
  async connect ({ count, rooms = 1, control: controlPort, ...options }) {
    if (control === undefined) {
      control = net.connect({ port: controlPort, host: '127.0.0.1', noDelay: true })
      await once(control, 'connect')
    }
    const until = members.length + count
    await awake(Promise.all(Array.from({ length: CONCURRENCY }, async () => {
      while (members.length < until) {
        const number = members.length
        const address = `127.0.0.${2 + number % ADDRESSES}`
        const member = new Member({ ...options, room: `room-${number % rooms}`, user: `user-${number}`, address, onCount })
        members.push(member)
        await member.ready
      }
    })))
    return {}
  },

  /** Members that come and go at once. */
  async visit ({ count, rooms, ...options }) {
    let next = 0
    await Promise.all(Array.from({ length: CONCURRENCY }, async () => {
      while (next < count) {
        const number = next++
        const member = new Member({ ...options, room: `room-${number * STEP % rooms}`, user: `user-${number}`, address: `127.0.0.${2 + number % ADDRESSES}`, onCount })
        await member.ready
        member.socket.destroy()
      }
    }))
    return {}
  },

  /**
   * Bursts, each sent once the one before has reached everybody.
   * @param pause milliseconds between them
   * @param listeners how many members take the time that each message took to them, in microseconds
   */
  async run ({ bursts, perBurst, pause, listeners = 0 }) {
    const latencies = []
    const listening = Array.from({ length: listeners }, (_, number) => members[Math.floor(number * members.length / listeners)])
    for (const member of listening) {
      member.listen(payload => {
        const now = Number(process.hrtime.bigint())
        const start = payload.indexOf(STAMP)
        if (start !== -1) latencies.push((now - parseInt(payload.latin1Slice(start + STAMP.length, start + STAMP.length + 16))) / 1_000)
      })
    }
    const start = performance.now()
    for (let number = 0; number < bursts; number++) {
      await burst(perBurst)
      if (pause > 0) await sleep(pause)
    }
    const seconds = (performance.now() - start) / 1_000
    for (const member of listening) member.listen(undefined)
    return { seconds, deliveries: bursts * perBurst, latencies }
  },

  /** The first message of the next burst, as the last member sees it. */
  async look ({ perBurst }) {
    const member = members.at(-1)
    let seen
    member.listen((payload, first) => {
      seen ??= { bytes: payload.length, text: member.text(payload, first) }
    })
    await burst(perBurst)
    member.listen(undefined)
    return seen
  },

  /** From now on, the last member reads nothing, and is none that is counted on. */
  stall () {
    members.pop().socket.pause()
    return {}
  }
}

async function burst (perBurst) {
  received = 0
  expected = perBurst
  control.write('.')
  await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`only ${received} of ${perBurst} messages came`)), DEADLINE)
    onReceived = () => {
      clearTimeout(timer)
      resolve()
    }
  })
  if (received > expected) throw new Error(`${received} messages came where ${expected} were sent`)
}

process.on('message', async message => {
  try {
    process.send(await answers[message.ask](message))
  } catch (error) {
    process.send({ error: error.message })
  }
})
process.on('disconnect', () => process.exit())
process.send({})
