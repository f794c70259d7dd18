/** What all parts of the page share: where things are in it, and what it says to whoever looks at it. */

const time = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit' })
let complaint

export const element = id => document.getElementById(id)

/** A template's only child, anew. */
export const copyOf = template => element(template).content.cloneNode(true).firstElementChild

export const clock = date => time.format(date)

export function show (view) {
  element('sign-in').hidden = view !== 'sign-in'
  element('board').hidden = view !== 'board'
  element('sign-in-problem').textContent = ''
  complain('')
}

export function complain (text, ms) {
  element('problem').textContent = text
  clearTimeout(complaint)
  if (ms !== undefined) complaint = setTimeout(complain, ms, '')
}
