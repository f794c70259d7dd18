import { keepOpen, shownIn } from '/common/link.js'

const LINES = 8

const element = id => document.getElementById(id)
const showLink = shownIn(element('state'))
/** Whether the total has been told since the link is there. */
let told = false

const link = keepOpen('/ws', {
  text: receive,
  state (name) {
    showLink(name)
    if (name === 'live') look()
    else told = false
  }
})

element('form').addEventListener('submit', event => {
  event.preventDefault()
  if (add(element('number').value)) element('number').value = ''
  element('number').focus()
})

for (const button of document.querySelectorAll('.quick button')) button.addEventListener('click', () => add(button.value))

function add (number) {
  const sent = link.send(number)
  element('problem').textContent = sent ? '' : 'Not added: there is no connection now.'
  return sent
}

function receive (text) {
  const [, total] = /^Server records total=(-?\d+)$/.exec(text) ?? []
  if (total === undefined) {
    element('problem').textContent = text
    return
  }
  told = true
  show(total)
  const line = document.createElement('li')
  line.textContent = text
  element('lines').prepend(line)
  if (element('lines').childElementCount > LINES) element('lines').lastElementChild.remove()
}

/** The socket says nothing before somebody adds. What it has said in the meantime is newer. */
async function look () {
  const response = await fetch('/total').catch(() => undefined)
  const total = response?.ok ? await response.text() : undefined
  if (total !== undefined && !told) show(total)
}

function show (total) {
  element('total').textContent = BigInt(total).toLocaleString('en')
}
