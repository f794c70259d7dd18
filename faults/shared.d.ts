/** What a publisher was told of one message. */
export interface FaultSend {
  publisher: string
  /** The process that it belongs to. */
  process: string
  room: string
  /** 1 for a publisher's first message to the room. */
  n: number
  /** When the call was made, in milliseconds of `now()`. */
  at: number
  /** `accepted`, `degraded`, `unavailable`, `unknown`, `pending`, or what else it failed with. */
  claim: string
  settled?: number | undefined
}

/** What a member saw. */
export interface FaultEvent {
  type: 'connected' | 'message' | 'resync' | 'epoch' | 'closed'
  at: number
  /** Of a message: `publisher:n`. */
  key?: string | undefined
  /** Of `connected`: whether it was told that it would get all that it had missed. */
  recovered?: boolean | undefined
  /** Of `connected`: the process that it is with. */
  process?: string | undefined
  epoch?: string | undefined
  seq?: number | undefined
  mid?: string | undefined
  /** Of `closed`: what the socket ended with, or `left` where the member itself went. */
  code?: number | 'left' | undefined
}

export interface FaultMember {
  id: string
  room: string
  events: FaultEvent[]
}

export interface FaultRecord {
  sends: FaultSend[]
  members: FaultMember[]
  faults?: Array<{ from: number, to: number }>
}

export interface Verdict {
  sent: number
  /** How many messages were said to be what. */
  claims: Record<string, number>
  /** Messages times members: what was to arrive. */
  due: number
  /** What of it never came, without a word. */
  silent: number
  /** What of it never came, to members who were told to load anew. */
  told: number
  doubled: number
  /** What came after a later message of the same publisher. */
  disordered: number
  /** What came to members in different orders. */
  differing: number
  /** Numbers of one epoch that stand for different messages, or went back. */
  forked: number
  /** What was said not to be sent, and came; and `recovered` where something was missing. */
  falseClaims: number
  /** Milliseconds until the last publisher knew. */
  slowestClaim: number
  /** Milliseconds from the loss, or the end of the fault, until a member was told. */
  slowestTelling: number
  /** Milliseconds from the end of a fault until the last member heard another process again. */
  resumed: number
  /** Milliseconds in which a member heard nothing from other processes. */
  longestPause: number
  /** Members that were not connected at the end, and had not left. */
  away: number
  notices: Record<string, number>
  /** The first findings, as sentences. */
  evidence: string[]
}

export function judge (record: FaultRecord): Verdict

export interface Must {
  /** Redis itself has lost messages, so that they can only be told of. */
  lossy?: boolean
  /** How many messages may be lost and told of, in any room. */
  told?: number
  /** Milliseconds from the end of a fault until another process is heard again. */
  resumed?: number
  /** Milliseconds without another process. */
  pause?: number
  /** How many new epochs there may be. */
  epochs?: number
  /** Milliseconds in which a send settles. */
  claim?: number
  /** A node of a Cluster may have put one message behind the next. */
  redirected?: boolean
  /** How late timers were, in milliseconds. */
  lag?: number
}

/** What has to hold and does not, in sentences. */
export function failuresOf (verdict: Verdict & { deaths: string[], failures: string[] }, must: Must, room: { history: boolean }): string[]

export interface Journal extends FaultMember {
  until (wanted: (event: FaultEvent) => boolean, options?: { from?: number, ms?: number }): Promise<FaultEvent>
  count (type: FaultEvent['type']): number
}

/** A client that comes back by itself. */
export class RoomsMember {
  readonly journal: Journal
  constructor (options: { id: string, room: string, doors: Array<{ readonly name: string, readonly port: number }>, retry: { next: () => number } })
  cut (): void
  leave (): void
  return (): void
  stop (): Promise<void>
}

/** Sends messages, numbered for each room, and reports what it is told of each. */
export class Publisher {
  constructor (name: string, publish: (room: string, data: unknown) => Promise<string>, report: (line: ['sent', string, string, number, number] | ['claimed', string, string, number, string, number]) => void)
  start (plan: { rooms: string[], rate: number, size?: number, most?: number }): void
  stop (): void
  send (room: string, padding?: string): void
  settled (): Promise<void>
}

export type LinkKind = 'commands' | 'subscriber'
export type LinkMode = 'pass' | 'blackhole' | 'drop-replies' | 'hold'

export interface Link {
  readonly kind: LinkKind
  mode: LinkMode
  release (): void
  desert (): void
  cut (): void
}

/** A TCP proxy that does what networks do. */
export class FaultProxy {
  static start (target: number): Promise<FaultProxy>
  target: number
  arriving: LinkMode | 'refuse'
  rate: number
  readonly port: number
  links (kind?: LinkKind): Link[]
  set (mode: LinkMode, kind?: LinkKind): void
  partition (): void
  heal (): void
  cut (kind?: LinkKind): void
  redirectNext (port: number): void
  close (): void
}

/** A server under test, in a process of its own. */
export class ServerProcess {
  /** @param file a URL, or a path from `faults/` */
  constructor (name: string, file: string, wanted: object, flags?: string[])
  /** What its publishers have sent, by room, publisher and number. */
  readonly sends: Map<string, FaultSend>
  readonly death: string | undefined
  readonly running: boolean
  ready (): Promise<this>
  ask<Answer = unknown> (what: string, details?: object): Promise<Answer>
  signal (name: NodeJS.Signals): void
  terminate (ms?: number): Promise<void>
  kill (): Promise<void>
}

/** Numbers that are the same for the same seed. */
export class Random {
  constructor (seed: number)
  next (): number
  between (least: number, most: number): number
  pick<T> (list: readonly T[]): T
  bytes (length: number): Buffer<ArrayBuffer>
  fork (name: string): Random
}

/** Milliseconds of the clock that all of this goes by. */
export function now (): number
export function sleep (ms: number): Promise<void>

/** Waits for what has no event of its own. */
export function until (condition: () => unknown, ms?: number): Promise<void>
