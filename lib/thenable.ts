/** Whether a hook's answer is still to come. */
export function isThenable<T> (value: T | PromiseLike<T>): value is PromiseLike<T> {
  // Strings and numbers first: what hooks answer is of all kinds, and V8 would look for a `then` of theirs the slow way.
  return ((typeof value === 'object' && value !== null) || typeof value === 'function') && typeof (value as { then?: unknown }).then === 'function'
}
