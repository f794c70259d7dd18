import { element, show } from './page.js'

/** Who is signed in: a name and a token, for this tab only, so that two tabs can be two volunteers. */
export class Session {
  #open
  #onOpen
  #onEnd

  /**
   * @param onOpen is called when somebody has signed in
   * @param onEnd is called when nobody is any more
   */
  constructor ({ onOpen, onEnd }) {
    this.#onOpen = onOpen
    this.#onEnd = onEnd
    element('sign-in-form').addEventListener('submit', event => this.#signIn(event))
    element('sign-out').addEventListener('click', () => {
      this.#forget()
      // The next volunteer starts with an empty page.
      window.location.reload()
    })
  }

  /** A page that is reloaded stays signed in. */
  restore () {
    const kept = sessionStorage.getItem('session')
    if (kept === null) show('sign-in')
    else this.#begin(JSON.parse(kept))
  }

  get token () {
    return this.#open?.token
  }

  /** A token for the same volunteer that is good for longer, while the one before still is. */
  async renew () {
    const opened = this.#open
    const renewed = await this.request('/session/renewal', 'POST')
    if (this.#open === opened) this.#keep(renewed) // or somebody else has signed in meanwhile
    return renewed.token
  }

  async request (path, method = 'GET', body = undefined) {
    const token = this.#open?.token
    const headers = {}
    if (token !== undefined) headers.authorization = `Bearer ${token}`
    if (body !== undefined) headers['content-type'] = 'application/json'
    const options = { method, headers, body: JSON.stringify(body), signal: AbortSignal.timeout(10_000) }
    const response = await fetch(path, options).catch(() => { throw new Error('the server cannot be reached.') })
    const answer = await response.json().catch(() => ({}))
    if (response.status === 401 && token === this.#open?.token) this.end('Your session is over. Please sign in again.')
    if (!response.ok) throw new Error(answer.message ?? `the server answered ${response.status}.`)
    return answer
  }

  /** The page stays as it is underneath, with a note that was being written. */
  end (reason) {
    element('name').value ||= this.#open?.name ?? ''
    this.#forget()
    show('sign-in')
    element('sign-in-problem').textContent = reason
    element('name').focus()
  }

  async #signIn (event) {
    event.preventDefault()
    const button = event.target.querySelector('button')
    button.disabled = true
    try {
      const opened = await this.request('/session', 'POST', { name: element('name').value })
      this.#begin(opened)
    } catch (error) {
      element('sign-in-problem').textContent = `That did not work: ${error.message}`
    } finally {
      button.disabled = false
    }
  }

  #begin (opened) {
    this.#keep(opened)
    element('who').textContent = opened.name
    show('board')
    element('board').querySelector('h1').focus()
    this.#onOpen()
  }

  #keep (opened) {
    this.#open = opened
    sessionStorage.setItem('session', JSON.stringify(opened))
  }

  #forget () {
    this.#open = undefined
    sessionStorage.removeItem('session')
    this.#onEnd()
  }
}
