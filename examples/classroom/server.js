import { randomBytes } from 'node:crypto'
import { serve } from '../common/serve.js'
import { createClassroom } from './app.js'

const { SCORE_KEY: key = randomBytes(18).toString('base64url'), REDIS_URL: redis } = process.env

await serve({
  name: 'classroom',
  create: settings => createClassroom({ ...settings, key }),
  greet: address => `
The classroom is at ${address}

Open it in two windows and write something. To write the score, which all pages show:

curl -sS -X PUT ${address}/score -H 'authorization: Bearer ${key}' -H 'content-type: application/json' -d '{"home":1,"away":0}'${fromOutside()}`
})

function fromOutside () {
  if (redis === undefined) return ''
  const url = new URL(redis)
  url.password = ''
  return `

To say something as another program would:

redis-cli -u ${url} PUBLISH chat '{"user":"outside","message":"Hello"}'`
}
