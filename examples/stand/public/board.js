import { LiveRoom } from './live.js'
import { CHANGES, EVENT, STEPS } from './schemas.js'

const FEED_LENGTH = 50
/** In milliseconds: how often others are told that somebody is writing, and for how long they show it. */
const WRITING_EVERY = 2_000
const WRITING_FOR = 4_000
/** In milliseconds: pages that all come in anew do it within this time. */
const SPREAD = 2_000
const LOST = 'Connection lost, reconnecting'

/** What the feed says about a field that somebody changed. */
const DEEDS = {
  registered: (student, yes) => `marked ${student} as ${yes ? '' : 'not '}registered`,
  paid: (student, yes) => `marked ${student} as ${yes ? '' : 'not '}paid`,
  teeShirt: (student, yes) => yes ? `handed ${student} a tee-shirt` : `took back the tee-shirt of ${student}`,
  note: (student, text) => text === '' ? `cleared the note on ${student}` : `noted on ${student}: “${text}”`
}

const EVENTS = {
  pending: 'Not open',
  online: 'Online',
  onsite: 'On site',
  closed: 'Closed'
}

const element = id => document.getElementById(id)
const time = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit' })

/** Students and their cards, by id. */
const students = new Map()
const cards = new Map()
let session
let room
let countdown
let complaint
let event = 'onsite'

// The session

element('sign-in-form').addEventListener('submit', async event => {
  event.preventDefault()
  const button = event.target.querySelector('button')
  button.disabled = true
  try {
    signIn(await api('/session', 'POST', { name: element('name').value }))
  } catch (error) {
    element('sign-in-problem').textContent = `That did not work: ${error.message}`
  } finally {
    button.disabled = false
  }
})

element('sign-out').addEventListener('click', () => {
  room.close()
  sessionStorage.removeItem('session')
  // The next volunteer starts with an empty page.
  window.location.reload()
})

function signIn (opened) {
  session = opened
  // For this tab only, so that two tabs can be two volunteers, and a page that is reloaded stays signed in.
  sessionStorage.setItem('session', JSON.stringify(session))
  element('who').textContent = session.name
  show('board')
  element('board').querySelector('h1').focus()
  const url = new URL('/cdr/users/ws', window.location.href.replace(/^http/, 'ws'))
  room = new LiveRoom({ url, token: session.token, onMessage, onState })
  room.open()
}

/** The page stays as it is underneath, with a note that was being written. */
function askToSignIn (reason) {
  room?.close()
  room = undefined
  clearInterval(countdown)
  sessionStorage.removeItem('session')
  element('name').value ||= session?.name ?? ''
  session = undefined
  show('sign-in')
  element('sign-in-problem').textContent = reason
  element('name').focus()
}

function show (view) {
  element('sign-in').hidden = view !== 'sign-in'
  element('board').hidden = view !== 'board'
  element('sign-in-problem').textContent = ''
  complain('')
}

function complain (text, ms) {
  element('problem').textContent = text
  clearTimeout(complaint)
  if (ms !== undefined) complaint = setTimeout(complain, ms, '')
}

async function api (path, method = 'GET', body = undefined) {
  const token = session?.token
  const headers = {}
  if (token !== undefined) headers.authorization = `Bearer ${token}`
  if (body !== undefined) headers['content-type'] = 'application/json'
  const request = { method, headers, body: JSON.stringify(body), signal: AbortSignal.timeout(10_000) }
  const response = await fetch(path, request).catch(() => { throw new Error('the server cannot be reached.') })
  const answer = await response.json().catch(() => ({}))
  if (response.status === 401 && token === session?.token) askToSignIn('Your session is over. Please sign in again.')
  if (!response.ok) throw new Error(answer.message ?? `the server answered ${response.status}.`)
  return answer
}

// The room

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
      askToSignIn(code === 4419 ? 'Your session is over. Please sign in again.' : 'The server did not accept your session. Please sign in again.')
  }
}

