/** The URL of a route, as AsyncAPI writes it. */
export interface ChannelAddress {
  /** With `{name}` for each parameter. */
  readonly address: string
  readonly parameters: string[]
}

/** What find-my-way takes for a parameter: `:name`, with what may follow it. `::` is a colon, `*` is the rest of the URL. */
const PARAMETER = /::|:(\w+)|\*/g

export function addressOf (url: string): ChannelAddress {
  const parameters: string[] = []
  const address = withoutExpressions(url).replace(PARAMETER, (found, name: string | undefined) => {
    if (found === '::') return ':'
    parameters.push(name ?? 'wildcard')
    return `{${name ?? 'wildcard'}}`
  })
  // The one optional parameter that there may be, at the end.
  return { address: address.replace(/\?$/, ''), parameters }
}

/** A parameter may have a regular expression in parentheses, which may have some itself. */
function withoutExpressions (url: string): string {
  let [depth, text] = [0, '']
  for (const [character] of url.matchAll(/\\.|[^]/gu)) {
    if (character === '(') depth++
    if (depth === 0) text += character
    if (character === ')') depth--
  }
  return text
}
