import { createStand, TOKEN_LIFETIME } from './app.js'

const { HOST: host = '127.0.0.1', PORT: port = '3000', JWT_SECRET: secret, REDIS_URL: redis } = process.env

let app
try {
  app = await createStand({ secret, redis })
  const address = await app.listen({ host, port: Number(port) })
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => app.close())
  greet(address)
} catch (error) {
  console.error(whyNot(error))
  process.exit(1)
}

function greet (address) {
  const token = app.jwt.sign({ sub: 'terminal', name: 'The terminal' })
  console.log(`
The stand board is at ${address}

Open it in two windows, sign in under two names, and tick a box in one of them.
${redis === undefined ? 'Files are kept in memory: a restart forgets the changes.' : 'Files are kept in Redis, for every process that is started with the same REDIS_URL.'}
${redis !== undefined && secret === undefined ? 'Set JWT_SECRET too: without it, other processes refuse the tokens of this one.\n' : ''}
To change a file from outside, as another program would (the token is good for ${TOKEN_LIFETIME}):

curl -sS -X PATCH ${address}/cdr/users/1 -H 'authorization: Bearer ${token}' -H 'content-type: application/json' -d '{"paid":true}'

Ctrl+C stops it.
`)
}

function whyNot (error) {
  switch (error.code) {
    case 'EADDRINUSE': return `Port ${port} of ${host} is taken. Stop the program that listens there, or choose another port: PORT=3001 npm start`
    case 'EACCES': return `Port ${port} of ${host} needs rights that this user does not have. Choose another port: PORT=3001 npm start`
    case 'REDIS_UNREACHABLE': return `${error.message} Start one there, or leave REDIS_URL out.`
    default: return error
  }
}