/** @param aloud what screen readers are told; a countdown would be read out every second */
function say (state, text, aloud = text) {
  element('state').dataset.state = state
  if (element('state-text').textContent !== text) element('state-text').textContent = text
  if (element('state-said').textContent !== aloud) element('state-said').textContent = aloud
}

function onMessage ({ command, data }) {
  switch (command) {
    case 'WSSnapshot':
      showEvent(data.event.status)
      showStudents(data.students)
      return
    case 'UPDATE_USER':
      tell(data)
      take(data)
      return
    case 'EVENT':
      takeEvent(data)
      return
    case 'WRITING':
      if (data.from !== room.id) showWriting(data)
      return
    case 'VOLUNTEERS':
      element('volunteers').hidden = false
      element('volunteers').textContent = data?.count === 1 ? '1 volunteer here' : `${data?.count} volunteers here`
  }
}

// The event

for (const status of EVENT.properties.status.enum) element('event').append(new window.Option(EVENTS[status], status))
element('event').addEventListener('change', async () => {
  try {
    takeEvent(await api('/cdr/event', 'PATCH', { status: element('event').value }))
  } catch (error) {
    showEvent(event)
    complain(`The event was not changed: ${error.message}`, 10_000)
  }
})

/** The answer says it, and so does a message to all: whichever comes first. */
function takeEvent ({ status }) {
  if (status === event) return
  addToFeed('', `The event is now: ${EVENTS[status]}`)
  showEvent(status)
  if (status === 'onsite') room.refresh(SPREAD) // nobody was told of what changed until now
}

function showEvent (status) {
  event = status
  element('event').value = status
  element('quiet').hidden = status === 'onsite'
}

// The students

function showStudents (list) {
  const changed = list.filter(student => students.has(student.id) && differences(student).length > 0)
  // As they are, whatever their version: a server that keeps them in memory counts from zero when it restarts.
  for (const student of list) students.set(student.id, student)
  list.sort((a, b) => a.firstname.localeCompare(b.firstname)).forEach(({ id }) => render(id))
  changed.forEach(({ id }) => flash(id))
  if (changed.length > 0) addToFeed('', changed.length === 1 ? 'One file changed in the meantime' : `${changed.length} files changed in the meantime`)
}

/** Takes over a student's file, unless what is known is as new: answers and messages may overtake each other. */
function take (student, visibly = true) {
  const known = students.get(student?.id)
  if (known === undefined || student.version <= known.version) return
  students.set(student.id, { ...known, change: null, ...student })
  if (!visibly) return
  render(student.id)
  flash(student.id)
}

function differences (student) {
  const known = students.get(student.id)
  return Object.keys(DEEDS).filter(field => field in student && student[field] !== known[field])
}

async function change (id, field, value) {
  const card = cards.get(id)
  card.saving.add(field)
  try {
    take(await api(`/cdr/users/${encodeURIComponent(id)}`, 'PATCH', { [field]: value }))
    complain('')
    return true
  } catch (error) {
    complain(`${fullName(students.get(id))} was not changed: ${error.message}`, 10_000)
    return false
  } finally {
    card.saving.delete(field)
    render(id)
  }
}

function createCard (id) {
  const root = element('student').content.cloneNode(true).firstElementChild
  const title = root.querySelector('h2')
  title.id = `student-${id}`
  root.querySelector('article').setAttribute('aria-labelledby', title.id)
  const steps = root.querySelector('.steps')
  steps.setAttribute('aria-labelledby', title.id)
  for (const [name, { title: label }] of Object.entries(STEPS)) {
    const step = steps.appendChild(element('step').content.cloneNode(true).firstElementChild)
    step.querySelector('input').name = name
    step.querySelector('span').textContent = label
  }
  const note = root.querySelector('textarea')
  note.id = `note-${id}`
  note.maxLength = CHANGES.properties.note.maxLength
  root.querySelector('.note label').htmlFor = note.id
  const save = root.querySelector('.note button')
  const card = { root, article: root.querySelector('article'), title, note, save, last: root.querySelector('.last'), steps: root.querySelectorAll('input'), saving: new Set(), said: -Infinity }

  for (const step of card.steps) step.addEventListener('change', () => change(id, step.name, step.checked))
  note.addEventListener('input', () => {
    save.hidden = note.value === students.get(id).note
    sayWriting(card, id)
  })
  root.querySelector('.note').addEventListener('submit', async event => {
    event.preventDefault()
    if (await change(id, 'note', note.value)) {
      save.hidden = true
      render(id)
    }
  })
  element('students').append(root)
  return card
}

