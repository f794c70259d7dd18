// The floor without sharing: what one write per message and member costs, when there is nothing else to do.
import { servePlain } from '../plain.js'

await servePlain((sockets, bytes) => {
  for (const socket of sockets) socket.write(bytes)
})
