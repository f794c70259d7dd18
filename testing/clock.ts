/** Time as it was when the kit was loaded: mock timers that a test puts in place would stop the kit, too. */
const { setTimeout, clearTimeout, setImmediate } = globalThis

/** What the promise resolves with, or undefined when that takes longer. @param ms 0 is for one that has settled already */
export async function within<T> (ms: number, promise: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<undefined>(resolve => { timer = setTimeout(() => resolve(undefined), ms) })
  try {
    return await Promise.race([promise, over])
  } finally {
    clearTimeout(timer)
  }
}

/** Resolves when all that is under way in this process has come as far as it can without a timer, a disk or a network. */
export async function turn (): Promise<void> {
  await new Promise<void>(resolve => { setImmediate(resolve) })
}
