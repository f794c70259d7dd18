/** @type {import('fastify-rooms').Codec} */
export const shared = {
  command: (text, json) => ({ command: 'SAY', data: json(text) }),
  message: ({ data }) => JSON.stringify(data),
  error: ({ message }) => JSON.stringify({ error: message }),
  status: () => undefined,
  ping: false,
  broker: {
    encode: ({ data }) => JSON.stringify(data),
    decode: (text, json) => {
      const { user, message } = Object(json(text))
      return typeof user === 'string' && typeof message === 'string' ? { command: 'SAID', data: { user, message } } : undefined
    }
  }
}
