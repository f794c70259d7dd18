import { tell } from './feed.js'
import { enter, rejoinSoon } from './live.js'
import { complain, element } from './page.js'
import { EVENT } from './schemas.js'
import { Session } from './session.js'
import { Students } from './students.js'

const LOST = 'Connection lost, reconnecting'
const EVENTS = {
  pending: 'Not open',
  online: 'Online',
  onsite: 'On site',
  closed: 'Closed'
}

let room
/** The name of the present connection. */
let connection
let countdown
let event = 'onsite'

const session = new Session({
  onOpen () {
    room = enter(session)
    listenTo(room)
  },
  onEnd () {
    room?.close()
    room = undefined
    clearInterval(countdown)
  }
})

const students = new Students({
  save: (id, changes) => session.request(`/cdr/users/${encodeURIComponent(id)}`, 'PATCH', changes),
  sayWriting: id => room?.send('WRITING', { id }).catch(() => {}) // worth nothing late
})

// The room

function listenTo (room) {
  room.on('state', onState)
  room.on('snapshot', data => {
    showEvent(data.event.status)
    students.show(data.students)
    showLive()
  })
  room.on('recovered', showLive)
  room.on('UPDATE_USER', file => students.told(file))
  room.on('EVENT', takeEvent)
  room.on('WRITING', writing => {
    if (writing.from !== connection) students.showWriter(writing)
  })
  room.on('VOLUNTEERS', data => {
    element('volunteers').hidden = false
    element('volunteers').textContent = data?.count === 1 ? '1 volunteer here' : `${data?.count} volunteers here`
  })
}

/** Connected is not enough: what is shown must be what there is. */
function showLive () {
  say('connected', 'Live')
}

function onState (state, details) {
  clearInterval(countdown)
  switch (state) {
    case 'connecting':
      return say(state, 'Connecting…')
    case 'connected':
      connection = details.connection
      return
    case 'waiting': {
      element('volunteers').hidden = true
      const at = performance.now() + details.delay
      const tick = () => say(state, navigator.onLine ? `Reconnecting in ${Math.max(1, Math.ceil((at - performance.now()) / 1_000))} s` : 'No network', LOST)
      tick()
      countdown = setInterval(tick, 250)
      return
    }
    case 'recovering':
      return say(state, 'Reconnecting…', LOST)
    case 'closed':
      closed(details)
  }
}

function closed ({ code, error }) {
  if (code === 4401) return session.end('The server did not accept your session. Please sign in again.')
  if (code === undefined && error === undefined) return // by this page itself
  say('closed', 'Refused')
  complain(code === 4403
    ? 'You may not use this board. Ask whoever runs it.'
    : `The server has closed this board for you (${code ?? error.message}). Sign out and in again to come back.`)
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
  if (status === 'onsite' && room !== undefined) rejoinSoon(room) // nobody was told of what changed until now
}

function showEvent (status) {
  event = status
  element('event').value = status
  element('quiet').hidden = status === 'onsite'
}

session.restore()
