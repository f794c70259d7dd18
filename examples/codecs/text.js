/** @type {import('fastify-rooms').Codec} */
export const text = {
  command: text => ({ command: 'MESSAGE', data: text }),
  message: ({ data }) => String(data),
  reply: ({ data }) => data === undefined ? data : String(data), // a handler that returns nothing says nothing
  error: ({ message }) => message,
  status: () => undefined,
  ping: false
}
