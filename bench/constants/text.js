/** A message of so many bytes of JSON. */
export function text (size) {
  const message = { command: 'UPDATE_USER', data: '' }
  return JSON.stringify({ ...message, data: '.'.repeat(size - JSON.stringify(message).length) })
}
