import { Card } from './card.js'
import { tell, tellDeed, TOLD } from './feed.js'
import { complain, copyOf, element } from './page.js'
import { STEPS } from './schemas.js'

/** All students' files, as far as the page knows them, and their cards. */
export class Students {
  #files = new Map()
  #cards = new Map()
  #save
  #sayWriting

  /**
   * @param save takes the id of a student and what is to change, and resolves with the file
   * @param sayWriting takes the id of a student whose note is being written
   */
  constructor ({ save, sayWriting }) {
    this.#save = save
    this.#sayWriting = sayWriting
  }

  get size () {
    return this.#files.size
  }

  /** As they are, whatever their version: a server that keeps them in memory counts from zero when it restarts. */
  show (files) {
    const changed = files.filter(file => this.#files.has(file.id) && this.#differences(file).length > 0)
    for (const file of files) this.#files.set(file.id, file)
    files.toSorted((a, b) => a.firstname.localeCompare(b.firstname)).forEach(({ id }) => this.#render(id))
    changed.forEach(({ id }) => this.#cards.get(id).flash())
    if (changed.length > 0) tell(changed.length === 1 ? 'One file changed in the meantime' : `${changed.length} files changed in the meantime`)
  }

  /** Somebody has changed a file. A program that publishes to the room without saying who it is is somebody, too. */
  told (file) {
    const known = this.#files.get(file?.id)
    if (known === undefined) return
    const { by = 'Somebody', fields = this.#differences(file) } = file.change ?? {}
    for (const field of fields) tellDeed(by, field, fullName({ ...known, ...file }), file[field])
    this.#take(file)
  }

  showWriter ({ id, by }) {
    this.#cards.get(id)?.showWriter(by)
  }

  /** Takes over a file, unless what is known is as new: answers and messages may overtake each other. */
  #take (file) {
    const known = this.#files.get(file.id)
    if (file.version <= known.version) return
    this.#files.set(file.id, { ...known, change: null, ...file })
    this.#render(file.id)
    this.#cards.get(file.id).flash()
  }

  #differences (file) {
    const known = this.#files.get(file.id)
    return TOLD.filter(field => field in file && file[field] !== known[field])
  }

  async #change (id, changes) {
    try {
      this.#take(await this.#save(id, changes))
      complain('')
      return true
    } catch (error) {
      complain(`${fullName(this.#files.get(id))} was not changed: ${error.message}`, 10_000)
      return false
    }
  }

  #render (id) {
    if (!this.#cards.has(id)) this.#cards.set(id, this.#createCard(id))
    this.#cards.get(id).show(this.#files.get(id))
    this.#renderProgress()
  }

  #createCard (id) {
    const card = new Card(this.#files.get(id), {
      onChange: (field, value) => this.#change(id, { [field]: value }),
      onWriting: () => this.#sayWriting(id)
    })
    element('students').append(card.root)
    return card
  }

  #renderProgress () {
    const goals = element('progress')
    for (const [step, { title }] of Object.entries(STEPS)) {
      const goal = goals.querySelector(`[data-step="${step}"]`) ?? goals.appendChild(copyOf('goal'))
      const done = [...this.#files.values()].filter(file => file[step]).length
      goal.dataset.step = step
      goal.querySelector('.label').textContent = title
      goal.querySelector('.number').textContent = `${done} of ${this.size}`
      const bar = goal.querySelector('progress')
      bar.max = this.size
      bar.value = done
      bar.setAttribute('aria-label', title)
    }
  }
}

function fullName ({ firstname, name }) {
  return `${firstname} ${name}`
}
