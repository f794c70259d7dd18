/** Whether a hook's answer is still to come. */
export function isThenable<T> (value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}

/**
 * Goes on with a value, at once where it is there already: most hooks have nothing to wait for, and to wait for nothing is
 * a turn of the microtask queue, for each hook of each of a crowd that comes back.
 */
export function after<T, R> (value: T | PromiseLike<T>, next: (value: T) => R | PromiseLike<R>): R | PromiseLike<R> {
  return isThenable(value) ? value.then(next) : next(value)
}
