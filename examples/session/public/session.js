const element = id => document.getElementById(id)

/** Why sessions end otherwise than by saving, by the code of the close. */
const ENDS = {
  4401: 'Your sign-in was not accepted. Sign in again.',
  4419: 'Your sign-in has expired. Sign in again.',
  1012: 'The server was restarted.'
}

/** @type {string | undefined} */
let token
/** @type {WebSocket | undefined} */
let socket
/** Whether the next step follows by itself. */
let running = false

element('sign-in-form').addEventListener('submit', async event => {
  event.preventDefault()
  const name = element('name').value
  try {
    const answer = await api('/login', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ name }) })
    token = answer.token
  } catch (error) {
    return complain(`You could not be signed in: ${error.message}`)
  }
  element('name-shown').textContent = name.trim()
  element('who').hidden = false
  begin()
})

element('again').addEventListener('click', () => token === undefined ? show('sign-in') : begin())

element('start').addEventListener('submit', event => {
  event.preventDefault()
  running = false
  ask({ state: 'startThings', data: { things: element('things').valueAsNumber } })
})

element('next').addEventListener('click', () => step())
element('all').addEventListener('click', () => {
  running = !running
  if (running) step()
  else element('all').textContent = 'All steps'
})
element('save').addEventListener('click', () => {
  running = false
  ask({ state: 'save' })
})

function begin () {
  complain('')
  const url = new URL('/session', window.location.href)
  url.protocol = url.protocol.replace('http', 'ws')
  socket = new WebSocket(url)
  let saved
  tell('connecting', 'Connecting…')
  socket.addEventListener('open', () => ask({ token }))
  socket.addEventListener('message', event => {
    const message = JSON.parse(event.data)
    if (message.state === 'save') saved = message.data.saved
    else receive(message)
  })
  socket.addEventListener('close', ({ code }) => end(code, saved))
}

function receive ({ state, data, error }) {
  complain(error ?? '')
  switch (state) {
    case 'initialised':
      tell('live', 'Session open')
      element('found').replaceChildren()
      element('progress').hidden = true
      return show('work', 'things')
    case 'startThings':
      element('found').replaceChildren()
      element('progress').hidden = false
      progress(0, data.things)
      return element('next').focus()
    case 'nextThing':
      add(data.thing)
      progress(data.done, data.things)
      if (running) step()
      return
    case 'error':
      running = false
      wait(false)
  }
}

function step () {
  wait(true)
  ask({ state: 'nextThing' })
}

/** @param {boolean} working whether a step is being made */
function wait (working) {
  const done = element('bar').value === element('bar').max
  running &&= !done
  element('next').disabled = working || done
  element('all').disabled = done
  element('all').textContent = running ? 'Pause' : 'All steps'
  element('start-button').disabled = working
}

function progress (done, things) {
  element('bar').value = done
  element('bar').max = things
  element('count').textContent = `${done} of ${things}`
  wait(false)
}

/** @param {string} prime of some three hundred digits */
function add (prime) {
  const item = document.createElement('li')
  for (const [name, text] of Object.entries({ start: prime, digits: `${prime.length} digits` })) {
    const part = document.createElement('span')
    part.className = name
    part.textContent = text
    item.append(part)
  }
  element('found').append(item)
}

/** @param {number | undefined} saved how many were saved, if they were */
async function end (code, saved) {
  socket = undefined
  running = false
  tell(saved === undefined ? 'over' : 'done', 'Session ended')
  if (code === 4401 || code === 4419) token = undefined
  element('found').replaceChildren()
  element('over-title').textContent = saved === undefined ? 'The session has ended' : `${saved} saved`
  element('over-text').textContent = saved === undefined
    ? `${ENDS[code] ?? 'The connection was lost.'} What had not been saved is gone.`
    : 'They are kept until you save others, or the server is restarted.'
  element('again').textContent = token === undefined ? 'Sign in' : 'Begin another session'
  show('over', 'over-title')
  if (saved === undefined) return
  try {
    const { things } = await api('/things', { headers: { authorization: `Bearer ${token}` } })
    if (socket === undefined) for (const prime of things) add(prime)
  } catch (error) {
    complain(`What was saved cannot be shown: ${error.message}`)
  }
}

function ask (message) {
  socket?.send(JSON.stringify(message))
}

async function api (path, options) {
  const response = await fetch(path, { ...options, signal: AbortSignal.timeout(10_000) }).catch(() => { throw new Error('the server cannot be reached.') })
  const answer = await response.json().catch(() => ({}))
  if (!response.ok) throw new Error(answer.message ?? `the server answered ${response.status}.`)
  return answer
}

function show (section, focused = 'name') {
  for (const id of ['sign-in', 'work', 'over']) element(id).hidden = id !== section
  element(focused).focus()
}

function tell (state, text) {
  element('state').hidden = false
  element('state').dataset.state = state
  element('state').textContent = text
}

function complain (text) {
  element('problem').textContent = text
}
