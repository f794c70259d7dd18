import type { Socket } from 'node:net'
import type { RoomsMember } from '../faults/shared.js'

export interface FrameBits {
  opcode?: number
  fin?: boolean
  rsv?: number
  masked?: boolean
  /** The length that it says it has. */
  claim?: number | bigint
  /** Writes the length in 64 bits. */
  wide?: boolean
}

export const CONTINUATION: 0
export const TEXT: 1
export const BINARY: 2
export const CLOSE: 8
export const PING: 9
export const PONG: 10

export function frame (payload: string | Buffer, bits?: FrameBits): Buffer
export function closeFrame (code: number, reason?: string | Buffer): Buffer
export function fragments (count: number, payload?: string): Buffer

/** A close code, `HTTP` and a status, or `cut`. */
export type Ended = number | string

/** One TCP connection that sends whatever bytes it likes. */
export class Attacker {
  static connect (port: number, address?: string): Promise<Attacker>
  static upgrade (port: number, options: { path: string, headers?: string[], address?: string }): Promise<Attacker>
  readonly socket: Socket
  readonly status: number | undefined
  readonly head: string | undefined
  readonly heard: string[]
  readonly ended: Ended | undefined
  readonly gone: boolean
  write (...bytes: Buffer[]): void
  text (text: string): void
  until (condition: () => boolean): Promise<void>
  end (): Promise<Ended>
  read (): Promise<void>
  leave (): void
}

export function upgradeRequest (path: string, headers?: string[]): Buffer
export function endings (attackers: readonly Attacker[]): Record<string, number>

export interface Contender {
  readonly title: string
  /** The server, as a URL. */
  readonly file: string
}

export const rooms: Contender

/** What the server of `rooms` is given. */
export interface Wanted {
  options?: object
  route?: object
  fastify?: object
  jwt?: object
  redis?: { port: number, password?: string | undefined }
  /** More of them. */
  routes?: Array<{ path: string, room: string, options: object }>
  /** A folder into which it logs. */
  logs?: string
}

export interface Attack {
  readonly id: string
  readonly subject: string
  readonly what: string
  readonly ends: string
  readonly count: number
  readonly wanted?: Wanted
  readonly endings: readonly Ended[]
}

export const attacks: readonly Attack[]

/** A server in a process of its own, and members who are served while somebody attacks it. */
export class Victim {
  static start (contender: Contender, options?: { members?: number, rate?: number, wanted?: Wanted }): Promise<Victim>
  readonly members: readonly RoomsMember[]
  readonly port: number
  readonly pid: number
  readonly alive: boolean
  readonly death: string | undefined
  ask<Answer = unknown> (what: string, details?: object): Promise<Answer>
  join (count: number): Promise<void>
  flow (count?: number): Promise<void>
  heap (): Promise<number>
  latencies (from: number, to: number): number[]
  harm (): Promise<string[]>
  close (): Promise<void>
}

/** What an attack has at hand: one server, and any number of connections to it. */
export class Stage {
  /** @param patience how long the end of attackers is waited for, in milliseconds */
  constructor (contender: Contender, port: number, patience?: number)
  /** Opens WebSockets that say nothing. */
  upgrade (count: number): Promise<Attacker[]>
  leave (): void
}

export interface Round {
  readonly endings: Record<string, number>
  readonly heard: string[][]
  /** Bytes for each socket of the attack. */
  readonly held: number
  end (): void
}

export function attackOn (victim: Victim, attack: Attack): Promise<Round>
