/** Where a client stands in the history of a room: what it sends when it comes back. */
export interface Position {
  readonly epoch: string
  readonly seq: number
  readonly mid: string
}

/** What the server says of a room that the client is in. */
export interface Standing extends Partial<Position> {
  readonly recovered?: boolean
  readonly reason?: string
}

/** The rooms that a client is in, and where it stands in each of them that has history. */
export type Positions = Map<string, Position | undefined>

/** The room that a frame is of. One that names none, or uses the word for something else, is of the only room. */
export function roomOf (positions: Positions, named: unknown): string | undefined {
  return positions.size === 1 ? [...positions.keys()][0] : named as string | undefined
}

/** What the server says counts; but a client that goes on where it was has seen what it has seen. */
export function stand (positions: Positions, room: string, { epoch, seq, mid, recovered }: Standing): void {
  if (recovered === true && positions.get(room)?.epoch === epoch) return
  positions.set(room, epoch === undefined ? undefined : { epoch, seq: Number(seq), mid: String(mid) })
}

/** @returns whether the message is new; one without a number always is */
export function advance (positions: Positions, room: string | undefined, seq: unknown, mid: unknown): boolean {
  const at = positions.get(room as string)
  if (at === undefined || typeof seq !== 'number') return true
  if (seq <= at.seq) return false
  positions.set(room as string, { epoch: at.epoch, seq, mid: String(mid) })
  return true
}