function render (id) {
  if (!cards.has(id)) cards.set(id, createCard(id))
  const card = cards.get(id)
  const student = students.get(id)
  card.title.textContent = fullName(student)
  card.root.querySelector('.about').textContent = `${student.curriculum} · ${student.promo}`
  card.article.classList.toggle('complete', Object.keys(STEPS).every(step => student[step]))
  for (const step of card.steps) {
    // What is on its way to the server stays as the volunteer has set it.
    if (!card.saving.has(step.name)) step.checked = Boolean(student[step.name])
  }
  // A note that is being written is not taken away from its writer.
  if (card.save.hidden) card.note.value = student.note
  renderLast(card, student)
  renderProgress()
}

/** Who is writing at this moment, or who made the last change. */
function renderLast ({ last, writer }, { change }) {
  last.classList.toggle('writing', writer !== undefined)
  if (writer !== undefined) last.textContent = `${writer} is writing…`
  else last.textContent = change?.at ? `${time.format(Date.parse(change.at))} · ${change.by}` : ''
}

function sayWriting (card, id) {
  if (performance.now() - card.said < WRITING_EVERY) return
  card.said = performance.now()
  room.send({ command: 'WRITING', data: { id } })
}

function showWriting ({ id, by }) {
  const card = cards.get(id)
  if (card === undefined) return
  const write = writer => {
    card.writer = writer
    renderLast(card, students.get(id))
  }
  write(by)
  clearTimeout(card.writing)
  card.writing = setTimeout(write, WRITING_FOR)
}

function renderProgress () {
  const goals = element('progress')
  for (const [step, { title: label }] of Object.entries(STEPS)) {
    const goal = goals.querySelector(`[data-step="${step}"]`) ?? goals.appendChild(element('goal').content.cloneNode(true).firstElementChild)
    const done = [...students.values()].filter(student => student[step]).length
    goal.dataset.step = step
    goal.querySelector('.label').textContent = label
    goal.querySelector('.number').textContent = `${done} of ${students.size}`
    goal.querySelector('progress').max = students.size
    goal.querySelector('progress').value = done
    goal.querySelector('progress').setAttribute('aria-label', label)
  }
}

function flash (id) {
  const card = cards.get(id)
  const { classList } = card.article
  classList.remove('changed')
  card.article.getBoundingClientRect() // Without a layout in between, the animation would not start anew.
  classList.add('changed')
  clearTimeout(card.flashing)
  card.flashing = setTimeout(() => classList.remove('changed'), 3_000)
}

// The feed

/** Says who changed what. A program that publishes to the room without saying it is somebody, too. */
function tell (student) {
  const known = students.get(student?.id)
  if (known === undefined) return
  const { by = 'Somebody', fields = differences(student) } = student.change ?? {}
  for (const field of fields) {
    if (Object.hasOwn(DEEDS, field)) addToFeed(by, DEEDS[field](fullName({ ...known, ...student }), student[field]))
  }
}

function addToFeed (by, text) {
  const entry = document.createElement('li')
  const when = document.createElement('time')
  const what = document.createElement('span')
  const who = document.createElement('strong')
  when.textContent = time.format(new Date())
  who.textContent = by
  what.append(who, by === '' ? text : ` ${text}`)
  entry.append(when, what)
  const feed = element('feed')
  feed.prepend(entry)
  while (feed.children.length > FEED_LENGTH) feed.lastElementChild.remove()
}

function fullName ({ firstname, name }) {
  return `${firstname} ${name}`
}

const kept = sessionStorage.getItem('session')
if (kept === null) show('sign-in')
else signIn(JSON.parse(kept))
