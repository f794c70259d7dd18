const POOL = 128
const WORDS = ['membership', 'paid', 'waiting', 'integration', 'week', 'sweater', 'signed', 'stand', 'Émilie', 'Jeanne', 'Noah', 'certificate', 'insurance', 'bus', 'form', 'missing']

/**
 * Messages whose JSON text has this many bytes. They are made before anything is measured, and no two that follow each
 * other are the same, so that nobody gains by remembering the last one.
 */
export function messages (size) {
  const pool = Array.from({ length: POOL }, (_, number) => message(number, size))
  let next = 0
  return () => pool[next++ % POOL]
}

function message (number, size) {
  const made = { command: 'UPDATE_USER', data: { id: number + 1_000_000, at: 1_000_000_000_000, text: '' } }
  let left = size - Buffer.byteLength(JSON.stringify(made))
  let seed = number
  // Words, and numbers that are hardly ever the same: about as compressible as what an API sends.
  while (left > 16) {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    const word = `${WORDS[seed >> 8 & 15]} ${seed % 10_000} `
    made.data.text += word
    left -= Buffer.byteLength(word)
  }
  made.data.text += '.'.repeat(Math.max(0, left))
  return made
}
