import { LiveRoom } from './live.js'

const STEPS = { registered: 'Registered', paid: 'Paid', teeShirt: 'Tee-shirts' }
const FEED_LENGTH = 50
const LOST = 'Connection lost, reconnecting'

/** What the feed says about a field that somebody changed. */
const DEEDS = {
  registered: (student, yes) => `marked ${student} as ${yes ? '' : 'not '}registered`,
  paid: (student, yes) => `marked ${student} as ${yes ? '' : 'not '}paid`,
  teeShirt: (student, yes) => yes ? `handed ${student} a tee-shirt` : `took back the tee-shirt of ${student}`,
  note: (student, text) => text === '' ? `cleared the note on ${student}` : `noted on ${student}: “${text}”`
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
/** Changes that came while the list was on its way, which may be older than they are. */
let meanwhile
let load = 0

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
  room = new LiveRoom({ url, token: session.token, load: loadStudents, onMessage, onState })
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
    case 'UPDATE_USER':
      meanwhile?.push(data)
      tell(data)
      take(data)
      return
    case 'VOLUNTEERS':
      element('volunteers').hidden = false
      element('volunteers').textContent = data?.count === 1 ? '1 volunteer here' : `${data?.count} volunteers here`
  }
}

// The students

async function loadStudents () {
  const number = ++load
  meanwhile ??= []
  try {
    const list = await api('/cdr/users')
    if (number !== load) return
    const changed = list.filter(student => students.has(student.id) && differences(student).length > 0)
    // As they are, whatever their version: a server that keeps them in memory counts from zero when it restarts.
    for (const student of list) students.set(student.id, student)
    for (const student of meanwhile) take(student, false)
    list.sort((a, b) => a.firstname.localeCompare(b.firstname)).forEach(({ id }) => render(id))
    changed.forEach(({ id }) => flash(id))
    if (changed.length > 0) addToFeed('', changed.length === 1 ? 'One file changed while this page was away' : `${changed.length} files changed while this page was away`)
  } finally {
    if (number === load) meanwhile = undefined
  }
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
  root.querySelector('.steps').setAttribute('aria-labelledby', title.id)
  const note = root.querySelector('textarea')
  note.id = `note-${id}`
  root.querySelector('.note label').htmlFor = note.id
  const save = root.querySelector('.note button')
  const card = { root, article: root.querySelector('article'), title, note, save, steps: root.querySelectorAll('input'), saving: new Set() }

  for (const step of card.steps) step.addEventListener('change', () => change(id, step.name, step.checked))
  note.addEventListener('input', () => { save.hidden = note.value === students.get(id).note })
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
  card.root.querySelector('.last').textContent = student.change?.at ? `${time.format(Date.parse(student.change.at))} · ${student.change.by}` : ''
  renderProgress()
}

function renderProgress () {
  const goals = element('progress')
  for (const [step, label] of Object.entries(STEPS)) {
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
