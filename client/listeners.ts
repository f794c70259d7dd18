type Handler = (...args: never[]) => void

/** Who is to be told what. */
export interface Listeners {
  /** @returns what ends it */
  on (name: string, handler: Handler): () => void
  /** A handler that fails is reported, and the others are told all the same. */
  emit (name: string, ...args: unknown[]): void
}

export function createListeners (): Listeners {
  const all = new Map<string, Set<Handler>>()
  return {
    on (name, handler) {
      const own: Handler = (...args) => handler(...args) // so that the same handler can be there twice
      const handlers = all.get(name) ?? new Set()
      all.set(name, handlers.add(own))
      return () => { handlers.delete(own) }
    },

    emit (name, ...args) {
      const handlers = all.get(name)
      for (const handler of [...handlers ?? []]) {
        try {
          if (handlers?.has(handler)) handler(...args as never[])
        } catch (error) {
          report(error)
        }
      }
    }
  }
}

/** As the browser does with what an event listener throws; Node has no `reportError`, and takes it for an uncaught exception. */
function report (error: unknown): void {
  const { reportError } = globalThis as { reportError?: (error: unknown) => void }
  if (reportError !== undefined) reportError(error)
  else queueMicrotask(() => { throw error })
}
