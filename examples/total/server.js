import { serve } from '../common/serve.js'
import { createTotal } from './app.js'

await serve({
  name: 'total',
  create: createTotal,
  greet: address => `
The running total is at ${address}

Open it in two windows and add a number. Or without a page, and then type numbers:

npx wscat -c ${address.replace('http', 'ws')}/ws`
})
