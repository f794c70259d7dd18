import { randomBytes } from 'node:crypto'

const process = randomBytes(9).toString('base64url')
let last = 0

/** A name that no other message, connection or process has: this process's own, and a number. Not a secret. */
export function nextId (): string {
  return `${process}-${last++}`
}
