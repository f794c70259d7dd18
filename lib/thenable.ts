/** Whether a hook's answer is still to come. */
export function isThenable<T> (value: T | PromiseLike<T>): value is PromiseLike<T> {
  // What hooks answer is of all kinds, and V8 would look for the `then` of a string or number the slow way.
  return ((typeof value === 'object' && value !== null) || typeof value === 'function') && typeof (value as { then?: unknown }).then === 'function'
}
