type Listen = (type: string, listener: (event: { readonly type: string }) => void) => void

/** What a page or a worker has, as far as it is used here. In Node, nothing of it need be there. */
interface Surroundings {
  readonly addEventListener?: Listen
  readonly removeEventListener?: Listen
  readonly document?: { readonly hidden: boolean }
  readonly navigator?: { readonly onLine?: boolean }
  readonly location?: { readonly href: string }
}

const surroundings = globalThis as Surroundings
const CHANGES = ['visibilitychange', 'online', 'offline'] // the first one bubbles up from the document

/** False only where the browser knows that there is no network. */
export function isOnline (): boolean {
  return surroundings.navigator?.onLine !== false
}

/**
 * Tells of the network coming or going, and of a page that is looked at again.
 * @param moved whether it is the network: old links are to be doubted
 * @returns what ends it
 */
export function watch (stirred: (moved: boolean) => void): () => void {
  const heard = ({ type }: { readonly type: string }): void => {
    const moved = type !== CHANGES[0]
    if (moved || surroundings.document?.hidden === false) stirred(moved)
  }
  for (const type of CHANGES) surroundings.addEventListener?.(type, heard)
  return () => {
    for (const type of CHANGES) surroundings.removeEventListener?.(type, heard)
  }
}

/**
 * The address of a socket: relative ones are the page's, and http is what ws begins with anyway.
 * @throws TypeError when it is none, or is relative where there is no page
 */
export function socketUrl (url: string | URL): string {
  try {
    const found = new URL(url, surroundings.location?.href)
    found.protocol = found.protocol.replace('http', 'ws')
    found.hash = '' // not allowed there
    return found.href
  } catch {
    throw new TypeError('`url` must be absolute')
  }
}
