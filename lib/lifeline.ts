import { Outlet } from './outlet.js'
import { isThenable } from './thenable.js'

/** Thrown into a handshake whose socket is no longer there. Nobody is told: there is nobody. */
export const GONE = new Error('The client has left.')

/** What the application does for one socket: it is begun for nobody who has left, and waited for no longer than the socket lives. */
export abstract class Lifeline extends Outlet {
  /** What is waited for on its behalf, while anything is. */
  #interrupts: Set<(reason: Error) => void> | undefined

  /** @throws GONE */
  assertOpen (): void {
    if (!this.open) throw GONE
  }

  /** Asks a hook. @throws GONE, or as `wait` does */
  ask<About, T> (hook: (about: About) => T | PromiseLike<T>, about: About): T | Promise<T> {
    this.assertOpen()
    return this.wait(hook(about))
  }

  /**
   * Has the application work, and waits for it. For a client that has left, the work is not begun.
   * @throws GONE, or as `wait` does
   */
  until<T> (work: () => T | PromiseLike<T>): T | Promise<T> {
    this.assertOpen()
    return this.wait(work())
  }

  /**
   * Waits for work that has begun, but no longer than the socket lives and the handshake may take.
   * @throws GONE, or what `interrupt` was given, or what the work throws
   */
  wait<T> (result: T | PromiseLike<T>): T | Promise<T> {
    return isThenable(result) ? this.#outlast(result) : result // most hooks have nothing to wait for
  }

  #outlast<T> (work: PromiseLike<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const interrupts = this.#interrupts ??= new Set()
      interrupts.add(reject)
      const settled = (): void => {
        interrupts.delete(reject)
        if (interrupts.size === 0) this.#interrupts = undefined
      }
      // Listened to whatever happens: what rejects after the client has left must not end the process.
      work.then(value => {
        settled()
        resolve(value)
      }, error => {
        settled()
        reject(error)
      })
    })
  }

  interrupt (reason: Error): void {
    for (const reject of this.#interrupts ?? []) reject(reason)
  }
}
