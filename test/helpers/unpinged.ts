import type { Client, Frame } from '../../testing/index.js'

/** What a client of the kit has got, but pings: when they come is nobody's business, and a second member's comes after half a second. */
export function unpinged ({ frames }: Client): Frame[] {
  return frames.filter(({ command }) => command !== 'WSPing')
}
