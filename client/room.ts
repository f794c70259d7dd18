import { RoomsError } from './errors.js'
import { errorIn, objectIn } from './frame.js'
import type { Frame } from './frame.js'
import { iterate } from './iterate.js'
import { openLink } from './link.js'
import type { Link } from './link.js'
import { createListeners } from './listeners.js'
import type { Settings } from './options.js'
import { createOutbox } from './outbox.js'
import { advance, roomOf, stand } from './positions.js'
import type { Positions, Standing } from './positions.js'
import { isOnline, watch } from './surroundings.js'
import type { RoomClient, State, StateDetails } from './types.js'
import { delayFor, verdictOn } from './verdict.js'

/** What a command must not be taken for. */
const EVENTS = /^(state|message|snapshot|resync|recovered|joined|left|error)$/
/** Frames that say nothing to an application. */
const SILENT = /^WS(Ping|Pong|Presence)$/

/**
 * One connection after the other, and what is told of them.
 * @param name the room that the server must let it into; without one, any number of them
 */
export function createRoom (name: string | undefined, settings: Settings): RoomClient {
  const positions: Positions = new Map()
  const outbox = createOutbox(settings)
  const { on, emit } = createListeners()
  /** The token that the server has refused, since it last took one. */
  const refused = new Set<string | undefined>()
  let state: State | undefined
  let link: Link
  /** When the last connection was made, by a clock that nobody sets. */
  let connectedAt: number | undefined
  /** Attempts that have failed since a connection has lasted. */
  let attempts = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  /** When the next attempt is due. */
  let due: number
  /** Whether the server has asked for time. */
  let patient: boolean
  /** Why it is closed. */
  let ending: RoomsError | undefined

  /** After the end, there is nothing to tell. */
  const tell = (event: string, ...args: unknown[]): void => {
    if (state !== 'closed') emit(event, ...args)
  }
  const become = (next: State, details: StateDetails = {}): void => {
    if (next === state) return
    state = next
    emit('state', state, details)
  }

  const attempt = (): void => {
    const own = openLink(settings, {
      positions,
      refused,
      received: frame => receive(own, frame),
      ended,
      failed: error => tell('error', error)
    })
    link = own
    become(connectedAt === undefined ? 'connecting' : 'recovering')
  }

  /** What ends with a connection, whoever has ended it. */
  const part = (closed?: boolean): void => {
    clearTimeout(timer)
    link.close()
    outbox.away(closed)
  }

  const ended = (code: number, token: string | undefined): void => {
    const verdict = verdictOn(code)
    if (verdict === 'final' || (verdict === 'token' && refused.size > 0)) return finish({ code })
    if (verdict === 'token') refused.add(token)
    part()
    const now = performance.now()
    if (state === 'connected' && now - connectedAt! >= settings.stableAfter) attempts = 0
    const delay = delayFor(verdict, attempts++, settings)
    patient = verdict === 'later'
    wait(now + delay)
    become('waiting', { code, delay })
  }

  const wait = (until: number): void => {
    due = until
    clearTimeout(timer)
    timer = setTimeout(() => { if (isOnline()) attempt() }, due - performance.now())
  }

  /** The network has changed, or somebody looks: what may have been late is looked at now. */
  const stirred = (moved: boolean): void => {
    link.check(moved)
    // All that were on one network come back with it in the same instant, too.
    const soon = performance.now() + delayFor('soon', 0, settings)
    if (state === 'waiting') wait(patient ? Math.max(due, soon) : soon)
  }

  const finish = (details: StateDetails): void => {
    const { code, error } = details
    ending = error ?? (code === undefined || code === 1000 ? undefined : new RoomsError('ENDED', `The server closed the room with ${code}`, false, code))
    unwatch()
    part(true)
    become('closed', { ...details, ...ending && { error: ending } })
  }

  const receive = (from: Link, frame: Frame): void => {
    const { command, data, id, seq, mid } = frame
    const room = roomOf(positions, frame.room)
    if (!advance(positions, room, seq, mid)) return
    if (command === 'WSStatus') return told(from, objectIn(data), room)
    if (command === 'WSSnapshot') return tell('snapshot', data, { room })
    const error = command === 'WSError' ? errorIn(data) : undefined
    if (outbox.settle(id, error ?? data) || SILENT.test(command)) return
    if (error !== undefined) return tell('error', error)
    if (!EVENTS.test(command)) tell(command, data, frame)
    tell('message', frame)
  }

  const told = (from: Link, { status, rooms, connection }: Record<string, unknown>, room: string | undefined): void => {
    if (status === 'resync') return tell(status, { room, reason: status })
    const comes = status === 'connected' || status === 'joined'
    if (!comes && status !== 'left' && status !== 'epoch') return
    const standings = objectIn(rooms)
    const names = Object.keys(standings)
    if (status === 'connected') {
      if (name !== undefined && !names.includes(name)) return finish({ error: new RoomsError('WRONG_ROOM', `The url leads to ${names.join()}, not to ${name}`) })
      for (const room of positions.keys()) if (!names.includes(room)) positions.delete(room)
    }
    for (const room of names) {
      if (status === 'left') positions.delete(room)
      else stand(positions, room, objectIn(standings[room]))
    }
    if (status === 'connected') {
      connectedAt = performance.now()
      refused.clear()
      outbox.open(from.send)
      become(status, { connection: String(connection) })
    }
    for (const room of names) {
      const { recovered, reason }: Standing = objectIn(standings[room])
      if (status === 'joined' || status === 'left') tell(status, { room, reason })
      if (comes && recovered === true) tell('recovered', { room })
      else if (comes) tell('resync', { room, reason: reason ?? 'new' })
    }
  }

  const unwatch = watch(stirred)
  attempt()

  return {
    get state () { return state! },
    get positions () { return Object.fromEntries(positions) },
    on,
    send: outbox.send,
    [Symbol.asyncIterator]: () => iterate<Frame>((told, ended) => {
      if (state === 'closed') ended(ending)
      const offMessages = on('message', told)
      const offStates = on('state', () => { if (state === 'closed') ended(ending) })
      return () => {
        offMessages()
        offStates()
      }
    }, settings.maxBuffered),
    rejoin () {
      if (state === 'closed') return
      positions.clear()
      part()
      attempt()
    },
    close () {
      if (state !== 'closed') finish({})
    }
  } as RoomClient
}
