// C19: looks at everything that the whole suite has logged, at every level, for what belongs into no log: tokens, payloads,
// passwords. `npm run test:unit` empties the folder first; each process of the tests writes a file of its own there.
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const FOLDER = fileURLToPath(new URL('../.tap/logs', import.meta.url))

/** A suite that has logged less has not been looked at. */
const FEWEST_LINES = 2_000
const FEWEST_FILES = 20

/** Tests send these, and sign and sign in with them. */
const SECRETS = {
  'a token': /\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*/,
  // One line of the plugin's own shows what a first message looks like, with an ellipsis for the token.
  'a token that is none, as a client sent it': /\\*"token\\*":\\*"(?!…)|Bearer [\w-]{8,}/,
  // What tokens of the tests are signed with is called one, and most of the passwords are this word. A function of that name, as
  // @fastify/jwt takes one, may be in the trace of an error.
  'a secret': /\bsecret\b(?! \(file:)/,
  'a payload': /the canary of a payload/,
  'a password of Redis': /the-password-of-a-redis|a-password|rediss?:\/\/[^"@\s]*:[^"@\s]+@/i
}

/** What is in the log only if those who were refused, and whose sockets were cut off, are written about. */
const TOLD = ['socket refused', 'socket ended', 'socket sent a bad frame']

if (process.argv.includes('--empty')) rmSync(FOLDER, { recursive: true, force: true })
else process.exitCode = look()

function look () {
  const faults = [...controls(), ...scan()]
  for (const fault of faults) console.error(`logs: ${fault}`)
  return faults.length === 0 ? 0 : 1
}

function scan () {
  const files = list()
  const lines = files.flatMap(file => readFileSync(`${FOLDER}/${file}`, 'utf8').split('\n').filter(line => line !== ''))
  console.log(`logs: ${lines.length} lines of ${files.length} processes`)
  const faults = []
  if (lines.length < FEWEST_LINES || files.length < FEWEST_FILES) faults.push(`these are too few to mean anything, ${FEWEST_LINES} lines of ${FEWEST_FILES} processes were expected: run the whole of npm run test:unit`)
  for (const told of TOLD) if (!lines.some(line => line.includes(`"msg":"${told}"`))) faults.push(`no line says '${told}'`)
  for (const line of lines) {
    const found = findingsIn(line)
    if (found.length > 0 && faults.length < 20) faults.push(`${found.join(', ')} is in: ${line.slice(0, 300)}`)
  }
  return faults
}

function list () {
  try {
    return readdirSync(FOLDER)
  } catch {
    return []
  }
}

function findingsIn (line) {
  return Object.keys(SECRETS).filter(name => SECRETS[name].test(line))
}

/** A scan that finds nothing must be one that would have found something. */
function controls () {
  const part = object => Buffer.from(JSON.stringify(object)).toString('base64url')
  const examples = {
    'a token': `{"url":"/ws?token=${part({ alg: 'HS256' })}.${part({ sub: 'jeanne' })}.c2lnbmF0dXJl"}`,
    'a token that is none, as a client sent it': JSON.stringify({ why: JSON.stringify({ token: 'nonsense' }) }),
    'a secret': JSON.stringify({ jwt: { secret: 'a secret of the tests' } }),
    'a payload': JSON.stringify({ message: { command: 'X', data: 'the canary of a payload' } }),
    'a password of Redis': JSON.stringify({ err: 'cannot connect to redis://:hunter2@127.0.0.1:1' })
  }
  return Object.entries(examples).filter(([name, line]) => !findingsIn(line).includes(name)).map(([name]) => `${name} would not be found`)
}
