const SLOTS = 16_384
const POLYNOMIAL = 0x1021

/** The CRC16 of Redis Cluster, by byte. */
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : crc << 1 ^ POLYNOMIAL
  return crc
})

/** Of a channel, or of a key with the same in braces. */
export function slotOf (channel) {
  let crc = 0
  for (const byte of Buffer.from(channel)) crc = crc << 8 & 0xffff ^ TABLE[crc >> 8 ^ byte]
  return crc % SLOTS
}

/** Of nodes that have equal ranges of slots, as redis-cli makes them. */
export function nodeOf (channel, nodes) {
  return Math.floor(slotOf(channel) * nodes / SLOTS)
}

/** The first slot of a node, and the first of the next one. */
export function rangeOf (node, nodes) {
  return [Math.ceil(node * SLOTS / nodes), Math.ceil((node + 1) * SLOTS / nodes)]
}
