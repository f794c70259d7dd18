import { serve } from '../common/serve.js'
import { createChat } from './app.js'

await serve({
  name: 'chat',
  port: 8000, // as in the tutorial, whose page has it written in
  create: createChat,
  greet: address => `
The chat is at ${address}

Open it in two windows and write something. Or without a page:

npx wscat -c ${address.replace('http', 'ws')}/ws/7`
})
