/** Numbers from 0 to 1 that are the same for the same seed, by sfc32. */
export function createRandom (seed) {
  let [a, b, c, counter] = [0x9e3779b9, 0x243f6a88, seed >>> 0, 1]
  const next = () => {
    const sum = (a + b | 0) + counter | 0
    counter = counter + 1 | 0
    a = b ^ b >>> 9
    b = c + (c << 3) | 0
    c = (c << 21 | c >>> 11) + sum | 0
    return (sum >>> 0) / 4_294_967_296
  }
  for (let skipped = 0; skipped < 16; skipped++) next()
  return next
}

/**
 * Draws a room for a member. `equal`: the next one in turn, so that rooms are as equal as can be; `uniform`: any of them;
 * `zipf`: the n-th of them with a weight of 1 / n ** exponent, so that few rooms have most of the members.
 */
export function createRooms (kind, rooms, exponent, random) {
  let turn = 0
  if (kind === 'equal') return () => turn++ % rooms
  if (kind === 'uniform') return () => Math.floor(random() * rooms)
  const sums = new Float64Array(rooms)
  let sum = 0
  for (let room = 0; room < rooms; room++) sums[room] = sum += 1 / (room + 1) ** exponent
  return () => {
    const wanted = random() * sum
    let [low, high] = [0, rooms - 1]
    while (low < high) {
      const middle = low + high >>> 1
      if (sums[middle] > wanted) high = middle
      else low = middle + 1
    }
    return low
  }
}
