import { inspect } from 'node:util'

/** What something must look like: the properties that are named, and theirs in turn, must be there and equal. */
export type Pattern<T> = { readonly [K in keyof T]?: T[K] | undefined }

/** Which of many: those that look like the pattern, or those for which the function returns true. */
export type Which<T> = Pattern<T> | ((item: T) => boolean)

/** Whether a value looks like the pattern. Arrays must have as many elements; what is of a class must be the same object. */
export function matches (value: unknown, pattern: unknown): boolean {
  if (Object.is(value, pattern)) return true
  if (!isStructure(value) || !isStructure(pattern) || Array.isArray(value) !== Array.isArray(pattern)) return false
  if (Array.isArray(value) && value.length !== (pattern as unknown as unknown[]).length) return false
  return Object.keys(pattern).every(key => matches(value[key], pattern[key]))
}

export function selector<T extends object> (which: Which<T>): (item: T) => boolean {
  return typeof which === 'function' ? which : item => Object.entries(which).every(([key, value]) => matches(item[key as keyof T], value))
}

/** What is wanted, as the end of ' a message'. */
export function described (which: string | object): string {
  if (typeof which === 'string') return ` '${which}'`
  if (typeof which === 'function') return ` for which ${which} is true`
  return Object.keys(which).length === 0 ? '' : ` that matches ${inspect(which, { depth: 6, breakLength: Infinity })}`
}

function isStructure (value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null || Array.isArray(value)
}
