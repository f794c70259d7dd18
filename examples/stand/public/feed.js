import { clock, element } from './page.js'

const LENGTH = 50

/** What is said about a field that somebody changed. */
const DEEDS = {
  registered: (student, yes) => `marked ${student} as ${yes ? '' : 'not '}registered`,
  paid: (student, yes) => `marked ${student} as ${yes ? '' : 'not '}paid`,
  teeShirt: (student, yes) => yes ? `handed ${student} a tee-shirt` : `took back the tee-shirt of ${student}`,
  note: (student, text) => text === '' ? `cleared the note on ${student}` : `noted on ${student}: “${text}”`
}

/** The fields of a file that are told of. */
export const TOLD = Object.keys(DEEDS)

/** Who did what to whom, if it is anything that is told of. */
export function tellDeed (by, field, student, value) {
  if (Object.hasOwn(DEEDS, field)) tell(DEEDS[field](student, value), by)
}

/** One line more, the newest first. */
export function tell (text, by = '') {
  const entry = document.createElement('li')
  const when = document.createElement('time')
  const what = document.createElement('span')
  const who = document.createElement('strong')
  when.textContent = clock(new Date())
  who.textContent = by
  what.append(who, by === '' ? text : ` ${text}`)
  entry.append(when, what)
  const feed = element('feed')
  feed.prepend(entry)
  while (feed.children.length > LENGTH) feed.lastElementChild.remove()
}
