import { createRooms } from './random.js'

/** How often another room is drawn for a member that is in this one already. */
const DRAWS = 100

/**
 * Who is where: each socket is put on a process and into its rooms, one by one, as a load balancer and users would.
 * Kept is, for each room, which processes have how many of its members: `starts[room]` to `starts[room + 1]` in `processes`
 * and `counts`.
 */
export function place ({ sockets, processes, rooms, perSocket, members, exponent, balance }, random) {
  const drawRoom = createRooms(members, rooms, exponent, random)
  const total = sockets * perSocket
  const rooming = new Uint32Array(total)
  const placing = new Uint16Array(total)
  const perProcess = new Uint32Array(processes)
  for (let socket = 0; socket < sockets; socket++) {
    const first = socket * perSocket
    for (let number = 0; number < perSocket; number++) {
      let room = drawRoom()
      for (let draw = 0; draw < DRAWS && isAmong(rooming, first, number, room); draw++) room = drawRoom()
      rooming[first + number] = room
    }
    const process = choose(balance, processes, socket, rooming[first], random)
    perProcess[process]++
    placing.fill(process, first, first + perSocket)
  }
  return { sockets: perProcess, ...gather(rooming, placing, rooms, processes) }
}

/** @param room which its socket is in, or the first of them */
function choose (balance, processes, socket, room, random) {
  if (balance === 'least') return socket % processes
  if (balance === 'room') return (Math.imul(room + 1, 2_654_435_761) >>> 0) % processes
  return Math.floor(random() * processes)
}

function isAmong (rooming, first, count, room) {
  for (let number = first; number < first + count; number++) if (rooming[number] === room) return true
  return false
}

function gather (rooming, placing, rooms, processes) {
  const sizes = new Uint32Array(rooms)
  for (const room of rooming) sizes[room]++
  const ends = new Uint32Array(rooms)
  let sum = 0
  for (let room = 0; room < rooms; room++) ends[room] = sum += sizes[room]
  const sorted = new Uint16Array(placing.length)
  for (let member = rooming.length - 1; member >= 0; member--) sorted[--ends[rooming[member]]] = placing[member]

  const starts = new Uint32Array(rooms + 1)
  const processesOf = []
  const counts = []
  const here = new Uint32Array(processes)
  for (let room = 0, member = 0; room < rooms; room++) {
    const first = processesOf.length
    for (let left = sizes[room]; left > 0; left--) {
      const process = sorted[member++]
      if (here[process]++ === 0) processesOf.push(process)
    }
    for (let pair = first; pair < processesOf.length; pair++) {
      counts.push(here[processesOf[pair]])
      here[processesOf[pair]] = 0
    }
    starts[room + 1] = processesOf.length
  }
  return { sizes, starts, processes: Uint16Array.from(processesOf), counts: Uint32Array.from(counts) }
}

/**
 * Somebody's sockets come back, each on any of the others.
 * @returns subscriptions that the others have to make, and how many sockets each of them gets
 */
export function scatter ({ sizes, starts, processes, counts, sockets }, dead, random) {
  const others = sockets.length - 1
  const gained = new Uint32Array(sockets.length)
  const has = new Uint8Array(sockets.length)
  let subscriptions = 0
  let rooms = 0
  let entered = 0
  const touched = []
  for (let room = 0; room < sizes.length; room++) {
    let coming = 0
    for (let pair = starts[room]; pair < starts[room + 1]; pair++) {
      if (processes[pair] === dead) coming = counts[pair]
      else has[processes[pair]] = 1
    }
    if (coming > 0) rooms++
    for (let member = 0; member < coming; member++) {
      const drawn = Math.floor(random() * others)
      const process = drawn < dead ? drawn : drawn + 1
      gained[process]++
      if (has[process] === 0) subscriptions++
      if (has[process] < 2) {
        entered++ // the first of those who come back to this room on this process
        has[process] = 2
        touched.push(process)
      }
    }
    for (let pair = starts[room]; pair < starts[room + 1]; pair++) has[processes[pair]] = 0
    for (const process of touched.splice(0)) has[process] = 0
  }
  return { subscriptions, rooms, entered, gained }
}
