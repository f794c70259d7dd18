import { RoomsError } from './errors.js'

/** Has a loop told of each message, and of the end. @returns what ends it */
export type Follow<M> = (told: (message: M) => void, ended: (error: RoomsError | undefined) => void) => () => void

/**
 * The messages from now on. A loop that falls too far behind is told so, after the last message that could be kept: one in
 * the midst is never missing.
 */
export function iterate<M> (follow: Follow<M>, maxBuffered: number): AsyncGenerator<M, void, undefined> {
  const buffer: M[] = []
  let ended: { error: RoomsError | undefined } | undefined
  let wake = (): void => {}
  const end = (error: RoomsError | undefined): void => {
    ended ??= { error }
    wake()
  }
  const leave = follow(message => {
    if (ended !== undefined) return
    if (buffer.length >= maxBuffered) return end(new RoomsError('BUFFER_FULL', `The loop is ${maxBuffered} messages behind: load anew`))
    buffer.push(message)
    wake()
  }, end)

  async function * read (): AsyncGenerator<M, void, undefined> {
    try {
      yield undefined as M // as far as here it has run before anybody has it
      for (;;) {
        while (buffer.length > 0) yield buffer.shift() as M
        if (ended?.error !== undefined) throw ended.error
        if (ended !== undefined) return
        await new Promise<void>(resolve => { wake = resolve })
      }
    } finally {
      leave()
    }
  }
  const messages = read()
  messages.next() // one that has not begun would end without its `finally`, and be told of messages for ever
  return messages
}
