import { once } from 'node:events'
import net from 'node:net'
import { messages } from './messages.js'

/** What the case asks of this server, such as `{ redis, compress }`. */
export const wanted = JSON.parse(process.argv[2] ?? '{}')

/**
 * Puts a contender under the bench's control. The client tells by single bytes, on a connection of its own, when to
 * publish the next burst: that costs a server a thousandth of what it is measured for, and all the same.
 * @param port where members connect
 * @param publish sends a message to a room
 * @param more what else it can be asked
 */
export async function serve ({ port, publish, ...more }) {
  let plan
  const control = net.createServer(socket => {
    socket.setNoDelay(true)
    socket.on('data', bytes => {
      for (let round = 0; round < bytes.length; round++) burst(plan, publish)
    })
    socket.on('error', () => {})
  })
  control.listen(0, '127.0.0.1')
  await once(control, 'listening')

  const answers = {
    ...more,
    plan ({ burst, rooms = 1, size = 200, stamped = false }) {
      plan = { burst, names: Array.from({ length: rooms }, (_, number) => `room-${number}`), next: messages(size), stamped }
      return {}
    },
    cpu: () => ({ cpu: cpu() }),
    collect () {
      globalThis.gc()
      return {}
    },
    memory () {
      for (let times = 0; times < 4; times++) globalThis.gc()
      const { heapUsed, external, rss } = process.memoryUsage()
      return { heap: heapUsed + external, rss }
    }
  }
  process.on('message', async message => process.send(await answers[message.ask](message)))
  process.on('disconnect', () => process.exit())
  process.send({ port, control: control.address().port })
}

/** For a contender that cannot do what the case is about. */
export function unsupported (why) {
  process.send({ unsupported: why }, () => process.exit())
}

function burst ({ burst, names, next, stamped }, publish) {
  for (let number = 0; number < burst; number++) {
    const message = next()
    if (stamped) message.data.at = Number(process.hrtime.bigint())
    publish(names[number % names.length], message)
  }
}

/** Microseconds of all threads, in the process and in the kernel on its behalf. */
export function cpu () {
  const { user, system } = process.cpuUsage()
  return user + system
}
