import { tell } from './feed.js'
import { LiveRoom } from './live.js'
import { complain, element } from './page.js'
import { EVENT } from './schemas.js'
import { Session } from './session.js'
import { Students } from './students.js'

/** In milliseconds: pages that all come in anew do it within this time. */
const SPREAD = 2_000
const LOST = 'Connection lost, reconnecting'
const EVENTS = {
  pending: 'Not open',
  online: 'Online',
  onsite: 'On site',
  closed: 'Closed'
}

let room
let countdown
let event = 'onsite'

const session = new Session({
  onOpen ({ token }) {
    const url = new URL('/cdr/users/ws', window.location.href.replace(/^http/, 'ws'))
    room = new LiveRoom({ url, token, onMessage, onState })
    room.open()
  },
  onEnd () {
    room?.close()
    room = undefined
    clearInterval(countdown)
  }
})

const students = new Students({
  save: (id, changes) => session.request(`/cdr/users/${encodeURIComponent(id)}`, 'PATCH', changes),
  sayWriting: id => room?.send({ command: 'WRITING', data: { id } })
})

// The room

function onMessage ({ command, data }) {
  switch (command) {
    case 'WSSnapshot':
      showEvent(data.event.status)
      students.show(data.students)
      return
    case 'UPDATE_USER':
      students.told(data)
      return
    case 'EVENT':
      takeEvent(data)
      return
    case 'WRITING':
      if (data.from !== room.id) students.showWriter(data)
      return
    case 'VOLUNTEERS':
      element('volunteers').hidden = false
      element('volunteers').textContent = data?.count === 1 ? '1 volunteer here' : `${data?.count} volunteers here`
  }
}

function onState ({ name, delay, code }) {
  clearInterval(countdown)
  switch (name) {
    case 'connecting':
      return students.size === 0 ? say(name, 'Connecting…') : say(name, 'Reconnecting…', LOST)
    case 'live':
      return say(name, 'Live')
    case 'waiting': {
      element('volunteers').hidden = true
      const at = performance.now() + delay
      const tick = () => say(name, `Reconnecting in ${Math.max(1, Math.ceil((at - performance.now()) / 1_000))} s`, LOST)
      tick()
      countdown = setInterval(tick, 250)
      return
    }
    case 'refused':
      say(name, 'Refused')
      complain(code === 4403
        ? 'You may not use this board. Ask whoever runs it.'
        : `The server has closed this board for you (code ${code}). Sign out and in again to come back.`)
      return
    case 'signed-out':
      session.end(code === 4419 ? 'Your session is over. Please sign in again.' : 'The server did not accept your session. Please sign in again.')
  }
}

/** @param aloud what screen readers are told; a countdown would be read out every second */
function say (state, text, aloud = text) {
  element('state').dataset.state = state
  if (element('state-text').textContent !== text) element('state-text').textContent = text
  if (element('state-said').textContent !== aloud) element('state-said').textContent = aloud
}

// The event

for (const status of EVENT.properties.status.enum) element('event').append(new window.Option(EVENTS[status], status))
element('event').addEventListener('change', async () => {
  try {
    takeEvent(await session.request('/cdr/event', 'PATCH', { status: element('event').value }))
  } catch (error) {
    showEvent(event)
    complain(`The event was not changed: ${error.message}`, 10_000)
  }
})

/** The answer says it, and so does a message to all: whichever comes first. */
function takeEvent ({ status }) {
  if (status === event) return
  tell(`The event is now: ${EVENTS[status]}`)
  showEvent(status)
  if (status === 'onsite') room?.refresh(SPREAD) // nobody was told of what changed until now
}

function showEvent (status) {
  event = status
  element('event').value = status
  element('quiet').hidden = status === 'onsite'
}

session.restore()
