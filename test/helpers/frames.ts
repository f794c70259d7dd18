import { Random } from '../../faults/shared.js'

/** What a client sends: text, bytes as a text frame, or bytes as a binary one. */
export type RandomFrame = { readonly text: string } | { readonly bytes: Buffer } | { readonly binary: Buffer }

const KEYS = ['"command"', '"data"', '"id"', '"desk"', '"token"', '"__proto__"', '"\\u005f_proto__"', '"constructor"', '"prototype"', '"toString"', '"toJSON"', '"polluted"', '"hasOwnProperty"', '""', '"\\ud800"']
const NAMES = ['CALL', 'SAY', 'ECHO', 'FAIL', 'REFUSE', 'WSPing', 'WSPong', 'WSStatus', 'WSError', 'WSSnapshot', 'WSPresence', 'OTHER', 'toString', '__proto__', 'constructor', '', 'call', `${'x'.repeat(39)}\u{1f600}`]
const NUMBERS = ['0', '-0', '1', '7', '2.5', '-3', '1e3', '1E-7', '9007199254740993', '123456789012345678901234567890', '1e308', '1e999', '-1e999', '5e-324']
const STRINGS = ['""', '"a"', '"7"', '"eight ch"', '"too long for it"', '"\\ud800"', '"\\udc00\\ud800"', '"\u{1f600}"', '"\\u0000"', '"\u2028"', '"[[[{{{"', '"\\"}"', '"\\\\"', '"__proto__"']
const WORDS = ['null', 'true', 'false']
const NOT_JSON = ['', ' ', '{', '}', '{"command":"ECHO"', '{command:"ECHO"}', "{'command':'ECHO'}", '[,]', '{"a":1,}', 'undefined', 'NaN', '01', '+1', '"\t"', '{"a":1}{"a":1}', '// x', '{"__proto__":1', '\u0000']
const IDS = [...NUMBERS, ...STRINGS, ...WORDS, '{}', '[1]', `"${'i'.repeat(128)}"`, `"${'i'.repeat(129)}"`]

/** Frames as no honest client would send them, among some that one would. The same for the same seed. */
export class Frames {
  readonly #random: Random
  readonly #maxPayload: number

  constructor (seed: number, maxPayload: number) {
    this.#random = new Random(seed)
    this.#maxPayload = maxPayload
  }

  next (): RandomFrame {
    const kind = this.#random.between(1, 100)
    if (kind <= 30) return { text: this.#command(this.#data()) }
    if (kind <= 50) return { text: this.#command(this.#value(4)) }
    if (kind <= 65) return { text: this.#object(4) }
    if (kind <= 75) return { text: this.#deep() }
    if (kind <= 85) return { text: this.#garbled(this.#command(this.#value(3))) }
    if (kind <= 90) return { text: this.#value(3) }
    if (kind <= 94) return { text: this.#random.pick(NOT_JSON) }
    if (kind <= 96) return { binary: this.#random.pick([Buffer.from(this.#command('1')), this.#random.bytes(this.#random.between(0, 200))]) }
    if (kind <= 98) return { bytes: this.#random.bytes(this.#random.between(1, 200)) }
    return { text: this.#long() }
  }

  /** With what could be a command, data and an id, in any order, some of them twice. */
  #command (data: string): string {
    const members = [`"command":${this.#random.between(1, 8) === 1 ? this.#value(2) : JSON.stringify(this.#random.pick(NAMES))}`]
    if (this.#random.between(1, 8) > 1) members.push(`"data":${data}`)
    if (this.#random.between(1, 4) > 1) members.push(`"id":${this.#random.between(1, 3) === 1 ? this.#random.pick(IDS) : this.#random.between(0, 1e6)}`)
    if (this.#random.between(1, 8) === 1) members.push(this.#member(2))
    if (this.#random.between(1, 8) === 1) members.push(this.#random.pick(members))
    if (this.#random.between(1, 2) === 1) members.reverse()
    return `{${members.join(this.#random.pick([',', ' ,\n']))}}`
  }

  /** What a command may well take. */
  #data (): string {
    return this.#random.pick(['{"desk":4}', '{"desk":1,"more":[1]}', '{"desk":0}', '{"desk":"4"}', '{"desk":1e999}', '{}', '"a"', '"\\ud83d\\ude00 eight"', '"nine char"', 'null', '[]', this.#value(2)])
  }

  #value (depth: number): string {
    const kind = this.#random.between(1, depth > 0 ? 6 : 3)
    if (kind === 1) return this.#random.pick(NUMBERS)
    if (kind === 2) return this.#random.pick(STRINGS)
    if (kind === 3) return this.#random.pick(WORDS)
    if (kind === 4) return `[${Array.from({ length: this.#random.between(0, 4) }, () => this.#value(depth - 1)).join(',')}]`
    return this.#object(depth - 1)
  }

  #object (depth: number): string {
    return `{${Array.from({ length: this.#random.between(0, 5) }, () => this.#member(depth)).join(',')}}`
  }

  #member (depth: number): string {
    return `${this.#random.pick(KEYS)}:${this.#value(depth)}`
  }

  /** Around the limit, and far beyond it; not always closed again. */
  #deep (): string {
    const levels = this.#random.pick([this.#random.between(55, 70), this.#random.between(100, 10_000)])
    const [open, close] = this.#random.pick([['[', ']'], ['{"a":', '}'], ['{"__proto__":', '}'], ['[{"constructor":', '}]']] as const)
    const many = Math.min(levels, Math.floor((this.#maxPayload - 100) / (open.length + close.length)))
    const nested = `${open.repeat(many)}1${close.repeat(this.#random.between(1, 8) === 1 ? many - 1 : many)}`
    return this.#random.between(1, 4) === 1 ? nested : `{"command":"ECHO","id":1,"data":${nested}}`
  }

  /** A character lost, doubled, or changed. */
  #garbled (text: string): string {
    const at = this.#random.between(0, text.length - 1)
    const put = this.#random.pick(['', text.slice(at, at + 1).repeat(2), String.fromCharCode(this.#random.between(0, 0xffff)), this.#random.pick(['{', '[', '"', '\\', ',', '\ud800'])])
    return text.slice(0, at) + put + text.slice(at + 1)
  }

  /** About as long as is allowed. */
  #long (): string {
    const frame = '{"command":"SAY","id":1,"data":""}'
    return frame.replace('""', `"${'x'.repeat(this.#maxPayload - frame.length + this.#random.between(-3, 3))}"`)
  }
}
