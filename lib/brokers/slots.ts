import type { Cluster } from 'ioredis'

const SLOTS = 16_384

/** The slot of a channel or key without braces: CRC-16 as XMODEM has it, as Redis Cluster prescribes. */
export function slotOf (channel: string): number {
  let crc = 0
  for (const byte of Buffer.from(channel)) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1
  }
  return crc & (SLOTS - 1)
}

/** Which master has which slot, as ioredis knows it. */
export class SlotOwners {
  readonly #cluster: Cluster
  #before: Array<string | undefined> = []

  constructor (cluster: Cluster) {
    this.#cluster = cluster
  }

  of (slot: number): string | undefined {
    return this.#cluster.slots[slot]?.[0]
  }

  all (): Set<string> {
    const owners = new Set<string>()
    for (let slot = 0; slot < SLOTS; slot++) {
      const owner = this.of(slot)
      if (owner !== undefined) owners.add(owner)
    }
    return owners
  }

  /** The slots that have another owner than at the last call. */
  changed (): Set<number> {
    const changed = new Set<number>()
    for (let slot = 0; slot < SLOTS; slot++) {
      const owner = this.of(slot)
      if (this.#before[slot] !== undefined && owner !== this.#before[slot]) changed.add(slot)
      this.#before[slot] = owner
    }
    return changed
  }
}
