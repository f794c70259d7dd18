import type { Test } from 'tap'
import { MemoryBus } from '../../index.js'
import type { GapEvent, HistoryBounds, Position } from '../../index.js'
import { createApp, until } from './app.js'
import type { Settings, TestApp } from './app.js'
import { KeepingBroker } from './broker.js'
import type { Client, Frame } from './client.js'

export interface Process extends TestApp {
  broker: KeepingBroker
  gaps: GapEvent[]
}

/** A process of a system that keeps what the room `cdr` is sent. */
export async function createProcess (t: Test, bus = new MemoryBus(), settings: Settings = {}, history: HistoryBounds = { size: 1_000, ttl: 60_000 }): Promise<Process> {
  const broker = new KeepingBroker(bus)
  const gaps: GapEvent[] = []
  const process = await createApp(t, {
    ...settings,
    rooms: { broker, onGap: event => { gaps.push(event) }, ...settings.rooms },
    route: { history, ...settings.route }
  })
  return { ...process, broker, gaps }
}

/** Sends messages whose data are numbers, with more to it where they are to be long. */
export async function send ({ app }: TestApp, from: number, to = from, more?: string): Promise<void> {
  for (let data = from; data <= to; data++) await app.ws.sendToRoom('cdr', { command: 'UPDATE', data: more === undefined ? data : { data, more } })
}

export const count = (to: number, from = 1): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index)

const updates = ({ frames }: Client): Frame[] => frames.filter(({ command }) => command === 'UPDATE')
/** The data of the messages that a client has seen, and their numbers. */
export const seen = (client: Client): unknown[] => updates(client).map(({ data }) => data)
export const seqs = (client: Client): unknown[] => updates(client).map(({ seq }) => seq)

/** Waits until a client has seen these messages, and no others. */
export const sees = async (client: Client, data: unknown[]): Promise<void> => await until(() => JSON.stringify(seen(client)) === JSON.stringify(data))
export const seesNumbers = async (client: Client, numbers: number[]): Promise<void> => await until(() => JSON.stringify(seqs(client)) === JSON.stringify(numbers))

/** Where a frame says that a client stands. */
export function standingIn (frame: Frame | undefined): Position & { recovered?: boolean, reason?: string } {
  return (frame?.data as { rooms: { cdr: Position } }).rooms.cdr
}
