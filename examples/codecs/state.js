/** @type {(message: import('fastify-rooms').Message) => string} */
const write = ({ command, data = {} }) => JSON.stringify({ state: command, data })

/** @type {import('fastify-rooms').Codec} */
export const state = {
  command: (text, json) => {
    const { state, data } = Object(json(text))
    return typeof state === 'string' ? { command: state, data } : undefined
  },
  message: write,
  reply: write,
  error: ({ message }) => JSON.stringify({ state: 'error', error: message }),
  status: status => {
    if (status === 'connected') return write({ command: 'initialised' })
    return status === 'invalid_token' ? JSON.stringify({ state: 'error', error: 'Could not validate credentials.' }) : undefined
  },
  ping: false
}
