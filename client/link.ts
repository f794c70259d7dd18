import { RoomsError } from './errors.js'
import { errorIn, frameIn, objectIn } from './frame.js'
import type { Frame } from './frame.js'
import { watchOver } from './liveness.js'
import type { Liveness } from './liveness.js'
import type { Settings, SocketLike } from './options.js'
import type { Positions } from './positions.js'
import { socketUrl } from './surroundings.js'
import { codeOf, delayFor } from './verdict.js'

/** Whom a link tells what happens to it. It tells nothing once it is closed. */
export interface LinkHost {
  /** Where the client stands. */
  readonly positions: Positions
  /** Tokens that the server has refused already. */
  readonly refused: ReadonlySet<string | undefined>
  /** The first frame is `connected`. */
  received (frame: Frame): void
  /**
   * @param code with which the socket was closed; 1006 where it was not
   * @param token the last one that it has sent
   */
  ended (code: number, token: string | undefined): void
  failed (error: unknown): void
}

/** One connection, from asking for the token to the end of the socket. */
export interface Link {
  send (text: string): void
  /** Looks whether it is still alive. @param doubted whether there is reason to ask the server */
  check (doubted: boolean): void
  close (): void
}

/** Names the frame that has the fresh token, and its answer. */
const REFRESH = 'refresh'

// Functions, here and in the files beside: a minifier makes less of fields and methods.
export function openLink (settings: Settings, host: LinkHost): Link {
  const { url, token: fetchToken, protocols, WebSocket } = settings
  let socket: SocketLike | undefined
  let liveness: Liveness | undefined
  let over = false
  /** The last that was sent, unless the server could not look at it. */
  let token: string | undefined
  /** The last status: it may be that of the end. */
  let status: unknown
  let refreshing = false
  /** How often in a row it could not be refreshed. */
  let failures = 0
  /** Of the time to connect, and then of the next try to refresh. */
  let timer = setTimeout(() => end(1006), settings.connectTimeout)

  const send = (text: string): void => socket?.send(text)
  const close = (): void => {
    over = true
    clearTimeout(timer)
    liveness?.close()
    socket?.close(1000)
  }
  const end = (code: number): void => {
    if (over) return
    close()
    host.ended(code, token)
  }

  const open = async (): Promise<void> => {
    try {
      await Promise.resolve() // whoever called connect() is to hear of the first failure, too
      const address = socketUrl(typeof url === 'function' ? await url() : url)
      if (fetchToken !== false) token = await fetchToken()
      if (over) return
      if (host.refused.has(token)) return end(4401)
      socket = new WebSocket(address, protocols?.(token ?? ''))
      socket.onopen = () => { if (fetchToken !== false && protocols === undefined) send(hello()) }
      socket.onmessage = ({ data }: { data: unknown }) => { if (!over) read(data) }
      socket.onerror = () => {} // the close that follows says more, and `ws` throws where nobody listens
      socket.onclose = ({ code }: { code: number }) => end(codeOf(code, status))
    } catch (error) {
      if (over) return
      host.failed(error)
      end(1006)
    }
  }

  /** A first frame that is too long would be the end of it, so what does not fit of the positions is done without. */
  const hello = (): string => {
    const positions = [...host.positions]
    for (;;) {
      const text = JSON.stringify({ token, recover: Object.fromEntries(positions) })
      if (positions.pop() === undefined || text.length <= settings.maxAuthPayload) return text
    }
  }

  const read = (text: unknown): void => {
    liveness?.heard()
    const frame = frameIn(text)
    if (frame === undefined) return
    const data = objectIn(frame.data)
    if (frame.command === 'WSStatus') {
      status = data.status
      if (status === 'connected') connected(data.keepAlive)
      if (status === 'token_expiring') refresh()
      if (status === 'refreshed') {
        refreshing = false
        failures = 0
      }
    }
    if (frame.command === 'WSError' && frame.id === REFRESH) unrefreshed(errorIn(data))
    else if (liveness !== undefined) host.received(frame)
  }

  const connected = (keepAlive: unknown): void => {
    clearTimeout(timer)
    const half = settings.pongTimeout / 2
    liveness = watchOver((Number(keepAlive) || 25_000) + half, half, () => send('{"command":"WSPing"}'), () => end(1006))
  }

  const refresh = async (): Promise<void> => {
    if (fetchToken === false || refreshing) return
    refreshing = true
    try {
      const fresh = await fetchToken()
      if (over) return
      if (fresh === token) throw new RoomsError('SAME_TOKEN', '`token` returned the one that expires')
      token = fresh
      send(JSON.stringify({ token, id: REFRESH }))
    } catch (error) {
      if (!over) unrefreshed(error)
    }
  }

  /** It is tried again until the server ends the connection, and the next one begins with a fresh token. */
  const unrefreshed = (error: unknown): void => {
    refreshing = false
    token = undefined
    timer = setTimeout(refresh, delayFor('soon', failures++, settings))
    host.failed(error)
  }

  open()
  return { send, check: doubted => over ? undefined : liveness?.check(doubted), close }
}
