import { clock, copyOf } from './page.js'
import { CHANGES, STEPS } from './schemas.js'

/** In milliseconds: how often others are told that somebody is writing, and for how long they show it. */
const WRITING_EVERY = 2_000
const WRITING_FOR = 4_000
const FLASH_FOR = 3_000

/** The card of one student. */
export class Card {
  root = copyOf('student')
  #article = this.root.querySelector('article')
  #title = this.root.querySelector('h2')
  #about = this.root.querySelector('.about')
  #note = this.root.querySelector('textarea')
  #save = this.root.querySelector('.note button')
  #last = this.root.querySelector('.last')
  #steps
  #student
  /** Fields that are on their way to the server. */
  #saving = new Set()
  #writer
  #writing
  #flashing
  #saidAt = -Infinity
  #onChange
  #onWriting

  /**
   * @param onChange takes a field and its value, and resolves with whether that was saved
   * @param onWriting is called now and then while a note is being written
   */
  constructor (student, { onChange, onWriting }) {
    this.#student = student
    this.#onChange = onChange
    this.#onWriting = onWriting
    this.#title.id = `student-${student.id}`
    this.#article.setAttribute('aria-labelledby', this.#title.id)
    this.#steps = this.#createSteps()
    this.#note.id = `note-${student.id}`
    this.#note.maxLength = CHANGES.properties.note.maxLength
    this.#note.addEventListener('input', () => this.#noteChanged())
    const form = this.root.querySelector('.note')
    form.querySelector('label').htmlFor = this.#note.id
    form.addEventListener('submit', event => this.#saveNote(event))
  }

  show (student) {
    this.#student = student
    this.#title.textContent = `${student.firstname} ${student.name}`
    this.#about.textContent = `${student.curriculum} · ${student.promo}`
    this.#article.classList.toggle('complete', this.#steps.every(({ name }) => student[name]))
    for (const step of this.#steps) {
      // What is on its way to the server stays as the volunteer has set it.
      if (!this.#saving.has(step.name)) step.checked = Boolean(student[step.name])
    }
    // A note that is being written is not taken away from its writer.
    if (this.#save.hidden) this.#note.value = student.note
    this.#showLast()
  }

  flash () {
    const { classList } = this.#article
    classList.remove('changed')
    this.#article.getBoundingClientRect() // Without a layout in between, the animation would not start anew.
    classList.add('changed')
    clearTimeout(this.#flashing)
    this.#flashing = setTimeout(() => classList.remove('changed'), FLASH_FOR)
  }

  showWriter (name) {
    const write = writer => {
      this.#writer = writer
      this.#showLast()
    }
    write(name)
    clearTimeout(this.#writing)
    this.#writing = setTimeout(write, WRITING_FOR)
  }

  #createSteps () {
    const group = this.root.querySelector('.steps')
    group.setAttribute('aria-labelledby', this.#title.id)
    return Object.entries(STEPS).map(([name, { title }]) => {
      const label = group.appendChild(copyOf('step'))
      const box = label.querySelector('input')
      label.querySelector('span').textContent = title
      box.name = name
      box.addEventListener('change', () => this.#change(name, box.checked))
      return box
    })
  }

  /** Who is writing at this moment, or who made the last change. */
  #showLast () {
    const { change } = this.#student
    this.#last.classList.toggle('writing', this.#writer !== undefined)
    if (this.#writer !== undefined) this.#last.textContent = `${this.#writer} is writing…`
    else this.#last.textContent = change?.at ? `${clock(Date.parse(change.at))} · ${change.by}` : ''
  }

  #noteChanged () {
    this.#save.hidden = this.#note.value === this.#student.note
    if (performance.now() - this.#saidAt < WRITING_EVERY) return
    this.#saidAt = performance.now()
    this.#onWriting()
  }

  async #saveNote (event) {
    event.preventDefault()
    if (!await this.#change('note', this.#note.value)) return
    this.#save.hidden = true
    this.show(this.#student)
  }

  async #change (field, value) {
    this.#saving.add(field)
    const saved = await this.#onChange(field, value)
    this.#saving.delete(field)
    this.show(this.#student)
    return saved
  }
}
