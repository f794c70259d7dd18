import { keepOpen, shownIn } from '/common/link.js'

/** So that a page that is open all day does not grow. */
const AT_MOST = 500

const element = id => document.getElementById(id)
const me = Date.now()
element('me').textContent = `client #${me}`

/** What this page has said, and not heard from the room yet, in order. */
const unheard = []

const show = shownIn(element('state'))
const link = keepOpen(`/ws/${me}`, {
  text: receive,
  state (name) {
    show(name)
    if (name !== 'live') unheard.length = 0 // whether anybody heard it, nobody will say
  }
})

element('form').addEventListener('submit', event => {
  event.preventDefault()
  const sent = link.send(element('text').value)
  element('problem').textContent = sent ? '' : 'Not sent: there is no connection now.'
  if (sent) element('text').value = ''
  element('text').focus()
})

function receive (text) {
  const [, wrote] = /^You wrote: (.*)$/s.exec(text) ?? []
  if (wrote !== undefined) return unheard.push(add({ name: 'You', text: wrote, kind: 'mine' }))

  const [, id, said] = /^Client #(\d+) says: (.*)$/s.exec(text) ?? []
  if (id === undefined) return add({ text, kind: 'note' })
  if (Number(id) === me) unheard.shift()?.classList.add('heard')
  else add({ name: `Client #${id}`, text: said })
}

function add ({ name, text, kind = 'theirs' }) {
  const item = document.createElement('li')
  item.className = kind
  if (name !== undefined) {
    const who = document.createElement('span')
    who.className = 'name'
    who.textContent = name
    item.append(who)
  }
  item.append(text)
  const messages = element('messages')
  messages.append(item)
  if (messages.childElementCount > AT_MOST) messages.firstElementChild.remove()
  item.scrollIntoView({ block: 'end' })
  return item
}
