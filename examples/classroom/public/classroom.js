import { keepOpen, shownIn } from '/common/link.js'

/** So that a page that is open all day does not grow. */
const AT_MOST = 500

const element = id => document.getElementById(id)

// One socket to speak, one to listen, and one for the score: each has only one thing to say.
const states = new Map()
const showLinks = shownIn(element('state'))
const speaker = keepOpen('/ws/send', { text: complain, state: name => note('send', name) })
keepOpen('/ws/receive', { text: hear, state: name => note('receive', name) })
keepOpen('/ws/score', { text: showScore, state: name => note('score', name) })

element('form').addEventListener('submit', event => {
  event.preventDefault()
  const line = { user: element('user').value, message: element('message').value }
  const sent = speaker.send(JSON.stringify(line))
  element('problem').textContent = sent ? '' : 'Not sent: there is no connection now.'
  if (sent) element('message').value = ''
  element('message').focus()
})

/** The page is as well as the worst of its links. */
function note (link, name) {
  states.set(link, name)
  const all = [...states.values()]
  showLinks(['over', 'lost', 'connecting'].find(worse => all.includes(worse)) ?? 'live')
}

function complain (text) {
  element('problem').textContent = JSON.parse(text).error
}

function hear (text) {
  const { user, message } = JSON.parse(text)
  const item = document.createElement('li')
  const who = document.createElement('span')
  who.className = 'user'
  who.textContent = user
  item.append(who, message)
  const lines = element('lines')
  lines.append(item)
  if (lines.childElementCount > AT_MOST) lines.firstElementChild.remove()
  item.scrollIntoView({ block: 'end' })
}

function showScore (text) {
  const { home, away } = JSON.parse(text)
  element('home').textContent = home
  element('away').textContent = away
}
