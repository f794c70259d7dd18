import { serve } from '../common/serve.js'
import { createSession } from './app.js'

const { JWT_SECRET: secret, TOKEN_LIFETIME: lifetime } = process.env

await serve({
  name: 'session',
  alone: true,
  create: () => createSession({ ...secret !== undefined && { secret }, ...lifetime !== undefined && { lifetime } }),
  greet: (address, app) => `
The session is at ${address}

Sign in under any name, and have the server find something for you, step by step. Without a page:

npx wscat -c ${address.replace('http', 'ws')}/session

and then these, line by line:

{"token":"${app.jwt.sign({ sub: 'terminal', name: 'The terminal' })}"}
{"state":"startThings","data":{"things":2}}
{"state":"nextThing"}
{"state":"save"}`
})
